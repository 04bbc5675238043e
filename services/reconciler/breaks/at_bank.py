"""Breaks between what is expected and what the bank shows: from the table to discrepancies."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime

from services.reconciler.breaks.other_currency import exchanged
from services.reconciler.breaks.pending import Pending, said_of, shown_before
from services.reconciler.breaks.returned import candidate_taken_back, went_back
from services.reconciler.facts.kinds import Line
from services.reconciler.facts.known import Facts
from services.reconciler.findings.explain import discrepancy, money
from services.reconciler.findings.found import Discrepancy
from services.reconciler.matching.candidates import Candidate
from services.reconciler.matching.table import Repeated, Table, Taken, Unclear
from services.reconciler.rules.calendars import FEED_SILENCE_MAX, due_at, waited_until
from services.reconciler.rules.expectations import Expectation, Expected, Stage
from shared.contracts.discrepancies import BreakClass, DiscrepancyKind

_CANDIDATES_SHOWN = 10
_ASK_WHY = (
    "Ask the bank why it posted another amount than it had shown, or book the difference by hand."
)
_TOOK_BACK = "the bank refused what it had shown as pending"
_NOTHING_READ = datetime.min.replace(tzinfo=UTC)


def payout_breaks(
    facts: Facts,
    table: Table,
    *,
    at: datetime,
    pendings: Sequence[Pending],
    elsewhere: Mapping[str, Sequence[Line]],
    of: Iterable[Candidate] | None = None,
) -> Iterator[Discrepancy]:
    """What is wrong with payouts and top-ups: failed, overdue, short or over, in another currency.

    ``pendings`` are the pending lines on which one of them was expected, ``elsewhere`` the lines in
    another currency, by what they name. ``of`` are the candidates to look at, where not all are.
    """
    before, vanished = shown_before(facts), said_of(pendings)
    for _, expected in sorted(table.over.items()):
        if expected.stage is Stage.FAILED and expected.what is Expected.PAYOUT and expected.minor:
            yield _failed(facts, expected)
    for candidate in table.candidates.values() if of is None else of:
        expected = candidate.expected
        taken = table.settled.get(expected.id)
        if taken is None:
            if candidate.is_overpaid:
                yield _overpaid(facts, candidate)
            elif lines := elsewhere.get(expected.id):
                yield exchanged(facts, candidate, lines)
            elif clock(facts, candidate, at) >= due_at(expected, facts.book.zone, facts.rules):
                yield _overdue(facts, candidate, at, vanished.get(expected.id, ()))
        elif off := _paid(candidate, taken) - candidate.due_minor:
            yield _mismatch(facts, candidate, taken, off, before)


def clock(facts: Facts, candidate: Candidate, at: datetime) -> datetime:
    """Up to when it is known that the payout has not come.

    The bank account where it is expected has been read until then; a feed that was silent for a
    day holds nothing back any longer. Where any account in the currency may be the one, the one
    that was read least decides.
    """
    if not facts.require_readings:
        return at
    named = candidate.bank_account
    same = [b.name for b in facts.book.bank_accounts if b.currency == candidate.expected.currency]
    accounts = [named] if named else (same or sorted(facts.read_until))
    unread = at if at >= waited_until(candidate.expected) else _NOTHING_READ
    return min((_until(facts, account, at, unread) for account in accounts), default=unread)


def _until(facts: Facts, account: str, at: datetime, unread: datetime) -> datetime:
    """A bank's own time may stand still over a weekend; it is silent when *we* hear nothing."""
    read_until = facts.read_until.get(account)
    if read_until is None:
        return unread
    if at - facts.heard_at.get(account, read_until) > FEED_SILENCE_MAX:
        return at
    return min(at, read_until)


def _paid(candidate: Candidate, taken: Iterable[Taken]) -> int:
    """What lines have paid of it, as the bank signs it."""
    return sum(
        cleared
        for one in taken
        for share, cleared in zip(one.shares, one.cleared, strict=True)
        if share.candidate.id == candidate.id
    )


def contradictions(facts: Facts) -> Iterator[Discrepancy]:
    """Payouts and top-ups that were told with two amounts: Stripe never changes one."""
    told_twice = (e for e in facts.expectations if e.other_amounts)
    for expected in sorted(told_twice, key=lambda e: e.id):
        sign = 1 if expected.money.minor == expected.minor else -1
        others = [money(sign * minor, code) for minor, code in expected.other_amounts]
        also = " and ".join(str(other) for other in others)
        is_one = len(others) == 1 and others[0].currency == expected.money.currency
        yield discrepancy(
            facts.book.name,
            DiscrepancyKind.REFERENCE_CONFLICT,
            expected.id,
            expected.money - others[0] if is_one else None,
            expected="one amount in all tellings",
            found=f"{expected.money} in the furthest one, {also} in another",
            explanation=(
                f"{expected.id} was told with {expected.money} and with {also}; what was told of"
                " it when it had come furthest counts."
            ),
            what=f"{expected.id}/amount",
            next_step="Read it at Stripe; what counts here is the telling that came furthest.",
        )


