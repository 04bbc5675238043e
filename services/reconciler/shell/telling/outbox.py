"""The outbox: what a transaction wants published, and the loop that publishes it in order.

A row goes when Kafka has acknowledged it. A crash between the two publishes the same record with
the same id again, which readers drop.
"""

import asyncio
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Final

import asyncpg

from services.reconciler.config import FailpointPlace
from services.reconciler.shell.failpoints import Failpoints
from shared.contracts.envelope import Envelope
from shared.contracts.errors import Unavailable
from shared.runtime import log
from shared.runtime.kafka import Publication, Publisher
from shared.runtime.lifecycle import pause
from shared.runtime.metrics import Health
from shared.runtime.postgres import Database, Tx, load_queries

SOURCE: Final = "tallystick/reconciler"
SQL: Final = load_queries(Path(__file__).parents[1] / "sql")
ROWS_MAX: Final = 500
PUBLISH_SECONDS_MAX: Final = 15.0
IDLE_SECONDS: Final = 1.0
RETRY_SECONDS_MAX: Final = 5.0
BEAT_SECONDS: Final = 120.0
_NO_EXTENSIONS: Final[Mapping[str, str]] = MappingProxyType({})
_logger = log.get(__name__)


@dataclass(frozen=True, slots=True)
class Letter:
    """One record to publish; ``value=None`` is a tombstone. Those of one lane keep their order."""

    lane: str
    topic: str
    key: bytes
    id: str
    type: str
    subject: str
    book: str
    time: datetime
    value: bytes | None
    extensions: Mapping[str, str] = field(default_factory=lambda: _NO_EXTENSIONS)


async def put(tx: Tx, letters: Iterable[Letter]) -> int:
    """Put letters into the outbox and say how many; they go when the transaction has committed."""
    rows = list(letters)
    if rows:
        await tx.execute(
            SQL["put_in_outbox"],
            [letter.lane for letter in rows],
            [letter.topic for letter in rows],
            [letter.key for letter in rows],
            [letter.id for letter in rows],
            [letter.type for letter in rows],
            [letter.subject for letter in rows],
            [letter.book for letter in rows],
            [letter.time for letter in rows],
            [json.dumps(dict(letter.extensions)) for letter in rows],
            [letter.value for letter in rows],
        )
    return len(rows)


class Postman:
    """Publishes what the outbox holds until it is told to stop."""

    def __init__(
        self, database: Database, publisher: Publisher, *, health: Health, failpoints: Failpoints
    ) -> None:
        self._database = database
        self._publisher = publisher
        self._health = health
        self._failpoints = failpoints
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """Say that something was put into the outbox."""
        self._woken.set()

    async def run(self, stop: asyncio.Event) -> None:
        """The loop; what Kafka or Postgres refuses now is tried again, in order."""
        wait = IDLE_SECONDS
        while not stop.is_set():
            self._health.beat("outbox", next_within_seconds=BEAT_SECONDS)
            self._woken.clear()
            try:
                await self.publish_waiting()
            except Unavailable as error:
                self._health.not_ready("outbox", str(error))
                _logger.warning("outbox.waits", reason=str(error))
                await pause(stop, wait)
                wait = min(wait * 2, RETRY_SECONDS_MAX)
                continue
            self._health.ready("outbox")
            wait = IDLE_SECONDS
            await _either(self._woken, stop, seconds=IDLE_SECONDS)

    async def publish_waiting(self) -> int:
        """Publish all that waits and say how many it was.

        Raises:
            Unavailable: Kafka or Postgres does not answer; nothing is lost.
        """
        async with self._database.connection() as connection:
            lanes = [row["lane"] for row in await connection.fetch(SQL["lanes_waiting"])]
        sent = 0
        for lane in lanes:
            while some := await self._publish_some(lane):
                sent += some
        return sent

    async def _publish_some(self, lane: str) -> int:
        async with self._database.transaction() as tx:
            if not await tx.fetchval(SQL["hold_lane"], lane):
                return 0
            rows = await tx.fetch(SQL["read_lane"], lane, ROWS_MAX)
            if not rows:
                return 0
            await self._publisher.publish_all(
                [_publication(row) for row in rows], PUBLISH_SECONDS_MAX
            )
            self._failpoints.passed(FailpointPlace.AFTER_PUBLISH)
            await tx.execute(SQL["forget_published"], [row["id"] for row in rows])
        self._health.beat("outbox", next_within_seconds=BEAT_SECONDS)
        return len(rows)


def _publication(row: asyncpg.Record) -> Publication:
    if row["value"] is None:
        return Publication(row["topic"], row["key"], None)
    extensions: dict[str, str] = json.loads(row["extensions"])
    if row["book"]:
        extensions["book"] = row["book"]
    return Publication(
        row["topic"],
        row["key"],
        Envelope(
            id=row["envelope_id"],
            source=SOURCE,
            type=row["envelope_type"],
            time=row["time"],
            subject=row["subject"],
            data=row["value"],
            extensions=extensions,
        ),
    )


async def _either(one: asyncio.Event, other: asyncio.Event, *, seconds: float) -> None:
    waits = [asyncio.create_task(event.wait()) for event in (one, other)]
    try:
        await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
