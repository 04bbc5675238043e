"""The ledger on a real stack for tests: fresh topics, a fresh database, the service's own parts."""

import asyncio
import contextlib
import os
import subprocess
import sys
import time
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TypeVar

import asyncpg
import orjson
from pydantic import SecretStr

from services.ledger.config import LedgerSettings
from services.ledger.shell.beginning import GENESIS_KEY
from services.ledger.shell.booking.books import INPUT_TOPICS
from services.ledger.shell.service import run_ledger
from shared.contracts import topics
from shared.contracts.envelope import Envelope
from shared.contracts.errors import Unavailable
from shared.contracts.messages import OUTCOME_RECORD, EntryBooked, Outcome, Progress
from shared.runtime.kafka import (
    Publication,
    Record,
    create_topics,
    delete_topics,
    end_offsets,
    offset_bounds,
    producer,
    scan,
    topic_problems,
)
from shared.runtime.lifecycle import StoppedAtStart

ROOT: Final = Path(__file__).parents[2]
WAIT_SECONDS: Final = 60.0
_Found = TypeVar("_Found")


def charge(charge_id: str, amount: int = 1000, **changes: object) -> dict[str, Any]:
    """A captured charge as Stripe's API shows it."""
    return {
        "id": charge_id,
        "object": "charge",
        "amount": amount,
        "amount_captured": amount,
        "amount_refunded": 0,
        "balance_transaction": f"txn_{charge_id}",
        "captured": True,
        "created": 1_795_000_000,
        "currency": "usd",
        "livemode": False,
        "paid": True,
        "payment_intent": None,
        "refunded": False,
        "status": "succeeded",
    } | changes


def event(event_id: str, shown: Mapping[str, Any], kind: str = "charge.succeeded") -> Publication:
    """A Stripe event as the door publishes it."""
    body = {
        "id": event_id,
        "object": "event",
        "api_version": "2026-06-24",
        "created": 1_795_000_000,
        "data": {"object": dict(shown)},
        "livemode": False,
        "pending_webhooks": 1,
        "type": kind,
    }
    envelope = Envelope(
        id=event_id,
        source="stripe/test",
        type="com.stripe.event",
        time=datetime.now(UTC),
        data=orjson.dumps(body),
        subject=str(shown["id"]),
        extensions={"book": "main", "account": "", "livemode": "false", "endpoint": "test"},
    )
    key = topics.stripe_key("", str(shown["id"]))
    return Publication(topics.STRIPE_EVENTS, key, envelope)


def polled(shown: Mapping[str, Any]) -> Publication:
    """An object as the poller publishes it."""
    data = orjson.dumps(dict(shown))
    envelope = Envelope(
        id=f"{shown['id']}:1",
        source="stripe/test",
        type="com.stripe.object",
        time=datetime.now(UTC),
        data=data,
        subject=str(shown["id"]),
        extensions={"book": "main", "account": "", "livemode": "false", "via": "poll"},
    )
    return Publication(topics.STRIPE_OBJECTS, topics.stripe_key("", str(shown["id"])), envelope)


def garbage(ident: str, data: bytes) -> Publication:
    """Bytes on the topic of events that no reader can read."""
    envelope = Envelope(
        id=ident, source="stripe/test", type="com.stripe.event", time=datetime.now(UTC), data=data
    )
    return Publication(topics.STRIPE_EVENTS, ident.encode(), envelope)


async def fresh_topics(bootstrap: str) -> None:
    """The topics of the registry, empty and as registered.

    One that was written to is made anew, and has an id of its own. One that nobody ever wrote to
    is as good as new: 128 partitions are the dearest thing that a test can ask its broker for.
    """
    names = list(topics.TOPICS)
    async with asyncio.timeout(WAIT_SECONDS):
        # A test may have left one that is empty, but otherwise than registered.
        wrong: set[str] = set()
        if await topic_problems(bootstrap):
            wrong = {n for n in names if await topic_problems(bootstrap, [topics.TOPICS[n]])}
        _, ends = await offset_bounds(bootstrap, set(names) - wrong)
        await delete_topics(bootstrap, wrong | {p.topic for p, end in ends.items() if end})
        while await topic_problems(bootstrap):
            with contextlib.suppress(Unavailable):
                await create_topics(bootstrap)


async def until(
    what: str, ask: Callable[[], Awaitable[_Found | None]], *, seconds: float = WAIT_SECONDS
) -> _Found:
    """What ``ask`` gives once it gives something; a wait for a fact, with a bound."""
    deadline = time.monotonic() + seconds
    while True:
        found = await ask()
        if found:
            return found
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds:g} s for {what}")
        await asyncio.sleep(0.05)  # bounded poll: the deadline above


