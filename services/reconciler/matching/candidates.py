"""Who may settle what: expectations made ready for matching, and what forbids a pair."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from services.reconciler.evidence.references import Evidence
from services.reconciler.evidence.spelling import reduced
from services.reconciler.facts.kinds import (
    BANK_LINE_KINDS,
    IN_TRANSIT,
    MATCH_KINDS,
    SUSPENSE,
    Booking,
    Line,
)
from services.reconciler.facts.known import Facts
from services.reconciler.rules.calendars import anchor_of, end_of, window_of
from services.reconciler.rules.expectations import Expectation, Expected

# How much of a number two traces of one sender share: what differs after it is the payment.
TRACE_SHARED: Final = 6

_OURS_OR_THE_BANKS: Final = BANK_LINE_KINDS | MATCH_KINDS

Rail = tuple[bool, str, str]
ClassKey = tuple[str, int, str, Rail, date, date]


@dataclass(frozen=True, slots=True)
class Candidate:
    """An expectation that may be settled.

    ``due_minor`` is what the bank has still to show, as the bank signs it: the amount, but for
    what a person has cleared by hand. ``bank_account`` is empty where any may be the one.
    ``anchor`` is the date that the window hangs on.
    """

    expected: Expectation
    due_minor: int
    bank_account: str
    anchor: date
    first: date
    last: date
    closed_at: datetime
    booked_at: datetime
    traces: tuple[str, ...]

    @property
    def id(self) -> str:
        """The id of the payout or top-up."""
        return self.expected.id

    @property
    def place(self) -> tuple[date, datetime, str]:
        """Which of interchangeable ones is taken first."""
        return (self.expected.arrival, self.expected.created, self.expected.id)

    @property
    def class_key(self) -> ClassKey:
        """What interchangeable candidates have in common."""
        e = self.expected
        rail = (e.what is Expected.TOPUP, e.method, e.account)
        return (e.currency, self.due_minor, self.bank_account, rail, e.arrival, self.anchor)

    @property
    def is_overpaid(self) -> bool:
        """Whether people have settled more of it than there was: the rest goes the other way."""
        return (self.due_minor > 0) != (self.expected.bank_minor > 0)

    def is_in_window(self, line: Line) -> bool:
        """Whether the line's day, direction, currency and bank account allow the pair.

        What is overpaid comes back by name or not at all: an amount alone is anybody's.
        """
        return (
            self.first <= line.booked_on <= self.last
            and self.expected.currency == line.currency
            and (self.due_minor > 0) == (line.minor > 0)
            and self.bank_account in {"", line.account}
            and not self.is_overpaid
        )


def candidate_of(
    facts: Facts,
    expected: Expectation,
    *,
    by_hand: Mapping[tuple[str, str], int],
    booked: Mapping[str, datetime],
) -> Candidate:
    """An expectation made ready; ``by_hand`` is what people have cleared, by key and currency."""
    zone = facts.book.zone
    first, last = window_of(expected, zone, facts.rules)
    account = facts.book.bank_account_of(expected.destination, expected.currency)
    return Candidate(
        expected=expected,
        due_minor=expected.bank_minor + by_hand.get((expected.id, expected.currency), 0),
        bank_account=account or "",
        anchor=anchor_of(expected, zone),
        first=first,
        last=last,
        closed_at=end_of(last, zone),
        booked_at=booked.get(expected.id, expected.created),
        traces=_reduced(expected.traces),
    )


def _reduced(traces: tuple[str, ...]) -> tuple[str, ...]:
    """Traces as they are compared; most are told so, and then nothing is held twice."""
    found = tuple(reduced(trace) for trace in traces)
    return traces if found == traces else found


def clearings_by_hand(
    bookings: Iterable[Booking], account: str
) -> dict[tuple[str, str], list[int]]:
    """What people booked on a clearing account, debit positive, by key and currency."""
    found: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
    for booking in bookings:
        if booking.kind != "manual_entry":
            continue
        for leg in booking.legs:
            if leg.account == account:
                found[leg.key, leg.currency].append(leg.minor)
    return dict(found)


def open_in_suspense(bookings: Iterable[Booking]) -> dict[tuple[str, str], int]:
    """What stands on suspense but for bank lines and matches, debit positive."""
    sums: defaultdict[tuple[str, str], int] = defaultdict(int)
    for booking in bookings:
        if booking.kind in _OURS_OR_THE_BANKS:
            continue
        for leg in booking.legs:
            if leg.account == SUSPENSE:
                sums[leg.key, leg.currency] += leg.minor
    return dict(sums)


def booked_at(bookings: Iterable[Booking]) -> dict[str, datetime]:
    """When the payout's own balance transaction took the money out: its first movement."""
    first: dict[str, datetime] = {}
    for booking in bookings:
        if booking.kind != "balance_transaction":
            continue
        for leg in booking.legs:
            if leg.account == IN_TRANSIT:
                seen = first.get(leg.key, booking.effective_at)
                first[leg.key] = min(seen, booking.effective_at)
    return first


def forbidden(candidate: Candidate, evidence: Evidence) -> bool:
    """Whether the line's text speaks against this candidate, so that an amount proves nothing."""
    if evidence.foreign or (evidence.strong and candidate.id not in evidence.strong):
        return True
    if any(candidate.id not in owners for owners in evidence.partial):
        return True
    if evidence.names.forbids(candidate.expected.descriptor):
        return True
    return any(_another_trace(t, n) for t in candidate.traces for n in evidence.numbers)


def _another_trace(trace: str, number: str) -> bool:
    """Whether a number in the text is the trace of another payment of the same sender."""
    return (
        number != trace
        and len(number) == len(trace)
        and len(trace) > TRACE_SHARED + 1
        and number[:TRACE_SHARED] == trace[:TRACE_SHARED]
        and number.isdigit() == trace.isdigit()
    )
