"""What is waited for, in which state, until when, and where to look when that time passes.

    expected    its day has not come
    due         its day has come; within the rail's own time
    overdue     past that time, and a line may still come in the window: alarms
    missing     the window is over: alarms
    mismatched  it came with another amount, in another currency, or was taken back: alarms
    settled     an amount alone has matched it, and the window is still open

Pending lines, and payouts of which a balance transaction alone has not come, are due or overdue;
settling keys of which one half lacks are overdue once their time has passed (``clearing.py``).
Every state has a deadline, and what to read again when it passes; what is done with waits no more.
Of the deadlines that have passed the last one counts, so that whoever was away for months asks
once for what is waited for now, and not for each week of it.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Final

from services.reconciler.breaks.at_bank import clock
from services.reconciler.breaks.in_transit import OpenKey, open_keys
from services.reconciler.breaks.other_currency import in_other_currency
from services.reconciler.breaks.pending import ends_at, is_awaited
from services.reconciler.breaks.returned import taken_back
from services.reconciler.facts.kinds import Line
from services.reconciler.facts.known import Facts
from services.reconciler.findings.found import DueLookUp
from services.reconciler.matching.candidates import Candidate
from services.reconciler.matching.table import WEAK_RULES, Table
from services.reconciler.rules.calendars import (
    SETTLING_TIME,
    due_at,
    midnight,
    waited_until,
)
from shared.contracts.look_ups import LookUp
from shared.contracts.money import Money

# What is missing, or mismatched, is looked for again so often.
AGAIN: Final = timedelta(days=7)
# Either half may be the one that was lost: the bank's line, or Stripe's word that it went back.
_BOTH: Final = (LookUp.BANK_LINES, LookUp.STRIPE_OBJECT)


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


@dataclass(frozen=True, slots=True)
class Passed:
    """The last deadline that has passed, and all that is to be looked at because of it."""

    deadline: datetime
    look_ups: tuple[LookUp, ...]


@dataclass(frozen=True, slots=True)
class Wait:
    """One thing that is waited for.

    ``look_up`` is what is looked at first when the deadline passes. ``bank_account`` is empty where
    any may be the one; what a bank shows is read from ``since`` on. Of what Stripe shows, ``kind``
    is its word for it and ``stripe_account`` whose it is.
    """

    subject: str
    state: WaitState
    amount: Money
    deadline: datetime
    look_up: LookUp
    bank_account: str
    since: date
    passed: Passed | None = None
    kind: str = ""
    stripe_account: str = ""

    @property
    def where(self) -> str:
        """Where is looked first: the bank account, or the object at Stripe."""
        return self.place(self.look_up) or "any"

    @property
    def next_look_ups(self) -> tuple[LookUp, ...]:
        """All that is looked at when the deadline passes and it is still waited for."""
        if self.state is WaitState.SETTLED:
            return ()
        is_both = self.kind and self.look_up is LookUp.BANK_LINES
        return _BOTH if is_both else (self.look_up,)

    def place(self, look_up: LookUp) -> str:
        """Where one looks; empty where any bank account may be the one."""
        return self.subject if look_up is LookUp.STRIPE_OBJECT else self.bank_account

    def due_look_ups(self) -> Iterator[DueLookUp]:
        """What is to be asked for now: of a deadline once, however often this is worked out."""
        if self.passed is None:
            return
        for look_up in self.passed.look_ups:
            is_at_bank = look_up is LookUp.BANK_LINES
            yield DueLookUp(
                subject=self.subject,
                deadline=self.passed.deadline,
                look_up=look_up,
                where=self.place(look_up),
                kind=self.kind,
                account="" if is_at_bank else self.stripe_account,
                currency=self.amount.currency.code,
                since=self.since if is_at_bank else None,
            )


@dataclass(frozen=True, slots=True)
class _Off:
    """What came otherwise than by its amount: in another currency, and what was taken back."""

    exchanged: Collection[str]
    taken_back: Mapping[str, Line]


def waits_of(
    facts: Facts,
    table: Table,
    *,
    at: datetime,
    elsewhere: Collection[str] | None = None,
    of: Iterable[Candidate] | None = None,
    keys: Iterable[OpenKey] | None = None,
) -> Iterator[Wait]:
    """What is waited for at a time, in the order of the deadlines.

    ``elsewhere`` has what came in another currency, ``keys`` what stands open in transit; both are
    looked for where they are not told. ``of`` are the candidates to look at, where not all are.
    """
    off = _Off(
        in_other_currency(facts, table) if elsewhere is None else elsewhere,
        taken_back(facts, table),
    )
    at_bank = [
        wait
        for candidate in (table.candidates.values() if of is None else of)
        if (wait := _of_candidate(facts, table, candidate, at, off))
    ]
    said = {wait.subject for wait in at_bank}
    waiting = open_keys(facts, table).values() if keys is None else keys
    found = [*at_bank, *_pending(facts, at), *_in_transit(facts, waiting, said, at)]
    return iter(sorted(found, key=lambda wait: (wait.deadline, wait.subject)))


def due_look_ups(waits: Iterable[Wait], others: Iterable[DueLookUp] = ()) -> tuple[DueLookUp, ...]:
    """What is to be asked for of what is waited for, and ``others``, the longest waiting first."""
    found = [*others, *(due for wait in waits for due in wait.due_look_ups())]
    return tuple(sorted(found, key=look_up_order))


def look_up_order(due: DueLookUp) -> tuple[datetime, str, LookUp, str]:
    """The order in which look-ups are asked for."""
    return (due.deadline, due.subject, due.look_up, due.where)


def _state_of(
    facts: Facts,
    table: Table,
    candidate: Candidate,
    at: datetime,
    off: _Off,
) -> WaitState | None:
    """The state of a payout or top-up; ``None`` when nothing is waited for any more."""
    if candidate.id in off.taken_back:
        return WaitState.MISMATCHED
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
    if candidate.is_overpaid or candidate.id in off.exchanged:
        return WaitState.MISMATCHED
    zone = facts.book.zone
    if at < midnight(candidate.anchor, zone):
        return WaitState.EXPECTED
    known_until = clock(facts, candidate, at)
    if known_until < due_at(candidate.expected, zone, facts.rules):
        return WaitState.DUE
    return WaitState.MISSING if known_until >= candidate.closed_at else WaitState.OVERDUE


def _of_candidate(
    facts: Facts,
    table: Table,
    candidate: Candidate,
    at: datetime,
    off: _Off,
) -> Wait | None:
    state = _state_of(facts, table, candidate, at, off)
    back = off.taken_back.get(candidate.id)
    return None if state is None else wait_in(facts, candidate, state, at, back=back)


def wait_in(
    facts: Facts, candidate: Candidate, state: WaitState, at: datetime, *, back: Line | None = None
) -> Wait:
    """What is waited for of a payout or top-up; ``back`` is the line that took it back."""
    expected, closed = candidate.expected, candidate.closed_at
    arrival = midnight(candidate.anchor, facts.book.zone)
    due = due_at(expected, facts.book.zone, facts.rules)
    deadline, look_up = due, LookUp.BANK_LINES
    passed: Passed | None = None
    match state:
        case WaitState.EXPECTED:
            deadline, look_up = arrival, LookUp.STRIPE_OBJECT
        case WaitState.DUE if at < due:
            passed = Passed(arrival, (LookUp.STRIPE_OBJECT,))
        case WaitState.DUE:
            # The bank was not read so far: it is waited for, but not for ever. Until it has been,
            # nobody knows whether anything is wrong, and Stripe is not asked about all its payouts.
            deadline = max(waited_until(expected), at)
            passed = Passed(closed if closed <= at else due, (LookUp.BANK_LINES,))
        case WaitState.OVERDUE:
            deadline = closed
            passed = Passed(closed if closed <= at else due, _BOTH)
        case WaitState.SETTLED:
            deadline = closed
        case WaitState.MISSING | WaitState.MISMATCHED:
            deadline, look_up = next_time(closed, at), LookUp.STRIPE_OBJECT
            if back is not None:
                # Whatever its window: the failure that Stripe has not told is asked for at once.
                since = midnight(back.booked_on, facts.book.zone)
                deadline = next_time(since, at)
                passed = Passed(deadline - AGAIN, (LookUp.STRIPE_OBJECT,)) if since <= at else None
            elif closed <= at:
                last = next_time(closed, at) - AGAIN
                is_first = last == closed and state is WaitState.MISSING
                passed = Passed(last, _BOTH if is_first else (LookUp.STRIPE_OBJECT,))
    return Wait(
        subject=candidate.id,
        state=state,
        amount=Money.of(candidate.due_minor, expected.currency),
        deadline=deadline,
        look_up=look_up,
        bank_account=candidate.bank_account,
        since=candidate.first,
        passed=passed,
        kind=expected.what.value,
        stripe_account=expected.account,
    )


def _pending(facts: Facts, at: datetime) -> Iterable[Wait]:
    """Pending lines: a bank posts them, changes them, or lets them vanish without a word."""
    for line in facts.lines:
        if is_awaited(line):
            ends = ends_at(facts, line)
            state = WaitState.DUE if at < ends else WaitState.OVERDUE
            passed = Passed(next_time(ends, at) - AGAIN, (LookUp.BANK_LINES,))
            yield Wait(
                subject=line.id,
                state=state,
                amount=line.money,
                deadline=next_time(ends, at),
                look_up=LookUp.BANK_LINES,
                bank_account=line.account,
                since=line.booked_on,
                passed=passed if ends <= at else None,
            )


def _in_transit(
    facts: Facts, keys: Iterable[OpenKey], said: Collection[str], at: datetime
) -> Iterable[Wait]:
    """Keys in transit that wait for a balance transaction: Stripe has it, and told of no such."""
    waiting = {key.id: key for key in keys if key.id not in said}
    expectations = (e for e in facts.expectations if e.id in waiting) if waiting else ()
    for expected in expectations:
        key = waiting[expected.id]
        ends = key.since + SETTLING_TIME
        passed = Passed(next_time(ends, at) - AGAIN, (LookUp.STRIPE_OBJECT,))
        yield Wait(
            subject=key.id,
            state=WaitState.DUE if at < ends else WaitState.OVERDUE,
            amount=Money.of(key.minor, key.currency),
            deadline=next_time(ends, at),
            look_up=LookUp.STRIPE_OBJECT,
            bank_account="",
            since=expected.arrival,
            passed=passed if ends <= at else None,
            kind=expected.what.value,
            stripe_account=expected.account,
        )


def next_time(since: datetime, at: datetime) -> datetime:
    """The next time at which it is looked for again, counted from when it should have come."""
    if at < since:
        return since
    return since + AGAIN * ((at - since) // AGAIN + 1)
