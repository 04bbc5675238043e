"""What is waited for, in which state, until when, and where to look when that time passes.

    expected    its day has not come
    due         its day has come; within the rail's own time
    overdue     past that time, and a line may still come in the window: alarms
    missing     the window is over: alarms
    mismatched  it came with another amount: alarms
    settled     an amount alone has matched it, and the window is still open

Every state has a deadline, and what to read again when it passes; what is done with waits no more.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from services.reconciler.breaks.at_bank import clock
from services.reconciler.facts.known import Facts
from services.reconciler.matching.candidates import Candidate
from services.reconciler.matching.table import WEAK_RULES, Table
from services.reconciler.rules.calendars import (
    business_days_after,
    due_at,
    end_of,
    midnight,
    waited_until,
)
from shared.contracts.money import Money
from shared.contracts.observations import LineState

# What is missing, or mismatched, is looked for again so often.
AGAIN: Final = timedelta(days=7)
PENDING_BUSINESS_DAYS: Final = 5


class WaitState(StrEnum):
    """How far a wait has come."""

    EXPECTED = "expected"
    DUE = "due"
    OVERDUE = "overdue"
    MISSING = "missing"
    MISMATCHED = "mismatched"
    SETTLED = "settled"

    @property
    def alarms(self) -> bool:
        """Whether somebody is told: what is only on its way is no exception."""
        return self in {WaitState.OVERDUE, WaitState.MISSING, WaitState.MISMATCHED}


class LookUp(StrEnum):
    """What is read again when a deadline passes."""

    BANK_LINES = "bank_lines"
    STRIPE_OBJECT = "stripe_object"


@dataclass(frozen=True, slots=True)
class Wait:
    """One thing that is waited for. ``where`` is the bank account, or the object at Stripe."""

    subject: str
    state: WaitState
    amount: Money
    deadline: datetime
    look_up: LookUp
    where: str


def waits_of(facts: Facts, table: Table, *, at: datetime) -> Iterator[Wait]:
    """What is waited for at a time, in the order of the deadlines."""
    found = [
        *(w for c in table.candidates.values() if (w := _of_candidate(facts, table, c, at))),
        *_pending(facts, at),
    ]
    return iter(sorted(found, key=lambda wait: (wait.deadline, wait.subject)))


def state_of(facts: Facts, table: Table, candidate: Candidate, at: datetime) -> WaitState | None:
    """The state of a payout or top-up; ``None`` when nothing is waited for any more."""
    taken = table.settled.get(candidate.id)
    if taken is not None:
        paid = sum(
            cleared
            for one in taken
            for share, cleared in zip(one.shares, one.cleared, strict=True)
            if share.candidate.id == candidate.id
        )
        if paid != candidate.due_minor:
            return WaitState.MISMATCHED
        is_weak = any(one.rule in WEAK_RULES for one in taken)
        return WaitState.SETTLED if is_weak and candidate.closed_at > at else None
    if candidate.is_overpaid:
        return WaitState.MISMATCHED
    zone = facts.book.zone
    if at < midnight(candidate.anchor, zone):
        return WaitState.EXPECTED
    known_until = clock(facts, candidate, at)
    if known_until < due_at(candidate.expected, zone, facts.rules):
        return WaitState.DUE
    return WaitState.MISSING if known_until >= candidate.closed_at else WaitState.OVERDUE


def _of_candidate(facts: Facts, table: Table, candidate: Candidate, at: datetime) -> Wait | None:
    state = state_of(facts, table, candidate, at)
    if state is None:
        return None
    zone, account = facts.book.zone, candidate.bank_account
    due = due_at(candidate.expected, zone, facts.rules)
    deadline, look_up = due, LookUp.BANK_LINES
    match state:
        case WaitState.EXPECTED:
            deadline, look_up = midnight(candidate.anchor, zone), LookUp.STRIPE_OBJECT
        case WaitState.DUE:
            # The bank was not read so far: it is waited for, but not for ever.
            deadline = due if at < due else max(waited_until(candidate.expected), at)
        case WaitState.OVERDUE | WaitState.SETTLED:
            deadline = candidate.closed_at
        case WaitState.MISSING | WaitState.MISMATCHED:
            deadline, look_up = _again(candidate.closed_at, at), LookUp.STRIPE_OBJECT
    where = candidate.id if look_up is LookUp.STRIPE_OBJECT else account or "any"
    amount = Money.of(candidate.due_minor, candidate.expected.currency)
    return Wait(candidate.id, state, amount, deadline, look_up, where)


def _pending(facts: Facts, at: datetime) -> Iterable[Wait]:
    """Pending lines: a bank posts them, changes them, or lets them vanish without a word."""
    zone = facts.book.zone
    for line in facts.lines:
        if line.state is LineState.PENDING and line.minor:
            ends = end_of(business_days_after(line.booked_on, PENDING_BUSINESS_DAYS), zone)
            state = WaitState.DUE if at < ends else WaitState.OVERDUE
            deadline = ends if at < ends else _again(ends, at)
            yield Wait(line.id, state, line.money, deadline, LookUp.BANK_LINES, line.account)


def _again(since: datetime, at: datetime) -> datetime:
    """The next time at which it is looked for again, counted from when it should have come."""
    if at < since:
        return since
    return since + AGAIN * ((at - since) // AGAIN + 1)
