"""What the door accepts a second, beside the two floors that it stands on.

``python -m tests.bench.door`` starts a stack of its own and a door of one process, and sends signed
deliveries of 2 to 4 KiB. The floors, in the same run: the same server answering 200 without work,
and the library's bare producer with ``acks=all``, on the same loop, with batches as large and as
many records at once as the door has. Beside them stands what our own way to the broker does without a door, which is stricter.
Figures are of the machine that they were taken on; the ratio to the slower floor is what can be
compared.

All of it stands on a broker that is warm. One that has just started compiles its own code beside
the work, for a record takes three times the processor, and is faster with each run: whoever comes
last in a round then looks best. So it is given work first, and every other round goes backwards.
"""

import argparse
import asyncio
import json
import resource
import statistics
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import psutil
import uvloop

from shared.contracts.envelope import Envelope
from shared.contracts.errors import Unavailable
from shared.contracts.topics import RECORD_BYTES_MAX, STRIPE_EVENTS
from shared.runtime.kafka import (
    LINGER_MILLISECONDS,
    PRODUCER_BATCH_BYTES,
    Publisher,
    Row,
    create_topics,
)
from shared.runtime.kafka_client import LIBRARY
from shared.runtime.kafka_outbox import Outbox
from tests.bench.door_attacked import attacked
from tests.bench.door_load import OBJECTS, request
from tests.support.ingest import HOOK, ServiceProcess, door, free_port, service
from tests.support.stack import RunningStack, running_stack

CONNECTIONS: Final = 64
EVENTS: Final = 20_000
ROUNDS: Final = 3
# Records until the broker's processor time for each no longer falls, and deliveries for the door.
WARMING: Final = 100_000
DOOR_WARMING: Final = 5_000
LIBRARY_BATCH_BYTES: Final = 16 * 1024
MEGABYTE: Final = 1024 * 1024

# What the door makes of a delivery, as far as its size counts.
ENVELOPE: Final = Envelope(
    id="evt_bench",
    source="stripe/main",
    type="com.stripe.event",
    time=datetime(2026, 11, 1, tzinfo=UTC),
    data=b"",
    subject="ch_1",
    extensions={
        "book": "main",
        "endpoint": "main",
        "livemode": "false",
        "signature": f"t=1700000000,v1={'0' * 64}",
        "verdict": "accepted",
        "via": "webhook",
    },
)

Figures = dict[str, float]


@dataclass(frozen=True, slots=True)
class Asked:
    """How much to measure."""

    events: int = EVENTS
    rounds: int = ROUNDS
    memory_events: int = 0
    warming: int = WARMING


def send(port: int, *, events: int, path: str = HOOK, rate: float = 0.0) -> Figures:
    """One run of the load generator."""
    found = subprocess.run(
        [
            *(sys.executable, "-m", "tests.bench.door_load"),
            *("--port", str(port), "--path", path, "--events", str(events)),
            *("--connections", str(CONNECTIONS), "--rate", str(rate)),
            *("--run", uuid.uuid4().hex[:6]),
        ],
        check=True,
        capture_output=True,
    )
    figures: Figures = json.loads(found.stdout)
    return figures


def made_rows() -> list[Row]:
    """The door's records, made beforehand."""
    headers = list(ENVELOPE.headers())
    requests = [request(number, HOOK, "p") for number in range(OBJECTS)]
    return [
        (b"|ch_%d" % number, each.split(b"\r\n\r\n", 1)[1], headers)
        for number, each in enumerate(requests)
    ]