def _failed(facts: Facts, expected: Expectation) -> Discrepancy:
    why = f" ({expected.failure})" if expected.failure else ""
    return discrepancy(
        facts.book.name,
        DiscrepancyKind.PAYOUT_FAILED,
        expected.id,
        expected.money,
        expected=f"{abs(expected.money)} at the bank on {expected.arrival}",
        found=f"Stripe says that the payout failed{why}",
        explanation=(
            f"Payout {expected.id} of {abs(expected.money)} failed{why};"
            " the funds went back to the Stripe balance."
        ),
    )


def _how_long(facts: Facts, candidate: Candidate, at: datetime) -> str:
    """While the window is open it is late; after that it is missing."""
    if clock(facts, candidate, at) < candidate.closed_at:
        return f"; it may still come until {candidate.last}"
    return f"; it is missing, for its window ended on {candidate.last}"


def _overdue(
    facts: Facts, candidate: Candidate, at: datetime, vanished: tuple[str, ...]
) -> Discrepancy:
    expected = candidate.expected
    is_topup = expected.what is Expected.TOPUP
    kind = DiscrepancyKind.TOPUP_OVERDUE if is_topup else DiscrepancyKind.PAYOUT_OVERDUE
    due_time = due_at(expected, facts.book.zone, facts.rules)
    due_on = due_time.astimezone(facts.book.zone).date()
    due = due_time.isoformat().replace("+00:00", "Z")
    named, currency = candidate.bank_account, expected.currency.upper()
    where = f"bank account {named}" if named else f"any bank account in {currency}"
    amount = money(candidate.due_minor, expected.currency)
    what = "Top-up" if is_topup else "Payout"
    traces = tuple(f"trace id {trace}" for trace in expected.traces)
    by_trace = "with the trace id" if traces else f"by its day, {expected.arrival}"
    return discrepancy(
        facts.book.name,
        kind,
        expected.id,
        amount,
        since=due_on,
        expected=f"{amount} on {where} by {due}",
        found="no bank line",
        explanation=(
            f"{what} {expected.id} of {abs(amount)} is {expected.stage} at Stripe, arrival"
            f" {expected.arrival}, and no bank line shows it{_how_long(facts, candidate, at)}."
        ),
        evidence=(*traces, *vanished),
        probable_cause=_TOOK_BACK if vanished else "",
        next_step=""
        if is_topup
        else f"Ask the bank for this amount {by_trace}, then Stripe support.",
    )


def _overpaid(facts: Facts, candidate: Candidate) -> Discrepancy:
    expected = candidate.expected
    over = money(candidate.due_minor, expected.currency)
    settled = money(expected.bank_minor - candidate.due_minor, expected.currency)
    return discrepancy(
        facts.book.name,
        DiscrepancyKind.PAYOUT_AMOUNT_MISMATCH,
        expected.id,
        abs(over),
        expected=str(expected.money),
        found=f"{settled}, settled by hand",
        explanation=(
            f"{expected.id} should be {abs(expected.money)} at the bank, and people have settled"
            f" {abs(settled)} of it: over by {abs(over)}."
        ),
    )


def _mismatch(
    facts: Facts,
    candidate: Candidate,
    taken: list[Taken],
    off: int,
    before: Mapping[str, int],
) -> Discrepancy:
    expected = candidate.expected
    due = money(candidate.due_minor, expected.currency)
    paid = money(_paid(candidate, taken), expected.currency)
    lines = ", ".join(sorted(one.line.id for one in taken))
    is_short = abs(paid.minor) < abs(due.minor)
    by = abs(money(off, expected.currency))
    # Whether the bank itself had shown what is due, before it posted something else.
    changed = [one.line for one in taken if one.line.key in before]
    had = _paid(candidate, taken) + sum(before[line.key] - line.minor for line in changed)
    was_right = bool(changed) and had == candidate.due_minor
    return discrepancy(
        facts.book.name,
        DiscrepancyKind.PAYOUT_AMOUNT_MISMATCH,
        expected.id,
        by,
        expected=str(due),
        found=f"{paid} in {lines}",
        explanation=(
            f"{expected.id} should be {abs(due)} at the bank and is {abs(paid)}:"
            f" {'short' if is_short else 'over'} by {by}."
        ),
        since=max(one.line.booked_on for one in taken),
        evidence=(
            *sorted(said for one in taken for said in one.evidence),
            *(_was_pending(line, before[line.key]) for line in changed),
        ),
        break_class=BreakClass.PENDING_CHANGED if was_right else None,
        probable_cause="the bank changed the amount when it posted the line" if was_right else "",
        next_step=_ASK_WHY if was_right else "",
    )


