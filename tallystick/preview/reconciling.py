"""The reconciler's core over what a run took: messages, entries and outcomes become facts.

Facts are read by the reconciler's own readers from the very records that the services publish, so
that a preview reconciles what the services would.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from services.ledger.posting_rules import Input
from services.reconciler.breaks.balances import latest_proofs, ledger_stripe_of
from services.reconciler.facts.kinds import (
    Fact,
    Reading,
)
from services.reconciler.facts.known import Facts, fold
from services.reconciler.facts.readers import facts_of
from services.reconciler.findings.found import Match
from services.reconciler.reconcile import reconcile
from shared.contracts import topics
from shared.contracts.books import BookData, BookMap
from shared.contracts.envelope import Envelope
from shared.contracts.errors import Refused
from shared.contracts.journal import DEFAULT_BOOK
from shared.contracts.messages import MatchMade, Outcome, Position, entry_booked
from tallystick.preview.books import Recorded
from tallystick.preview.report import Found, MatchedLine

_SOURCE: Final = "tallystick/preview"
_NO_CHAIN: Final = "0" * 64


@dataclass(frozen=True, slots=True)
class Taken:
    """What a run took of all books."""

    messages: Sequence[Input]
    entries: Sequence[Recorded]
    outcomes: Sequence[Outcome]


@dataclass(frozen=True, slots=True)
class Reconciled:
    """What the reconciler finds in one book."""

    made: tuple[MatchMade, ...]
    matches: tuple[MatchedLine, ...]
    discrepancies: tuple[Found, ...]


@dataclass(frozen=True, slots=True)
class Told:
    """All facts by the book that they belong to, and the messages that could not be read."""

    facts: Mapping[str, Sequence[Fact]]
    unread: Sequence[tuple[Input, Refused]]


def told_by(taken: Taken, book_map: BookMap) -> Told:
    """What the records of a run tell the reconciler."""
    facts: dict[str, list[Fact]] = {}
    unread: list[tuple[Input, Refused]] = []
    for message in (*taken.messages, *_entries(taken.entries), *_outcomes(taken.outcomes)):
        try:
            book, told = facts_of(
                message.topic, message.envelope, received_at=message.received_at, books=book_map
            )
        except Refused as refused:
            unread.append((message, refused))
        else:
            facts.setdefault(book or DEFAULT_BOOK, []).extend(told)
    return Told(facts, unread)


def reconciled(book: BookData, facts: Iterable[Fact], *, at: datetime) -> Reconciled:
    """What should stand matched and be open in a book, all of it at rest at one time."""
    found = reconcile(known_of(book, facts), at=at)
    return Reconciled(
        made=tuple(match.made(1) for match in found.matches),
        matches=tuple(row for match in found.matches for row in _rows(match)),
        discrepancies=tuple(
            Found(
                book=book.name,
                id=each.id,
                kind=each.kind.value,
                subject=each.subject,
                amount=each.amount,
                expected=each.expected,
                found=each.found,
                explanation=each.explanation,
                next_step=each.next_step,
            )
            for each in found.discrepancies
        ),
    )


def known_of(book: BookData, facts: Iterable[Fact]) -> Facts:
    """What is known of a book when all of these facts are."""
    known = tuple(fold(facts).values())
    sorted_out = Facts.of(known, book)
    readings = (fact for fact in known if isinstance(fact, Reading))
    return replace(
        sorted_out,
        proofs=latest_proofs(readings, sorted_out.bookings, book.zone),
        ledger_stripe=ledger_stripe_of(sorted_out.bookings),
    )


def _rows(match: Match) -> Iterator[MatchedLine]:
    if match.line is not None:
        delta = match.line.money
        for settled in match.settles:
            delta -= settled.share
        yield MatchedLine(
            book=match.book,
            line=match.line.id,
            account=match.line.account,
            settles=tuple(sorted(settled.object for settled in match.settles)),
            delta=delta,
            rule=match.rule,
        )


def _entries(entries: Iterable[Recorded]) -> Iterator[Input]:
    for number, recorded in enumerate(entries, start=1):
        booked = entry_booked(
            recorded.entry,
            caused_by=Position(topic=topics.STRIPE_EVENTS, partition=0, offset=number),
            message_id=str(number),
            recorded_at=recorded.recorded_at,
            sequence=number,
            chain=_NO_CHAIN,
        )
        yield _record(topics.LEDGER_ENTRIES, booked.model_dump_json(), recorded.recorded_at)


def _outcomes(outcomes: Iterable[Outcome]) -> Iterator[Input]:
    for outcome in outcomes:
        yield _record(topics.LEDGER_OUTCOMES, outcome.model_dump_json(), outcome.recorded_at)


def _record(topic: str, text: str, at: datetime) -> Input:
    return Input(topic, Envelope(topic, _SOURCE, topic, at, text.encode()), at)