async def outbox_floor(bootstrap: str, events: int) -> float:
    """The same of our own outbox, which the door uses."""
    publisher, rows = Publisher(bootstrap), made_rows()
    done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    waiting = iter(range(events))
    open_ones = set(range(CONNECTIONS))

    def told(parcels: list[int], error: Unavailable | None) -> None:
        if error is not None and not done.done():
            done.set_exception(error)
        for parcel in parcels:
            number = next(waiting, None)
            if number is not None:
                outbox.post(rows[number % OBJECTS], parcel)
                continue
            open_ones.discard(parcel)
            if not open_ones and not done.done():
                done.set_result(None)

    outbox: Outbox[int] = Outbox(publisher, STRIPE_EVENTS, told, timeout_seconds=10)
    try:
        await publisher.publish_rows(STRIPE_EVENTS, rows[:1], 10)
        began = time.perf_counter()
        told(sorted(open_ones), None)
        await done
        return events / (time.perf_counter() - began)
    finally:
        await publisher.stop()


async def producer_floor(
    bootstrap: str, events: int, *, batch_bytes: int = PRODUCER_BATCH_BYTES
) -> float:
    """Records a second of the library's producer alone: one future and one wait for each.

    Its batches are as large as the door's: with the library's own 16 KiB, which five records fill,
    it waits where the door does not.
    """
    client: Any = LIBRARY.AIOKafkaProducer(  # Any: aiokafka has no types
        bootstrap_servers=bootstrap,
        acks="all",
        enable_idempotence=True,
        linger_ms=LINGER_MILLISECONDS,
        max_batch_size=batch_bytes,
        max_request_size=RECORD_BYTES_MAX,
    )
    await client.start()
    try:
        rows = made_rows()
        waiting = iter(range(events))

        async def one() -> None:
            for number in waiting:
                key, body, headers = rows[number % OBJECTS]
                await client.send_and_wait(STRIPE_EVENTS, body, key, headers=headers)

        began = time.perf_counter()
        await asyncio.gather(*(one() for _ in range(CONNECTIONS)))
        return events / (time.perf_counter() - began)
    finally:
        await client.stop()


def measure(stack: RunningStack, asked: Asked, say: Callable[[str], None]) -> None:
    """Measure door and floors round by round and say what came out."""
    asyncio.run(create_topics(stack.kafka_bootstrap))
    port = free_port()
    server = service("tests.bench.door_floor", str(port), port=port, environment={})
    # Its bound on all deliveries a second is off: it is not what is measured.
    with server as floor, door(stack.kafka_bootstrap, rate_per_second="0") as running:
        running.await_answer("/readyz")
        uvloop.run(outbox_floor(stack.kafka_bootstrap, asked.warming))
        send(running.port, events=DOOR_WARMING)
        machine = Machine([running.child.pid, floor.child.pid], _broker(stack))
        rounds = [
            _round(stack, running, port, asked.events, is_backwards=number % 2 == 1)
            for number in range(asked.rounds)
        ]
        shares = machine.shares()
        middle = {name: statistics.median(r[name] for r in rounds) for name in rounds[0]}
        slower = min(middle["server"], middle["producer"])
        say(
            f"door {middle['door']:,.0f}/s, p50 {middle['p50_ms']:.1f} ms,"
            f" p99 {middle['p99_ms']:.1f} ms, {middle['cpu_us']:.0f} µs of processor each"
            f" (beside it the broker {middle['broker_us']:.0f}, the load {middle['load_us']:.0f});"
            f" floors: server {middle['server']:,.0f}/s, producer {middle['producer']:,.0f}/s;"
            f" {middle['door'] / slower:.0%} of the slower;"
            f" the producer with batches of 16 KiB {middle['small']:,.0f}/s,"
            f" {middle['door'] / middle['small']:.0%} of it;"
            f" our own way to the broker {middle['outbox']:,.0f}/s,"
            f" {middle['door'] / middle['outbox']:.0%} of it; {shares}"
        )
        half = send(running.port, events=asked.events, rate=middle["door"] / 2)
        say(f"at half of that: p50 {half['p50_ms']:.1f} ms, p99 {half['p99_ms']:.1f} ms")
        say(asyncio.run(attacked(running)))
        if asked.memory_events:
            _memory(running, asked.memory_events, say)


