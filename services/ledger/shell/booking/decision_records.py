"""Decisions as our own topics tell them: kept for messages that are not booked yet, then followed.

The entries of a decision are published before its outcome, so what stands here may be a half. That
of two events under one id one was the first, which no reference tells, is such a decision too.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from services.ledger.decisions import COMMAND
from services.ledger.rules.revenue_release import RELEASED
from services.ledger.rulings.clock import TICKED_UNTIL
from services.ledger.rulings.judging import Recorded
from services.ledger.rulings.matches import is_judged
from services.ledger.shell.booking.batch import Batch, Place
from services.ledger.shell.booking.deciding import Decided
from services.ledger.shell.booking.rows import Columns
from services.ledger.shell.queries import SQL
from shared.contracts.discrepancies import DiscrepancyKind
from shared.contracts.journal import Account, Book, Entry, Posting, Reference
from shared.contracts.messages import EntryBooked, Outcome, OutcomeKind
from shared.contracts.references import passes_on
from shared.contracts.topics import LEDGER_COMMANDS, MATCHES
from shared.runtime.kafka import Partition
from shared.runtime.postgres import Tx

Json = dict[str, Any]  # Any: JSON
# A message by partition and offset, as it is named across generations of the journal.
Where = tuple[Partition, int]
_NOTHING_BOOKED: Final[Mapping[int, int]] = {}


@dataclass(slots=True)
class DecisionRecords:
    """What is found of decisions on the way through our own topics.

    ``booked`` is how far each origin is booked: what lies before is in the journal already. Where
    ``are_ticks_remade``, that a clock tick was accepted is all that is kept of it: what it releases
    is a function of what stands in the books, and there other things may. What goes on
    from one key to another is looked up once more where ``is_passed_on_anew``, for the same reason.
    """

    booked: Mapping[int, int] = field(default_factory=lambda: _NOTHING_BOOKED)
    are_ticks_remade: bool = False
    is_passed_on_anew: bool = False
    _outcomes: dict[Place, Outcome] = field(default_factory=dict[Place, Outcome])
    _entries: dict[Place, list[EntryBooked]] = field(default_factory=dict[Place, list[EntryBooked]])

    def __len__(self) -> int:
        return len(self._outcomes.keys() | self._entries.keys())

    def entry(self, origin_id: int, told: EntryBooked) -> None:
        """Take in an entry that a command caused, a match that was judged, or passed on."""
        place = (origin_id, told.caused_by.offset)
        if self.are_ticks_remade and told.kind == RELEASED:
            return
        if self.is_passed_on_anew and passes_on(told.reference):
            return
        if _is_decided(told) and self._is_to_come(place):
            self._entries.setdefault(place, []).append(told)

    def outcome(self, origin_id: int, told: Outcome) -> None:
        """Take in what a command was answered; of one message the first answer is the decision.

        That a match was refused is one too; where it was booked, its entry says so.
        """
        place = (origin_id, told.caused_by.offset)
        is_decision = (
            told.caused_by.topic == LEDGER_COMMANDS
            or told.reason == DiscrepancyKind.EVENT_CONFLICT
            or (told.caused_by.topic == MATCHES and told.outcome is OutcomeKind.REFUSED)
        )
        if self.are_ticks_remade and TICKED_UNTIL in (told.decided or {}):
            told = told.model_copy(update={"detail": "", "reference": None, "decided": None})
        if is_decision and self._is_to_come(place):
            self._outcomes.setdefault(place, told)

    def _is_to_come(self, place: Place) -> bool:
        return place[1] >= self.booked.get(place[0], 0)

    async def write(self, tx: Tx) -> None:
        """Keep what was found so far."""
        places = sorted(self._outcomes.keys() | self._entries.keys())
        if not places:
            return
        rows = [(*place, *self._row(place)) for place in places]
        await tx.execute(SQL["seed_decisions"], *map(list, zip(*rows, strict=True)))
        self._outcomes.clear()
        self._entries.clear()

    def _row(self, place: Place) -> tuple[object, ...]:
        told_entries = [told.model_dump(mode="json") for told in self._entries.get(place, [])]
        # As text: a list in a column would be taken for another dimension of the array.
        entries = orjson.dumps(told_entries).decode()
        told = self._outcomes.get(place)
        if told is None:
            return (None, None, None, None, None, entries)
        return (
            told.outcome.value,
            told.reason,
            told.detail,
            told.reference,
            told.decided,
            entries,
        )


def _is_decided(told: EntryBooked) -> bool:
    """Whether an entry was booked by where the books stood, and not by its message alone."""
    topic = told.caused_by.topic
    return (
        topic == LEDGER_COMMANDS
        or passes_on(told.reference)
        or (topic == MATCHES and is_judged(posting.account for posting in told.postings))
    )


async def contradicting_on_record(tx: Tx) -> frozenset[Where]:
    """The messages of which our own topics tell that another had their id before."""
    return _where(await tx.fetch(SQL["contradicting_events"], DiscrepancyKind.EVENT_CONFLICT))


async def contradicting_here(tx: Tx) -> frozenset[Where]:
    """The messages that contradict what stood in this journal, but for commands."""
    return _where(await tx.fetch(SQL["contradicting"]))


def _where(rows: Iterable[Columns]) -> frozenset[Where]:
    return frozenset(
        (Partition(row["topic"], row["partition"]), row["caused_offset"]) for row in rows
    )


async def records_of(tx: Tx, batch: Batch, asking: Sequence[Decided]) -> dict[int, Recorded]:
    """The records of decisions that were made before on these messages of the batch."""
    if not asking:
        return {}
    places = {(batch.head_of(each).origin_id, each.record.offset): each for each in asking}
    rows = await tx.fetch(
        SQL["read_decisions"],
        [origin_id for origin_id, _ in places],
        [offset for _, offset in places],
    )
    return {id(places[row["origin_id"], row["caused_offset"]]): _recorded(row) for row in rows}


def _recorded(row: Columns) -> Recorded:
    """A decision from its row; without an outcome, its entries say that it was accepted."""
    outcome = row["outcome"]
    return Recorded(
        OutcomeKind(outcome) if outcome is not None else OutcomeKind.ACCEPTED,
        row["reason"] or COMMAND,
        row["detail"] or "",
        row["reference"],
        row["decided"],
        tuple(_entries(row["entries"])),
    )


def _entries(told: Iterable[Json]) -> Iterable[Entry]:
    """The entries of a decision in their order; a repeated record is one."""
    by_sequence = {each.sequence: each for each in map(EntryBooked.model_validate, told)}
    for _, each in sorted(by_sequence.items()):
        yield Entry(
            book=Book(each.book),
            reference=Reference(each.reference),
            kind=each.kind,
            effective_at=each.effective_at,
            postings=tuple(
                Posting(Account(p.account), p.key, p.direction, p.amount.money())
                for p in each.postings
            ),
            rules_version=each.rules_version,
            description=each.description,
            reverses=Reference(each.reverses) if each.reverses is not None else None,
        )
