"""From a webhook sent to its entry committed: a door, a ledger, deliveries at a steady rate.

Whoever measures takes of the same two cores, so nothing is asked while it runs: a trigger that the
bench puts on the heads of the chains tells each commit, which the database hands out once it is
made. Which entry was in which commit is read afterwards. Percentiles are those of all deliveries.
"""

import asyncio
import json
import subprocess
import time
from collections import defaultdict
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

import asyncpg

from services.ingest.signature import header_of
from tests.bench.ledger_mix import messages
from tests.bench.ledger_processor import Meter
from tests.bench.ledger_runs import ledgers, looked_at
from tests.support.ingest import HOOK, SECRET, door
from tests.support.ledger import fresh_topics
from tests.support.stack import RunningStack

WARM_UP: Final = 1_000
CONNECTIONS: Final = 8
CHANNEL: Final = "committed"
_TELL: Final = f"""
create function ledger.tell_committed() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    perform pg_notify('{CHANNEL}', string_agg(origin_id || ':' || sequence, ' ')) from after;
    return null;
end
$$;
create trigger committed after update on ledger.origins
    referencing new table as after
    for each statement execute function ledger.tell_committed()
"""
_HOW_MANY: Final = "select count(distinct message_id) from ledger.entries"
_BOOKED: Final = "select origin_id, sequence, message_id, recorded_at from ledger.entries"