def _round(
    stack: RunningStack,
    running: ServiceProcess,
    floor_port: int,
    events: int,
    *,
    is_backwards: bool,
) -> Figures:
    """The floors and the door once each."""

    def server() -> Figures:
        return {"server": send(floor_port, events=events, path="/")["per_second"]}

    def producer() -> Figures:
        return {"producer": uvloop.run(producer_floor(stack.kafka_bootstrap, events))}

    def small() -> Figures:
        floor = producer_floor(stack.kafka_bootstrap, events, batch_bytes=LIBRARY_BATCH_BYTES)
        return {"small": uvloop.run(floor)}

    def outbox() -> Figures:
        return {"outbox": uvloop.run(outbox_floor(stack.kafka_bootstrap, events))}

    def whole() -> Figures:
        return _door(stack, running, events)

    found: Figures = {}
    runs = (server, producer, small, outbox, whole)
    for run in reversed(runs) if is_backwards else runs:
        found |= run()
    return found


def _door(stack: RunningStack, running: ServiceProcess, events: int) -> Figures:
    processes = psutil.Process(running.child.pid), _broker(stack)
    before = [_spent(process) for process in processes]
    found = send(running.port, events=events)
    spent, broker = (_spent(each) - then for each, then in zip(processes, before, strict=True))
    return {
        "door": found["per_second"],
        "p50_ms": found["p50_ms"],
        "p99_ms": found["p99_ms"],
        "cpu_us": spent / events * 1e6,
        "broker_us": broker / events * 1e6,
        "load_us": found["cpu_us"],
    }


class Machine:
    """What of the machine's processors is ours and what others take, from its making on."""

    def __init__(self, pids: Sequence[int], broker: psutil.Process | None) -> None:
        found = [*map(psutil.Process, pids), broker]
        self._processes = [each for each in found if each is not None]
        self._before = self._taken()

    def shares(self) -> str:
        """The share of others: what a rate is worth depends on it."""
        busy, whole, own = (
            now - then for now, then in zip(self._taken(), self._before, strict=True)
        )
        return f"others took {max(0.0, busy - own) / max(whole, 1e-9):.0%} of the machine"

    def _taken(self) -> tuple[float, float, float]:
        machine = psutil.cpu_times()
        idle = machine.idle + getattr(machine, "iowait", 0.0)
        # Those who made the load are gone, and counted with this process.
        own = sum(map(_spent, self._processes)) + sum(
            sum(resource.getrusage(who)[:2])
            for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
        )
        return sum(machine) - idle, sum(machine), own


def _broker(stack: RunningStack) -> psutil.Process | None:
    """The broker's process, where it runs on this machine: it has the same cores as the door."""
    port = int(stack.kafka_bootstrap.rsplit(":", 1)[1])
    for each in psutil.net_connections("tcp"):
        is_its = each.status == psutil.CONN_LISTEN and each.laddr and each.laddr[1] == port
        if is_its and each.pid is not None:
            return psutil.Process(each.pid)
    return None


def _spent(process: psutil.Process | None) -> float:
    return sum(process.cpu_times()[:2]) if process is not None else float("nan")


def _memory(running: ServiceProcess, events: int, say: Callable[[str], None]) -> None:
    process = psutil.Process(running.child.pid)
    tenth = max(1, events // 10)
    sizes = [process.memory_info().rss / MEGABYTE]
    for _ in range(10):
        send(running.port, events=tenth)
        sizes.append(process.memory_info().rss / MEGABYTE)
    said = " · ".join(f"{size:.0f}" for size in sizes)
    say(f"resident MB before and after each tenth of {tenth * 10:,} events: {said}")


def main() -> int:
    """Measure from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=EVENTS)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--memory-events", type=int, default=0, help="for instance 1000000")
    parser.add_argument("--warming", type=int, default=WARMING, help="records before all else")
    given = parser.parse_args()
    asked = Asked(given.events, given.rounds, given.memory_events, given.warming)
    with running_stack(on_disk=True) as stack:
        measure(stack, asked, print)
    return 0


if __name__ == "__main__":
    sys.exit(main())
