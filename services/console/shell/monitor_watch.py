"""Monitors at work: figures read after each change, crossings published to ``ledger.monitors``.

The topic is the memory: at its start the watch reads how each monitor stands, and it goes on from
there. So a crossing is told once, a process that died in between tells what it had not told, and a
monitor that the file has no more is withdrawn. One process of an installation has the file.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Final

from pydantic import ValidationError

from services.console.crossings import Name, crossings
from services.console.monitors import Monitor, Value, of_ratio
from services.console.shell.readers import Snapshot, Views
from services.console.shell.reports import report
from services.console.statements.query import Asked
from services.console.statements.report import Kind
from services.console.statements.solvency import Solvency
from shared.contracts.books import BookMap
from shared.contracts.envelope import Envelope
from shared.contracts.errors import InvariantBroken, Unavailable
from shared.contracts.messages import Position
from shared.contracts.monitors import MonitorCrossed, MonitorState
from shared.contracts.schemas import type_of
from shared.contracts.topics import LEDGER_MONITORS
from shared.runtime import log
from shared.runtime.kafka import KafkaAddress, Publication, Publisher
from shared.runtime.kafka_whole import whole
from shared.runtime.lifecycle import pause
from shared.runtime.metrics import Health

HEALTH: Final = "monitors"
SOURCE: Final = "tallystick/console"
PUBLISH_SECONDS_MAX: Final = 10.0
BEAT_SECONDS: Final = 60.0
_logger = log.get(__name__)


async def standing(kafka: KafkaAddress | str) -> dict[Name, MonitorCrossed]:
    """How each monitor stands: the last that the topic tells of it.

    Raises:
        Unavailable: Kafka is away.
        InvariantBroken: A record there is not one of ours.
    """
    found: dict[Name, MonitorCrossed] = {}
    async with aclosing(whole(kafka, [LEDGER_MONITORS])) as records:
        async for record in records:
            try:
                told = MonitorCrossed.model_validate_json(record.value)
            except ValidationError as error:
                raise InvariantBroken(
                    f"{record.position} is not what we publish: {error.error_count()} mistakes"
                ) from None
            before = found.get((told.book, told.monitor))
            if before is None or before.revision < told.revision:
                found[told.book, told.monitor] = told
    return found


def days_there(books: BookMap, now: datetime) -> tuple[date, ...]:
    """The day that each book has: in its own time zone it may begin at any hour of another's."""
    return tuple(now.astimezone(book.zone).date() for book in books.books)


@dataclass(slots=True)
class Reader:
    """Reads the figures of monitors in one moment of the ledger's views."""

    views: Snapshot
    books: BookMap
    now: datetime
    _solvency: dict[tuple[str, str], Solvency | str] = field(
        default_factory=dict[tuple[str, str], Solvency | str]
    )

    async def value(self, monitor: Monitor) -> Value | str:
        """The figure, or why there is none: a rate is missing."""
        if monitor.ratio is None:
            return await self._balance(monitor)
        found = await self._solvency_of(monitor)
        if isinstance(found, str):
            return found
        return of_ratio(monitor.ratio, found)

    async def _balance(self, monitor: Monitor) -> Value:
        name = monitor.account or ""
        if monitor.key:
            rows = await self.views.rows("open_key", monitor.book, name, monitor.key)
        else:
            rows = await self.views.rows("balances", monitor.book, name)
        code = monitor.money.code
        return Value.balance(name, sum(int(r["minor"]) for r in rows if r["currency"] == code))

    async def _solvency_of(self, monitor: Monitor) -> Solvency | str:
        key = (monitor.book, monitor.money.code)
        if key not in self._solvency:
            book = self.books.named(monitor.book)
            if book is None:
                raise InvariantBroken(f"monitor {monitor.name}: no book {monitor.book}")
            asked = Asked(book, reporting=monitor.money)
            made = await report(self.views, Kind.SOLVENCY, asked, self.now)
            if isinstance(made.translated, Solvency):
                self._solvency[key] = made.translated
            else:
                self._solvency[key] = "; ".join(str(rate) for rate in made.missing)
        return self._solvency[key]


@dataclass(slots=True)
class MonitorWatch:
    """Looks at the figures whenever more was booked, and says what crossed."""

    monitors: Sequence[Monitor]
    books: BookMap
    kafka: KafkaAddress
    ledger: Views
    publisher: Publisher
    health: Health
    clock: Callable[[], datetime]
    seconds: float
    _stands: dict[Name, MonitorCrossed] | None = None
    _seen: object = None

    async def run(self, stop: asyncio.Event) -> None:
        """Watch until asked to stop."""
        while True:
            self.health.beat(HEALTH, next_within_seconds=BEAT_SECONDS)
            try:
                await self._look()
                self.health.ready(HEALTH)
            except Unavailable as error:
                self.health.not_ready(HEALTH, str(error))
                # What was sent may have arrived: the topic knows.
                self._stands = None
            if await pause(stop, self.seconds):
                return

    async def _look(self) -> None:
        if self._stands is None:
            self._stands, self._seen = await standing(self.kafka), None
        now = self.clock()
        async with self.ledger.snapshot() as views:
            positions = await views.rows("positions")
            # A ratio over the last days changes with the day, even when nothing is booked.
            seen = ([tuple(row.values()) for row in positions], days_there(self.books, now))
            if seen == self._seen:
                return
            reader = Reader(views, self.books, now)
            values = [(monitor, await reader.value(monitor)) for monitor in self.monitors]
        at = tuple(Position(topic=r["topic"], partition=r["partition"], offset=r["next_offset"])
                   for r in positions)  # fmt: skip
        for monitor, value in values:
            if isinstance(value, str):
                _logger.warning("monitor.unknown", monitor=monitor.name, reason=value)
        told = crossings(values, self._stands, now, at)
        await self._tell(told)
        self._seen = seen

    async def _tell(self, told: Sequence[MonitorCrossed]) -> None:
        if not told or self._stands is None:
            return
        await self.publisher.publish_all([_publication(each) for each in told], PUBLISH_SECONDS_MAX)
        for each in told:
            self._stands[each.book, each.monitor] = each
            say = _logger.warning if each.state is MonitorState.BREACHED else _logger.info
            say("monitor.crossed", monitor=each.monitor, book=each.book, state=each.state)


def _publication(told: MonitorCrossed) -> Publication:
    envelope = Envelope(
        id=f"{told.book}:{told.monitor}:{told.revision}",
        source=SOURCE,
        type=type_of(MonitorCrossed),
        time=told.read_at,
        data=told.model_dump_json().encode(),
        subject=told.monitor,
        extensions={"book": told.book},
    )
    return Publication(LEDGER_MONITORS, told.book.encode(), envelope)