def at_share(ordered: list[float], share: float) -> float:
    """The value that so large a share of them does not exceed."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


@dataclass(frozen=True, slots=True)
class Latencies:
    """Milliseconds, each in order, and what was taken of the processors.

    ``whole`` is from the moment a delivery was due to the news of its commit; of it lie between
    due and written ``late``, which is the client's own delay, between due and answered
    ``answered``, and between the moment that Kafka appended it, in whole milliseconds, and the
    news of its commit ``booked``.
    """

    whole: list[float]
    late: list[float]
    answered: list[float]
    booked: list[float]
    processor: str

    def told(self) -> list[str]:
        """The parts, and who took what of the processors for each delivery."""
        parts = (
            ("written by the client", self.late),
            ("answered by the door", self.answered),
            ("appended by Kafka to committed", self.booked),
        )
        return [
            f"{name}: p50 {at_share(each, 0.5):.1f} ms, p99 {at_share(each, 0.99):.1f} ms"
            for name, each in parts
        ] + [self.processor]


@dataclass(slots=True)
class _Watch:
    """What happened when, by the clock of this process."""

    due: dict[str, float] = field(default_factory=dict[str, float])
    written: dict[str, float] = field(default_factory=dict[str, float])
    answered: dict[str, float] = field(default_factory=dict[str, float])
    own: float = 0.0
    committed: defaultdict[int, list[tuple[int, float]]] = field(
        default_factory=lambda: defaultdict[int, list[tuple[int, float]]](list)
    )

    def hear(self, payload: object) -> None:
        """Take down that origins have come to certain sequences."""
        now = time.perf_counter()
        for pair in str(payload).split():
            origin_id, sequence = pair.split(":")
            self.committed[int(origin_id)].append((int(sequence), now))

    def seen(self, rows: Iterable[asyncpg.Record]) -> dict[str, tuple[float, float]]:
        """When each message's first entry was committed, and how long after Kafka had it."""
        ahead = time.time() - time.perf_counter()
        found: dict[str, tuple[float, float]] = {}
        for row in rows:
            told = self.committed[row["origin_id"]]
            at = next(at for sequence, at in told if sequence >= row["sequence"])
            mine = (at, at + ahead - row["recorded_at"].timestamp())
            found[row["message_id"]] = min(mine, found.get(row["message_id"], mine))
        return found


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
    """Send at a rate for a while, and hear of each commit."""
    await fresh_topics(stack.kafka_bootstrap)
    dsn = stack.fresh_database("bench")
    ready = deliveries(WARM_UP + int(rate * seconds))
    watch = _Watch()
    try:
        with (
            ledgers(stack, dsn, 1, "both") as processes,
            door(stack.kafka_bootstrap) as entrance,
        ):
            async with looked_at(dsn) as connection:
                await _until_ready(connection, processes)
                servers = Meter.of(stack, (processes[0].pid,))
                meter = Meter({**servers.roots, "door": (entrance.child.pid,)})
                async with _heard(connection, watch):
                    await _send(entrance.port, ready, rate, watch, meter)
                    await _until_booked(connection, len(ready))
                meter.note(len(ready))
                own = (time.process_time() - watch.own) / (len(ready) - WARM_UP // 2)
                seen = watch.seen(await connection.fetch(_BOOKED))
    finally:
        stack.drop_database(dsn)
    counted = [ident for ident, _ in ready[WARM_UP:]]
    return Latencies(
        whole=sorted((seen[i][0] - watch.due[i]) * 1000 for i in counted),
        late=sorted((watch.written[i] - watch.due[i]) * 1000 for i in counted),
        answered=sorted((watch.answered[i] - watch.due[i]) * 1000 for i in counted),
        booked=sorted(seen[i][1] * 1000 for i in counted),
        processor=f"{meter.whole()}; client {own * 1e6:.0f} µs",
    )


async def _until_booked(connection: "asyncpg.Connection[asyncpg.Record]", count: int) -> None:
    async with asyncio.timeout(60):
        while True:
            if await connection.fetchval(_HOW_MANY) >= count:
                return
            await asyncio.sleep(0.1)  # bounded poll: the timeout above


@asynccontextmanager
async def _heard(
    connection: "asyncpg.Connection[asyncpg.Record]", watch: _Watch
) -> AsyncGenerator[None]:
    """Hear of commits, from a connection that asks for nothing."""

    def hear(_: object, __: int, ___: str, payload: object) -> None:
        watch.hear(payload)

    await connection.execute(_TELL)
    await connection.add_listener(CHANNEL, hear)
    try:
        yield
    finally:
        await connection.remove_listener(CHANNEL, hear)


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


async def _send(
    port: int, ready: list[tuple[str, bytes]], rate: float, watch: _Watch, meter: Meter
) -> None:
    """Over a few connections in turn, each delivery at its moment."""
    streams = [await asyncio.open_connection("127.0.0.1", port) for _ in range(CONNECTIONS)]
    locks = [asyncio.Lock() for _ in streams]
    tasks: list[asyncio.Task[None]] = []
    begun = time.perf_counter()
    for number, (ident, body) in enumerate(ready):
        due = begun + number / rate
        await asyncio.sleep(max(0.0, due - time.perf_counter()))  # the pace that is asked for
        watch.due[ident] = due
        if number == WARM_UP // 2:
            # Looking takes a while: those behind it are not counted.
            meter.note(number)
            watch.own = time.process_time()
        turn = number % CONNECTIONS
        tasks.append(
            asyncio.create_task(_deliver(*streams[turn], locks[turn], (ident, body), watch))
        )
    await asyncio.gather(*tasks)
    for _, writer in streams:
        writer.close()


async def _deliver(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    lock: asyncio.Lock,
    delivery: tuple[str, bytes],
    watch: _Watch,
) -> None:
    ident, body = delivery
    header = header_of(body, SECRET, int(time.time()))
    head = (
        f"POST {HOOK} HTTP/1.1\r\nHost: localhost\r\nStripe-Signature: {header}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    async with lock:
        writer.write(head.encode() + body)
        watch.written[ident] = time.perf_counter()
        answer = await reader.readuntil(b"\r\n\r\n")
        watch.answered[ident] = time.perf_counter()
        if not answer.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(answer.decode())
        length = next(
            int(line.split(b":")[1])
            for line in answer.lower().split(b"\r\n")
            if line.startswith(b"content-length")
        )
        await reader.readexactly(length)
