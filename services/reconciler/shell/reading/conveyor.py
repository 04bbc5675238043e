"""What moves batches into the intake: Faust's deliveries, gaps, what Faust never delivers.

Nothing but ``os._exit`` ends a delivery early: an exception that left Faust's agent would lose
the batch to Faust. It would not be lost to us, whose positions stand in Postgres; but then nobody
would hear of it either.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final, NoReturn

from services.reconciler.shell.figures import Figures
from services.reconciler.shell.keeping.memory import SQL
from services.reconciler.shell.reading.batches import Batch, Gap, Span, delivered
from services.reconciler.shell.reading.intake import FAILURES_MAX, Intake, JudgingFailed
from shared.contracts.errors import InvariantBroken, Unavailable
from shared.runtime import log
from shared.runtime.kafka import KafkaAddress, Partition, Record, scan
from shared.runtime.lifecycle import EXIT_BUG
from shared.runtime.metrics import Health
from shared.runtime.positions import Fenced
from shared.runtime.postgres import Database

RETRY_SECONDS_FIRST: Final = 0.1
RETRY_SECONDS_MAX: Final = 5.0
BEAT_SECONDS: Final = 600.0
WAITING_LOOPS: Final = ("sweep", "due")
POSTPONED: Final = timedelta(hours=1)
_logger = log.get(__name__)


class Conveyor:
    """One batch at a time, tried again for as long as Kafka or Postgres is away."""

    def __init__(
        self,
        address: KafkaAddress,
        database: Database,
        intake: Intake,
        *,
        health: Health,
        figures: Figures,
        now: Callable[[], datetime],
        records_max: int,
    ) -> None:
        self._address = address
        self._database = database
        self._intake = intake
        self._health = health
        self._figures = figures
        self._now = now
        self._records_max = records_max
        self._turn = asyncio.Lock()

    async def carry(self, records: Sequence[Record]) -> None:
        """Take what Faust delivers; returns only when it is safe in Postgres."""
        async with self._turn:
            await self._until_done(lambda: self._take(delivered(records)))

    async def read(self, spans: Mapping[Partition, Span]) -> None:
        """Read these stretches from their topics, past Faust, and take them."""
        async with self._turn:
            await self._until_done(lambda: self._read(spans))

    async def judge_due(self) -> None:
        """Judge the books whose time has come."""
        async with self._turn:
            await self._until_done(self._judge_due)

    async def _take(self, batch: Batch) -> None:
        while True:
            try:
                await self._take_or_blame(batch)
            except Gap as gap:
                _logger.info("gap.found", spans=str(gap))
                await self._read(gap.spans)
            except Fenced as fenced:
                _logger.info("position.moved_by_another", reason=str(fenced))
            else:
                return

    async def _read(self, spans: Mapping[Partition, Span]) -> None:
        at = {partition: first for partition, (first, _) in spans.items()}
        async for records in scan(self._address, spans, records_max=self._records_max):
            until = dict(at)
            for record in records:
                until[Partition(record.topic, record.partition)] = record.offset + 1
            moved = {p: (at[p], until[p]) for p in sorted(at) if until[p] > at[p]}
            await self._take(Batch(tuple(records), moved))
            self._figures.reread(len(records))
            at = until
        # What is left of a span are offsets that are no records.
        rest = {p: (at[p], after) for p, (_, after) in spans.items() if at[p] < after}
        if rest:
            await self._take(Batch((), rest))

    async def _judge_due(self) -> None:
        while True:
            try:
                book = await self._intake.judge_due()
                if book is None:
                    return
                self._health.ready(f"book {book}")
            except JudgingFailed as error:
                await self._postpone(error)

    def _say_alive(self) -> None:
        """Renew the beats of the loops that wait for their turn: a long one is no stand-still."""
        for name in WAITING_LOOPS:
            self._health.beat(name, next_within_seconds=BEAT_SECONDS)

    async def _take_or_blame(self, batch: Batch) -> None:
        """Take a batch; a bug is laid to one record, or to a book, and then ends the process."""
        self._say_alive()
        try:
            await self._intake.take(batch)
        except (Gap, Fenced, Unavailable, InvariantBroken):
            raise
        except Exception as error:
            _logger.exception("batch.failed", records=len(batch.records), error=repr(error))
            for piece in batch.one_by_one():
                await self._take_one(piece)

    async def _take_one(self, piece: Batch) -> None:
        try:
            await self._intake.take(piece)
        except (Gap, Fenced, Unavailable, InvariantBroken):
            raise
        except Exception as error:  # noqa: BLE001  # the process ends below, one way or the other
            if await self._a_book_is_to_blame():
                # It has failed often enough to be passed over: its facts are kept unjudged.
                await self._take_one(piece)
                return
            if not piece.records:
                _die("intake.failed", error=repr(error))
            record = piece.records[0]
            async with self._database.transaction() as tx:
                times = await tx.fetchval(
                    SQL["count_crash"], record.topic, record.partition, record.offset
                )
            _die("record.failed", position=record.position, times=times, error=repr(error))

    async def _a_book_is_to_blame(self) -> bool:
        """Whether a book cannot be judged even without what has just come; it is then put off."""
        async with self._database.connection() as connection:
            books = [row["book"] for row in await connection.fetch(SQL["all_books"])]
        for book in books:
            try:
                await self._intake.judge_book(book)
            except JudgingFailed as error:
                await self._postpone(error)
                return True
        return False

    async def _postpone(self, error: JudgingFailed) -> None:
        """Count a book's failure; from the third on it is judged no more for a while."""
        async with self._database.transaction() as tx:
            failures = await tx.fetchval(SQL["postpone"], error.book, self._now() + POSTPONED)
        _logger.error("book.failed", book=error.book, failures=failures, exc_info=error)
        self._health.not_ready(f"book {error.book}", f"cannot be judged: {error.__cause__!r}")
        if failures < FAILURES_MAX:
            _die("book.failed", book=error.book, failures=failures)

    async def _until_done(self, act: Callable[[], Awaitable[None]]) -> None:
        wait = RETRY_SECONDS_FIRST
        while True:
            try:
                await act()
            except Unavailable as error:
                self._say_alive()
                self._health.not_ready("intake", str(error))
                _logger.warning("intake.waits", seconds=wait, reason=str(error))
                await asyncio.sleep(wait)  # the pause between two tries, growing to its bound
                wait = min(wait * 2, RETRY_SECONDS_MAX)
            except InvariantBroken as error:
                _die("invariant.broken", reason=str(error))
            except Exception as error:
                _logger.exception("intake.failed")
                _die("intake.failed", error=repr(error))
            else:
                self._health.ready("intake")
                return


def _die(event: str, **facts: object) -> NoReturn:
    """End the process with nothing cleaned up: positions stay where the last commit put them."""
    _logger.error(event, **facts)
    os._exit(EXIT_BUG)
