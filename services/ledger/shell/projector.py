"""The loop: a batch of messages, a decision for each, one transaction with the positions inside.

A batch that the database refuses for what is in it is halved until the one message is found that
it cannot take; that one is parked, and the others are booked.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import asyncpg

from services.ledger.shell import measures
from services.ledger.shell.batch import Booked, Moves
from services.ledger.shell.books import Books
from services.ledger.shell.deciding import Decided, Decider, Refusal
from services.ledger.shell.failpoints import Failpoint, Failpoints
from shared.contracts.errors import InvariantBroken, Unavailable
from shared.runtime import log
from shared.runtime.kafka import Partition
from shared.runtime.kafka_client import RETRY_SECONDS_FIRST, RETRY_SECONDS_MAX
from shared.runtime.kafka_group import Batch, GroupReader
from shared.runtime.lifecycle import pause
from shared.runtime.metrics import Health
from shared.runtime.positions import Fenced
from shared.runtime.postgres import Database

HEALTH: Final = "projector"
BEAT_SECONDS_MAX: Final = 120.0
DECIDED_AT_ONCE: Final = 20
UNFIT_IN_A_ROW_MAX: Final = 20
# What a database says of a message, rather than of itself.
_UNFIT = (
    asyncpg.DataError,
    asyncpg.IntegrityConstraintViolationError,
    asyncpg.ProgramLimitExceededError,
    ValueError,
    OverflowError,
)
_logger = log.get(__name__)


@dataclass(slots=True)
class Projector:
    """Books what the group gives us to read, until asked to stop.

    ``booked`` is set after each commit, so that the publisher need not wait for its turn.
    """

    database: Database
    reader: GroupReader
    books: Books
    decider: Decider
    health: Health
    failpoints: Failpoints
    booked: asyncio.Event
    unfit_in_a_row: int = 0

    async def run(self, stop: asyncio.Event) -> None:
        """The loop; what is in hand when ``stop`` is set is finished.

        Raises:
            InvariantBroken: The log or the rules are not to be trusted.
        """
        backoff = RETRY_SECONDS_FIRST
        while not stop.is_set():
            try:
                await self._book_until(stop)
            except Fenced as fenced:
                measures.FENCED.inc()
                _logger.info("batch.fenced", partitions=[str(p) for p in fenced.partitions])
            except Unavailable as error:
                if HEALTH not in self.health.reasons:
                    backoff = RETRY_SECONDS_FIRST
                self.health.not_ready(HEALTH, str(error))
                self.health.beat(HEALTH, next_within_seconds=BEAT_SECONDS_MAX)
                _logger.warning("projector.waited", reason=str(error), seconds=backoff)
                await pause(stop, backoff)
                backoff = min(backoff * 2, RETRY_SECONDS_MAX)

    async def _book_until(self, stop: asyncio.Event) -> None:
        """Book batch after batch; while the database works on one, the next is decided.

        When a batch fails, the next, which counts on it, is forgotten, and both are read again.
        """
        upcoming = asyncio.create_task(self._decided_batch())
        try:
            while not stop.is_set():
                self.health.beat(HEALTH, next_within_seconds=BEAT_SECONDS_MAX)
                batch, decided = await upcoming
                upcoming = asyncio.create_task(self._decided_batch())
                if batch.moves:
                    await self._take_in(batch, decided)
                self.health.ready(HEALTH)
        finally:
            upcoming.cancel()
            await asyncio.gather(upcoming, return_exceptions=True)
            self.reader.seek_later()

    async def _decided_batch(self) -> tuple[Batch, list[Decided]]:
        batch = await self.reader.next_batch()
        measures.PARTITIONS.set(len(self.reader.partitions))
        decided: list[Decided] = []
        for number, record in enumerate(batch.records, 1):
            decided.append(self.decider.decided(record))
            if number % DECIDED_AT_ONCE == 0:
                # The transaction under way, the publisher and health live on the same loop.
                await asyncio.sleep(0)
        return batch, decided

    async def _take_in(self, batch: Batch, decided: Sequence[Decided]) -> None:
        began = time.monotonic()
        self.failpoints.reached(Failpoint.BEFORE_TX)
        booked = await self.take(decided, batch.moves)
        self.failpoints.reached(Failpoint.AFTER_COMMIT)
        self.booked.set()
        _report(booked, seconds=time.monotonic() - began)
        await self.reader.commit_hint({p: after for p, (_, after) in batch.moves.items()})

    async def take(self, decided: Sequence[Decided], moves: Moves) -> Booked:
        """Book messages and move the positions; what the database cannot take is parked.

        Raises:
            Fenced: Another process has moved a position.
            Unavailable: The database is away.
        """
        try:
            booked = await self.database.run(lambda tx: self.books.book(tx, decided, moves))
        except _UNFIT as error:
            if len(decided) > 1:
                first, rest = _halves(decided, moves)
                return _sum(await self.take(*first), await self.take(*rest))
            return await self._park(decided, moves, error)
        if any(each.decision is not None for each in decided):
            self.unfit_in_a_row = 0
        return booked

    async def _park(self, decided: Sequence[Decided], moves: Moves, error: Exception) -> Booked:
        """Book a message that the database refuses as one that nothing could be made of."""
        why = _why(error)
        self.unfit_in_a_row += 1
        if self.unfit_in_a_row > UNFIT_IN_A_ROW_MAX or not decided or decided[0].decision is None:
            # Not the messages' fault any more: to park on would only hide it.
            raise InvariantBroken(f"the database takes no message: {why}") from error
        _logger.warning("message.parked", position=decided[0].record.position, reason=why)
        return await self.take([decided[0].parked(Refusal("unfit", why))], moves)


def _why(error: BaseException) -> str:
    constraint = getattr(error, "constraint_name", None)
    return f"{constraint or type(error).__name__}: {error}"


def _halves(
    decided: Sequence[Decided], moves: Moves
) -> tuple[tuple[Sequence[Decided], Moves], tuple[Sequence[Decided], Moves]]:
    """Two batches out of one, each with its own moves."""
    middle = len(decided) // 2
    first, rest = decided[:middle], decided[middle:]
    reached: dict[Partition, int] = {}
    for each in first:
        reached[Partition(each.record.topic, each.record.partition)] = each.record.offset + 1
    until = {p: (moves[p][0], after) for p, after in reached.items()}
    since = {p: (reached.get(p, before), after) for p, (before, after) in moves.items()}
    return (first, until), (rest, {p: move for p, move in since.items() if move[0] != move[1]})


def _sum(one: Booked, other: Booked) -> Booked:
    return Booked(
        messages=one.messages + other.messages,
        entries=one.entries + other.entries,
        postings=one.postings + other.postings,
        already_booked=one.already_booked + other.already_booked,
        repeated=one.repeated + other.repeated,
        conflicts=one.conflicts + other.conflicts,
        parked=one.parked + other.parked,
        outcomes=one.outcomes + other.outcomes,
    )


def _report(booked: Booked, *, seconds: float) -> None:
    measures.BATCH_SECONDS.observe(seconds)
    measures.BATCH_MESSAGES.observe(booked.messages)
    measures.ENTRIES_BOOKED.inc(booked.entries)
    measures.OUTCOMES.inc(booked.outcomes)
    measures.MESSAGES.labels("taken").inc(booked.messages)
    measures.MESSAGES.labels("repeated").inc(booked.repeated)
    measures.MESSAGES.labels("parked").inc(booked.parked)
    measures.MESSAGES.labels("conflicting").inc(booked.conflicts)
    say = _logger.warning if booked.parked or booked.conflicts else _logger.info
    say(
        "batch.booked",
        messages=booked.messages,
        entries=booked.entries,
        already_booked=booked.already_booked,
        repeated=booked.repeated,
        conflicts=booked.conflicts,
        parked=booked.parked,
        seconds=round(seconds, 4),
    )
