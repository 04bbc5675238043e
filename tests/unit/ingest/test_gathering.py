"""What is written in one turn goes out together, whole, in order, and never after an abort."""

import asyncio
import socket

from hypothesis import given, settings
from hypothesis import strategies as st

from services.ingest.shell.gathering import GatheringTransport

WRITE, TURN, CLOSE, ABORT = "write", "turn", "close", "abort"
Step = tuple[str, bytes]
STEPS = st.lists(
    st.tuples(st.sampled_from([WRITE, WRITE, WRITE, TURN]), st.binary(max_size=20)), max_size=15
)


class Counting(asyncio.Transport):
    """The socket's own transport, whose writes are counted."""

    def __init__(self, transport: asyncio.Transport) -> None:
        super().__init__()
        self.inner = transport
        self.writes: list[bytes] = []

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.writes.append(bytes(data))
        self.inner.write(data)

    def close(self) -> None:
        self.inner.close()

    def abort(self) -> None:
        self.inner.abort()

    def is_closing(self) -> bool:
        return self.inner.is_closing()

    def get_write_buffer_size(self) -> int:
        return self.inner.get_write_buffer_size()


async def played(steps: list[Step]) -> tuple[bytes, list[bytes]]:
    """What came out at the other end, and in which writes it left."""
    loop = asyncio.get_running_loop()
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    inner, _ = await loop.create_connection(asyncio.Protocol, sock=ours)
    counting = Counting(inner)
    transport = GatheringTransport(counting, loop)
    for step, data in steps:
        if step == WRITE:
            transport.write(data)
        elif step == TURN:
            await asyncio.sleep(0)  # one turn of the loop
        elif step == CLOSE:
            transport.close()
        else:
            transport.abort()
    came = b""
    async with asyncio.timeout(5):
        while chunk := await loop.sock_recv(theirs, 65_536):
            came += chunk
    theirs.close()
    assert transport.get_write_buffer_size() == 0
    return came, counting.writes


@settings(deadline=None, max_examples=100)
@given(STEPS)
def test_all_that_was_written_before_a_close_goes_out_in_order_and_once_a_turn(
    steps: list[Step],
) -> None:
    came, writes = asyncio.run(played([*steps, (CLOSE, b""), (WRITE, b"too late"), (TURN, b"")]))
    assert came == b"".join(data for step, data in steps if step == WRITE)
    assert len(writes) <= 1 + sum(step == TURN for step, _ in steps)


@settings(deadline=None, max_examples=100)
@given(STEPS, STEPS)
def test_nothing_is_sent_after_an_abort(before: list[Step], after: list[Step]) -> None:
    steps = [*before, (TURN, b""), (ABORT, b""), *after, (CLOSE, b""), (TURN, b"")]
    came, _ = asyncio.run(played(steps))
    written = b"".join(data for step, data in before if step == WRITE)
    assert written.startswith(came)
