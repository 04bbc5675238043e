"""A batch into the database, come what may: retried, or halved until what cannot be taken is found.

A batch that the database refuses for what is in it is halved until the one message is found that
it cannot take; that one is parked, and the others are booked.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

import asyncpg

from services.ledger.shell.booking.batch import Booked, Moves
from services.ledger.shell.booking.books import Books
from services.ledger.shell.booking.deciding import Decided, Refusal
from services.ledger.shell.queries import SQL
from shared.contracts.errors import InvariantBroken
from shared.runtime import log
from shared.runtime.kafka import Partition
from shared.runtime.postgres import Database

UNFIT_IN_A_ROW_MAX: Final = 20
FOLDED_AFTER: Final = timedelta(days=2)
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
class BatchBooker:
    """Books batches, each in a transaction of its own."""

    database: Database
    books: Books
    unfit_in_a_row: int = 0
    newest_day: date = date.min

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
        self.books.committed(booked)
        if any(each.decision is not None for each in decided):
            self.unfit_in_a_row = 0
        await self._fold(decided)
        return booked

    async def _fold(self, decided: Sequence[Decided]) -> None:
        """Where a new day has begun, fold the sums of those that nothing is recorded in any more.

        A book's day may begin a day before or behind that of UTC. What is recorded in a folded day
        after all, as by an input that lags behind, is added to what is folded.
        """
        if not decided:
            return
        last = max(decided, key=lambda each: each.record.timestamp_ms)
        newest = last.record.appended_at.date()
        if newest <= self.newest_day:
            return
        through = newest - FOLDED_AFTER
        await self.database.run(lambda tx: tx.execute(SQL["fold_days"], through))
        self.newest_day = newest

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