@dataclass(slots=True)
class LedgerRig:
    """Topics, a database, and ledger processes over them."""

    bootstrap: str
    dsn: str
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list[subprocess.Popen[bytes]])

    def settings(self, **changes: object) -> LedgerSettings:
        """Settings for a ledger in this process."""
        given: dict[str, object] = {
            "kafka_bootstrap": self.bootstrap,
            "postgres_dsn": SecretStr(self.dsn),
            "ledger_port": 0,
            "ledger_group": f"ledger-{uuid.uuid4().hex[:8]}",
            "ledger_publish_interval_seconds": 0.05,
            "ledger_batch_wait_seconds": 0.05,
        }
        return LedgerSettings.model_validate(given | changes)

    async def publish(self, *publications: Publication) -> None:
        """Put records on the topics."""
        async with producer(self.bootstrap) as publisher:
            await publisher.publish_all(publications, 30)

    @asynccontextmanager
    async def ledger(self, **changes: object) -> AsyncGenerator[asyncio.Task[None]]:
        """A ledger in this process, stopped as SIGTERM would at the end."""
        stop = asyncio.Event()
        task = asyncio.create_task(run_ledger(self.settings(**changes), stop))
        try:
            yield task
        finally:
            stop.set()
            # One that is stopped before it had all it needs says so, as at the top of a process.
            with contextlib.suppress(StoppedAtStart):
                await task

    def start_process(self, **environment: str) -> subprocess.Popen[bytes]:
        """A ledger as a process of its own."""
        given = {k: v for k, v in os.environ.items() if not k.startswith("TALLYSTICK_")}
        process = subprocess.Popen(
            [sys.executable, "-m", "services.ledger"],
            cwd=ROOT,
            env=given
            | {
                "TALLYSTICK_KAFKA_BOOTSTRAP": self.bootstrap,
                "TALLYSTICK_POSTGRES_DSN": self.dsn,
                "TALLYSTICK_LEDGER_PORT": "0",
                "TALLYSTICK_LEDGER_PUBLISH_INTERVAL_SECONDS": "0.05",
            }
            | environment,
        )
        self.processes.append(process)
        return process

    def stop_processes(self) -> None:
        """End what was started."""
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            process.wait()

    async def fetch(self, sql: str, *arguments: object) -> list[asyncpg.Record]:
        """Rows of the database, as its owner."""
        connection = await asyncpg.connect(self.dsn)
        try:
            return await connection.fetch(sql, *arguments)
        finally:
            await connection.close()

    async def value(self, sql: str, *arguments: object) -> Any:  # Any: one value of any column
        """One value of the database."""
        rows = await self.fetch(sql, *arguments)
        return rows[0][0] if rows else None

    async def caught_up(self, *, published: bool = True) -> None:
        """Wait until all that stands on the input topics has been booked, and published.

        That is not before the ledger has said what the books begin with.
        """
        await until("the books to begin", self._begun)
        ends = await end_offsets(self.bootstrap, INPUT_TOPICS)

        async def booked() -> bool:
            try:
                rows = await self.fetch(
                    "select topic, partition, next_offset from ledger_read.positions"
                )
            except asyncpg.PostgresError:
                return False
            at = {(r["topic"], r["partition"]): r["next_offset"] for r in rows}
            return all(at.get((p.topic, p.partition), 0) >= end for p, end in ends.items())

        await until("the ledger to catch up", booked)
        if published:
            await until("the publisher to catch up", self._all_published)

    async def _begun(self) -> bool:
        try:
            return bool(await self.value("select count(*) from ledger.activations"))
        except asyncpg.PostgresError:
            return False

    async def _all_published(self) -> bool:
        behind = await self.value(
            "select count(*) from ledger.published p join ledger.origins o using (origin_id)"
            " join ledger.positions q on q.topic = o.topic and q.partition = o.partition"
            " where o.sequence > p.sequence or q.next_offset > p.next_offset"
        )
        return bool(behind == 0)

    async def records(self, topic: str) -> list[Record]:
        """Everything on a topic, partition by partition."""
        ends = await end_offsets(self.bootstrap, [topic])
        found: list[Record] = []
        async for batch in scan(self.bootstrap, {p: (0, end) for p, end in ends.items()}):
            found.extend(batch)
        return sorted(found, key=lambda record: (record.partition, record.offset))

    async def entries(self) -> list[EntryBooked]:
        """All of ``ledger.entries``."""
        return [
            EntryBooked.model_validate_json(r.value)
            for r in await self.records(topics.LEDGER_ENTRIES)
        ]

    async def outcomes(self) -> list[Outcome]:
        """The outcomes of ``ledger.outcomes``, but for what the ledger itself said at its start."""
        return [
            told
            for told in await self._told()
            if isinstance(told, Outcome) and told.subject != GENESIS_KEY
        ]

    async def progress(self) -> list[Progress]:
        """The progress marks of ``ledger.outcomes``."""
        return [told for told in await self._told() if isinstance(told, Progress)]

    async def _told(self) -> Sequence[Outcome | Progress]:
        return [
            OUTCOME_RECORD.validate_json(r.value)
            for r in await self.records(topics.LEDGER_OUTCOMES)
        ]


def counted(values: Iterable[object]) -> dict[object, int]:
    """How often each value occurs."""
    found: dict[object, int] = {}
    for value in values:
        found[value] = found.get(value, 0) + 1
    return found
