"""Runs of the ledger's own processes over topics that are filled once, and what they show."""

import asyncio
import os
import subprocess
import sys
import time
import uuid
from collections.abc import AsyncGenerator, Generator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Final

import asyncpg
import psutil

from services.ledger.shell.booking.books import INPUT_TOPICS
from shared.runtime.kafka import Publication, end_offsets, producer
from shared.runtime.kafka_client import ADMIN, KafkaFault, started
from tests.bench.ledger_mix import messages
from tests.bench.ledger_processor import Meter
from tests.support.ledger import ROOT, fresh_topics
from tests.support.stack import RunningStack

PUBLISHED_AT_ONCE: Final = 5_000
RUN_SECONDS_MAX: Final = 1_800.0
LOOK_SECONDS: Final = 0.1
SETTLED_SECONDS_MAX: Final = 60.0
MEGABYTE: Final = 1024 * 1024
_REACHED: Final = "select coalesce(sum(next_offset), 0)::bigint from ledger.positions"
_PUBLISHED: Final = "select coalesce(sum(next_offset), 0)::bigint from ledger.published"


@dataclass(slots=True)
class Run:
    """How far a run had come at which moment, and the memory of its processes in megabytes."""

    reached: list[tuple[float, int]] = field(default_factory=list[tuple[float, int]])
    memory: dict[int, list[float]] = field(default_factory=dict[int, list[float]])
    meter: Meter | None = None

    def note(self, reached: int, processes: list[subprocess.Popen[bytes]]) -> None:
        """Take down where the run is now."""
        self.reached.append((time.monotonic(), reached))
        if len(self.reached) % 10 != 1:
            return
        if self.meter is not None:
            self.meter.note(reached)
        for process in processes:
            size = psutil.Process(process.pid).memory_info().rss / MEGABYTE
            self.memory.setdefault(process.pid, []).append(size)

    @property
    def rate(self) -> float:
        """Messages a second, from the first that was seen committed to the last."""
        return _rate(self.reached[0], self.reached[-1])

    @property
    def slowest_tenth(self) -> float:
        """Messages a second in the slowest tenth of the run."""
        size = max(1, len(self.reached) // 10)
        spans = zip(self.reached[::size], self.reached[size::size], strict=False)
        return min((_rate(*span) for span in spans), default=self.rate)

    @property
    def memory_told(self) -> str:
        """The memory of each process, half-way and at most."""
        return ", ".join(
            f"{sizes[len(sizes) // 2]:.0f} (most {max(sizes):.0f})"
            for sizes in self.memory.values()
        )


def _rate(first: tuple[float, int], last: tuple[float, int]) -> float:
    return (last[1] - first[1]) / max(last[0] - first[0], 1e-9)


async def fill(stack: RunningStack, count: int, *, hot: bool = False) -> float:
    """Make the topics anew with so many messages on them; gives how many a second that took."""
    await fresh_topics(stack.kafka_bootstrap)
    began = time.monotonic()
    async with producer(stack.kafka_bootstrap) as publisher:
        pending: list[Publication] = []
        for publication in messages(count, hot=hot):
            pending.append(publication)
            if len(pending) == PUBLISHED_AT_ONCE:
                await publisher.publish_all(pending, 60)
                pending.clear()
        await publisher.publish_all(pending, 60)
    return count / (time.monotonic() - began)


async def standing(stack: RunningStack) -> int:
    """How many messages stand on the ledger's inputs."""
    return sum((await end_offsets(stack.kafka_bootstrap, INPUT_TOPICS)).values())


@contextmanager
def ledgers(
    stack: RunningStack, dsn: str, count: int, part: str, **settings: str
) -> Generator[list["subprocess.Popen[bytes]"]]:
    """So many processes of the service, as a deployment starts them; gone at the end."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("TALLYSTICK_")}
    group = f"bench-{uuid.uuid4().hex[:8]}"
    environment = clean | {
        "TALLYSTICK_KAFKA_BOOTSTRAP": stack.kafka_bootstrap,
        "TALLYSTICK_POSTGRES_DSN": dsn,
        "TALLYSTICK_LEDGER_PORT": "0",
        "TALLYSTICK_LEDGER_GROUP": group,
        "TALLYSTICK_LEDGER_PART": part,
        "TALLYSTICK_LOG_LEVEL": "error",
    }
    environment |= {f"TALLYSTICK_LEDGER_{name.upper()}": value for name, value in settings.items()}
    processes = [
        subprocess.Popen([sys.executable, "-m", "services.ledger"], cwd=ROOT, env=environment)
        for _ in range(count)
    ]
    try:
        yield processes
    finally:
        end(processes)


async def settled(stack: RunningStack, group: str, members: int) -> None:
    """Wait until a group has shared its partitions out among so many."""
    client = await started(ADMIN.AIOKafkaAdminClient(bootstrap_servers=stack.kafka_bootstrap))
    try:
        async with asyncio.timeout(SETTLED_SECONDS_MAX):
            while True:
                try:
                    (answer,) = await client.describe_consumer_groups([group])
                except KafkaFault:
                    answer = None  # the group is made by its first member
                if answer is not None:
                    told = answer.groups[0]
                    if told[2] == "Stable" and len(told[5]) == members:
                        return
                await asyncio.sleep(LOOK_SECONDS)  # bounded poll: the timeout above
    finally:
        await client.close()


def end(processes: list[subprocess.Popen[bytes]]) -> None:
    """Ask processes to stop, and wait for them."""
    for process in processes:
        process.terminate()
    for process in processes:
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


async def watched(
    dsn: str,
    until: int,
    processes: list[subprocess.Popen[bytes]],
    *,
    published: bool = False,
    meter: Meter | None = None,
) -> Run:
    """Watch processes until so many messages are booked, or published.

    The first batch is outside of the clock: it waits for the group and warms what is lazy.

    Raises:
        RuntimeError: A process ended.
        TimeoutError: It took longer than any run may.
    """
    run = Run(meter=meter)
    async with looked_at(dsn) as connection, asyncio.timeout(RUN_SECONDS_MAX):
        while not run.reached or run.reached[-1][1] < until:
            if any(process.poll() is not None for process in processes):
                raise RuntimeError("a process of the ledger ended")
            found = await _asked(connection, _PUBLISHED if published else _REACHED)
            if found:
                run.note(found, processes)
            await asyncio.sleep(LOOK_SECONDS)  # bounded poll: the timeout above
    return run


async def _asked(connection: "asyncpg.Connection[asyncpg.Record]", sql: str) -> int:
    try:
        return int(await connection.fetchval(sql))
    except asyncpg.UndefinedTableError:
        return 0  # the first process still makes the tables


@asynccontextmanager
async def looked_at(dsn: str) -> "AsyncGenerator[asyncpg.Connection[asyncpg.Record]]":
    """A connection of the owner."""
    connection = await asyncpg.connect(dsn)
    try:
        yield connection
    finally:
        await connection.close()


async def sizes(dsn: str) -> Mapping[str, float]:
    """Entries and postings, and the bytes that an entry takes on disk."""
    async with looked_at(dsn) as connection:
        await connection.execute("checkpoint")
        row = await connection.fetchrow(
            "select (select count(*) from ledger.entries) as entries,"
            " (select count(*) from ledger.postings) as postings,"
            " (select count(*) from ledger.open_items) as open_items,"
            " sum(pg_total_relation_size(c.oid)) filter (where c.relname ~ '^(entries|postings)')"
            " as journal, sum(pg_total_relation_size(c.oid)) as whole"
            " from pg_class c join pg_namespace n on n.oid = c.relnamespace"
            " where n.nspname = 'ledger' and c.relkind = 'r'"
        )
    if row is None:
        raise RuntimeError("the catalogue is empty")
    entries = max(int(row["entries"]), 1)
    return {
        "entries": entries,
        "postings": int(row["postings"]),
        "open_items": int(row["open_items"]),
        "journal": int(row["journal"]) / entries,
        "whole": int(row["whole"]) / entries,
    }
