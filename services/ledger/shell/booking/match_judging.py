"""The matches of a batch that name an account which somebody chose: judged, or followed.

before the batch is begun     which they are, by their topic and their entries alone
before the facts are claimed  set apart: a match that is refused claims no reference
before the commands           judged by where the accounts stand, or as a record of it tells
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from services.ledger.activation.activations import Activations
from services.ledger.activation.in_force import BookInForce
from services.ledger.decisions import Remark, subject_of
from services.ledger.rulings.cases import Case
from services.ledger.rulings.judging import Recorded
from services.ledger.rulings.matches import is_judged, refusal_of_match
from services.ledger.rulings.standing import Standing
from services.ledger.shell.booking.batch import Batch, Told
from services.ledger.shell.booking.deciding import Decided
from services.ledger.shell.booking.decision_records import records_of
from services.ledger.shell.queries import SQL
from shared.contracts.journal import Book
from shared.contracts.messages import OutcomeKind
from shared.contracts.topics import MATCHES
from shared.runtime.kafka import Partition
from shared.runtime.postgres import Tx


class MatchAsked(NamedTuple):
    """A match to be judged: what it tells, and its book as in force where it stands."""

    told: Told
    book: BookInForce


def matches_to_judge(decided: Sequence[Decided], partitions: Iterable[Partition]) -> frozenset[int]:
    """The matches of a batch that are judged, by the identity of the message.

    ``partitions`` are those that the batch moves: where none is of matches, no message is looked
    at. A batch that moves none may have some all the same.
    """
    of = {partition.topic for partition in partitions}
    if of and MATCHES not in of:
        return frozenset()
    return frozenset(
        id(each)
        for each in decided
        if each.record.topic == MATCHES
        and each.decision is not None
        and is_judged(leg.account for booked in each.decision.entries for leg in booked.postings)
    )


def set_apart(
    batch: Batch, judged: frozenset[int], activations: Activations
) -> tuple[list[Told], list[MatchAsked]]:
    """The batch's facts, and its matches to be judged, in the order of the messages."""
    facts: list[Told] = []
    asked: list[MatchAsked] = []
    for told in batch.tellings:
        if id(told.by) not in judged:
            facts.append(told)
            continue
        record = told.by.record
        in_force = activations.at(record.topic, record.partition, record.offset)
        asked.append(MatchAsked(told, in_force.named(told.entry.book)))
    asked.sort(key=lambda each: (each.told.by.record.partition, each.told.by.record.offset))
    return facts, asked


async def judge_matches(
    tx: Tx, batch: Batch, asked: Sequence[MatchAsked], standings: Mapping[Book, Standing]
) -> list[Told]:
    """What the matches may book, the standings moved along; of the others, notes why not."""
    if not asked:
        return []
    records = await records_of(tx, batch, [each.told.by for each in asked])
    refused = await _refused_before(tx, asked)
    tellings: list[Told] = []
    for told, book in asked:
        record = records.get(id(told.by))
        case = Case(book, standings[book.name], told.by.record.appended_at)
        remark = (
            _followed(told, record)
            if record is not None
            else refusal_of_match(told.entry, case, refused.setdefault(book.name, {}))
        )
        if remark is None:
            case.standing.take(told.entry, book, recorded_at=case.recorded_at)
            tellings.append(told)
        else:
            if remark.outcome is OutcomeKind.REFUSED:
                refused.setdefault(book.name, {}).setdefault(told.entry.reference, remark)
            batch.remark(told.by, remark)
    return tellings


def _followed(told: Told, record: Recorded) -> Remark | None:
    """What was decided on a match, from its record: an entry of it says that it was booked."""
    if record.outcome is not OutcomeKind.REFUSED:
        return None
    return Remark(
        record.outcome,
        record.reason,
        subject_of(told.entry.reference),
        record.detail,
        record.reference,
        decided=record.decided,
    )


async def _refused_before(tx: Tx, asked: Sequence[MatchAsked]) -> dict[Book, dict[str, Remark]]:
    """The first refusal of each of these references that was refused before the batch."""
    names = sorted({(each.book.name, each.told.entry.reference) for each in asked})
    found: dict[Book, dict[str, Remark]] = {}
    for row in await tx.fetch(
        SQL["read_refused_references"],
        [book for book, _ in names],
        [subject_of(reference) for _, reference in names],
        [reference for _, reference in names],
    ):
        found.setdefault(Book(row["book"]), {})[row["reference"]] = Remark(
            OutcomeKind.REFUSED,
            row["reason"],
            row["subject"],
            row["detail"],
            row["reference"],
            decided=row["decided"],
        )
    return found