def _was_pending(line: Line, minor: int) -> str:
    return f"{line.id} was pending with {money(minor, line.currency)} and posted with {line.money}"


def line_breaks(
    facts: Facts, table: Table, *, elsewhere: Mapping[str, Sequence[Line]]
) -> Iterator[Discrepancy]:
    """What is wrong with bank lines: not told apart, paid twice, not explained.

    A line in another currency than what it names is told of with what it names.
    """
    told = {line.key for lines in elsewhere.values() for line in lines}
    lines = {line.key: line for line in facts.lines}
    for key in sorted(table.evidence):
        line = lines[key]
        left = table.by_hand.get(key, line.minor)
        if key in table.taken or key in told or not left:
            continue
        if key in table.unclear:
            yield _ambiguous(facts, table.unclear[key])
        elif key in table.repeated and line.minor > 0:
            yield _duplicate(facts, table.repeated[key], table)
        elif back := candidate_taken_back(table, line):
            yield went_back(facts, table, line, back)
        else:
            yield _unidentified(facts, table, line, left)


def _ambiguous(facts: Facts, unclear: Unclear) -> Discrepancy:
    line = unclear.line
    shown = unclear.candidates[:_CANDIDATES_SHOWN]
    more = len(unclear.candidates) - len(shown)
    return discrepancy(
        facts.book.name,
        DiscrepancyKind.AMBIGUOUS_MATCH,
        line.id,
        line.money,
        expected="one answer to what the line settles",
        found=f"{len(unclear.candidates)} candidates",
        explanation=(
            f"Bank line {line.id} of {line.money} on {line.booked_on} may settle"
            f" {' or '.join(shown)}{f' or {more} more' if more else ''}: {unclear.reason}."
        ),
        evidence=tuple(f"{i}. {c}" for i, c in enumerate(shown, 1)),
        since=line.booked_on,
        what=line.key,
    )


def _duplicate(facts: Facts, repeated: Repeated, table: Table) -> Discrepancy:
    line, settled = repeated.line, table.settled[repeated.candidate.id]
    first = ", ".join(sorted(taken.line.id for taken in settled))
    return discrepancy(
        facts.book.name,
        DiscrepancyKind.DUPLICATE_BANK_CREDIT,
        line.id,
        line.money,
        expected=f"{repeated.candidate.id} once, in {first}",
        found=f"{line.money} again in {line.id}",
        explanation=(
            f"Bank line {line.id} of {line.money} names {repeated.candidate.id},"
            f" which {first} has settled already."
        ),
        evidence=table.evidence[line.key].said(),
        what=line.key,
        since=line.booked_on,
    )


def _unidentified(facts: Facts, table: Table, line: Line, left: int) -> Discrepancy:
    is_credit = left > 0
    kind = (
        DiscrepancyKind.UNIDENTIFIED_BANK_CREDIT
        if is_credit
        else DiscrepancyKind.UNIDENTIFIED_BANK_DEBIT
    )
    amount = money(left, line.currency)
    return discrepancy(
        facts.book.name,
        kind,
        line.id,
        amount,
        expected="a payout or top-up that the line settles",
        found=f"{amount} on {line.account}, {line.booked_on}: {line.said}",
        explanation=(
            f"Bank line {line.id} of {amount} on {line.booked_on} is explained by nothing known"
            f"{_why(table, line)}."
        ),
        evidence=table.evidence[line.key].said(),
        what=line.key,
        since=line.booked_on,
        break_class=_class_of(table, line),
    )


def _class_of(table: Table, line: Line) -> BreakClass:
    """What is missing: our own half, where the payer is named with an id that nobody knows here."""
    evidence = table.evidence[line.key]
    if evidence.foreign and evidence.names.is_payer_named and not evidence.names.others:
        return BreakClass.MISSING_IN_LEDGER
    return BreakClass.UNIDENTIFIED_RECEIPT if line.minor > 0 else BreakClass.UNIDENTIFIED_DEBIT


def _why(table: Table, line: Line) -> str:
    """Why a line that names something was not matched with it."""
    evidence = table.evidence[line.key]
    for owner in sorted(evidence.strong):
        if owner in table.over:
            return f"; it names {owner}, which is {table.over[owner].stage} at Stripe"
        if line.key in table.repeated:
            return f"; it names {owner}, which another line has settled"
        candidate = table.candidates.get(owner)
        if candidate is None:
            return f"; it names {owner}, which was cleared by hand"
        if candidate.expected.currency != line.currency:
            return f"; it names {owner}, which is in {candidate.expected.currency.upper()}"
        return f"; it names {owner}, but goes the other way"
    if evidence.foreign:
        return f"; it names {evidence.foreign[0]}, which is not known"
    if evidence.names.others:
        return "; it bears another payer's name"
    if line.key in table.unsolved:
        return f"; {table.unsolved[line.key]}"
    return ""
