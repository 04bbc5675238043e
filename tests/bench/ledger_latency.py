"""From a webhook sent to its entry committed: a door, a ledger, deliveries at a steady rate."""

import asyncio
import json
import subprocess
import time
from dataclasses import dataclass
from typing import Final

import asyncpg

from services.ingest.signature import header_of
from tests.bench.ledger_mix import messages
from tests.bench.ledger_runs import ledgers, looked_at
from tests.support.ingest import HOOK, SECRET, door
from tests.support.ledger import fresh_topics
from tests.support.stack import RunningStack

WARM_UP: Final = 400
CONNECTIONS: Final = 8
LOOK_SECONDS: Final = 0.001
_BOOKED: Final = (
    "select e.message_id from unnest($1::integer[], $2::bigint[]) as n (origin_id, after)"
    " join ledger.entries e on e.origin_id = n.origin_id and e.sequence > n.after"
)


@dataclass(slots=True)
class Latencies:
    """Milliseconds from sent to seen committed, in order."""

    milliseconds: list[float]

    def at(self, share: float) -> float:
        """The value that so large a share does not exceed."""
        return self.milliseconds[
            min(len(self.milliseconds) - 1, int(len(self.milliseconds) * share))
        ]


def deliveries(count: int) -> list[tuple[str, bytes]]:
    """Events that are booked, each by its id."""
    found: dict[str, bytes] = {}
    for told in messages(count * 6):
        envelope = told.envelope
        if (
            envelope is not None
            and told.topic == "stripe.events"
            and envelope.subject.startswith(("ch_", "re_", "tr_", "du_"))
        ):
            found.setdefault(envelope.id, envelope.data)
        if len(found) == count:
            break
    return [(json.loads(body)["id"], body) for body in found.values()]


async def measured(stack: RunningStack, *, rate: float, seconds: float) -> Latencies:
    """Send at a rate for a while; each entry is looked for each millisecond."""
    await fresh_topics(stack.kafka_bootstrap)
    dsn = stack.fresh_database("bench")
    ready = deliveries(WARM_UP + int(rate * seconds))
    try:
        with ledgers(stack, dsn, 1, "both") as processes, door(stack.kafka_bootstrap) as entrance:
            async with looked_at(dsn) as connection:
                await _until_ready(connection, processes)
                sent, seen = dict[str, float](), dict[str, float]()
                looking = asyncio.create_task(_look(connection, seen, len(ready)))
                await _send(entrance.port, ready, rate, sent)
                async with asyncio.timeout(60):
                    await looking
    finally:
        stack.drop_database(dsn)
    warm = {ident for ident, _ in ready[:WARM_UP]}
    return Latencies(
        sorted((seen[ident] - at) * 1000 for ident, at in sent.items() if ident not in warm)
    )


async def _until_ready(
    connection: "asyncpg.Connection[asyncpg.Record]", processes: list[subprocess.Popen[bytes]]
) -> None:
    async with asyncio.timeout(60):
        while await connection.fetchval("select to_regclass('ledger.positions')") is None or (
            await connection.fetchval("select count(*) from ledger.positions") == 0
        ):
            if processes[0].poll() is not None:
                raise RuntimeError("the ledger ended")
            await asyncio.sleep(0.1)  # bounded poll: the timeout above


async def _look(
    connection: "asyncpg.Connection[asyncpg.Record]", seen: dict[str, float], until: int
) -> None:
    at: dict[int, int] = {}
    while len(seen) < until:
        rows = await connection.fetch("select origin_id, sequence from ledger.origins")
        moved = [row for row in rows if row["sequence"] > at.get(row["origin_id"], 0)]
        if moved:
            now = time.perf_counter()
            found = await connection.fetch(
                _BOOKED,
                [row["origin_id"] for row in moved],
                [at.get(row["origin_id"], 0) for row in moved],
            )
            for row in found:
                seen.setdefault(row["message_id"], now)
            at |= {row["origin_id"]: row["sequence"] for row in moved}
        await asyncio.sleep(LOOK_SECONDS)  # the caller's timeout bounds it


async def _send(
    port: int, ready: list[tuple[str, bytes]], rate: float, sent: dict[str, float]
) -> None:
    """Over a few connections in turn, each delivery at its moment."""
    streams = [await asyncio.open_connection("127.0.0.1", port) for _ in range(CONNECTIONS)]
    locks = [asyncio.Lock() for _ in streams]
    tasks: list[asyncio.Task[None]] = []
    begun = time.perf_counter()
    for number, (ident, body) in enumerate(ready):
        due = begun + number / rate
        await asyncio.sleep(max(0.0, due - time.perf_counter()))  # the pace that is asked for
        sent[ident] = due
        turn = number % CONNECTIONS
        tasks.append(asyncio.create_task(_deliver(*streams[turn], locks[turn], body)))
    await asyncio.gather(*tasks)
    for _, writer in streams:
        writer.close()


async def _deliver(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, lock: asyncio.Lock, body: bytes
) -> None:
    header = header_of(body, SECRET, int(time.time()))
    head = (
        f"POST {HOOK} HTTP/1.1\r\nHost: localhost\r\nStripe-Signature: {header}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    async with lock:
        writer.write(head.encode() + body)
        answer = await reader.readuntil(b"\r\n\r\n")
        if not answer.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(answer.decode())
        length = next(
            int(line.split(b":")[1])
            for line in answer.lower().split(b"\r\n")
            if line.startswith(b"content-length")
        )
        await reader.readexactly(length)
