"""What the bank showed as pending and then changed: posted otherwise, or never posted.

    posted otherwise    the pending amount was what is expected, the posted one is not
    vanished            the bank took the pending line back, or never posted it in its time, and
                        what it names is still waited for

A pending line books nothing and settles nothing, so its going is no break by itself: only what was
expected on it makes it one. What was posted and agrees is done with, whatever was pending before.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from services.reconciler.evidence.name_index import index_of
from services.reconciler.evidence.references import Evidence, evidence_of
from services.reconciler.evidence.spelling import handles_of_line, handles_of_names
from services.reconciler.facts.kinds import Line
from services.reconciler.facts.known import Facts
from services.reconciler.findings.explain import discrepancy, money
from services.reconciler.findings.found import Discrepancy
from services.reconciler.matching.candidates import Candidate
from services.reconciler.matching.table import Table
from services.reconciler.rules.calendars import FEED_SILENCE_MAX, business_days_after, end_of
from shared.contracts.discrepancies import DiscrepancyKind
from shared.contracts.observations import LineState

# Banks post what is pending within days; what is held longer was let go without a word.
POSTED_WITHIN_BUSINESS_DAYS: Final = 5
_NEVER: Final = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Pending:
    """A pending line, or one that was, which names what is still waited for."""

    line: Line
    owners: tuple[Candidate, ...]
    named: frozenset[str]
    has_vanished: bool


def pendings_of(facts: Facts, table: Table, *, at: datetime) -> tuple[Pending, ...]:
    """The pending lines on which something is expected, in the order in which lines are taken."""
    replaced = {_replaced(line) for line in facts.lines if line.replaces}
    lines = [
        line
        for line in facts.lines
        if line.key not in replaced and (is_awaited(line) or (line.minor and was_taken_back(line)))
    ]
    if not lines:
        return ()
    evidence = _evidence(facts, lines)
    found: list[Pending] = []
    for line in sorted(lines, key=lambda li: li.place):
        said = evidence[line.key]
        owners = tuple(
            candidate
            for owner in sorted(said.strong)
            if (candidate := table.candidates.get(owner)) is not None
            and table.is_open(owner)
            and candidate.expected.currency == line.currency
            and (candidate.due_minor > 0) == (line.minor > 0)
        )
        if owners:
            named = frozenset({*said.strong, *(o for some in said.partial for o in some)})
            gone = was_taken_back(line) or _known_until(facts, line, at) >= ends_at(facts, line)
            found.append(Pending(line, owners, named, gone))
    return tuple(found)


def _evidence(facts: Facts, lines: Iterable[Line]) -> Mapping[str, Evidence]:
    """What pending lines name, of what they can meet: few lines need no index of all names."""
    rows = list(lines)
    wanted = {handle for line in rows for handle in handles_of_line(line)}
    met = (e for e in facts.expectations if not wanted.isdisjoint(handles_of_names(e)))
    index = index_of(sorted(met, key=lambda e: e.id), facts.book.payer_names)
    return {line.key: evidence_of(line, index) for line in rows}


def is_awaited(line: Line) -> bool:
    """Whether a line is only announced so far."""
    return line.state is LineState.PENDING and line.minor != 0


def was_taken_back(line: Line) -> bool:
    """Whether a line went while it was pending."""
    was_pending = line.pending_minor is not None and line.pending_revision == line.revision - 1
    return line.state is LineState.REMOVED and was_pending


def ends_at(facts: Facts, line: Line) -> datetime:
    """Until when a pending line should be posted."""
    day = business_days_after(line.booked_on, POSTED_WITHIN_BUSINESS_DAYS)
    return end_of(day, facts.book.zone)


def pending_breaks(
    facts: Facts, pendings: Iterable[Pending], *, said: Iterable[str]
) -> Iterator[Discrepancy]:
    """Pending lines that have vanished, but for where it is said of all that they name already."""
    troubled = set(said)
    for pending in pendings:
        waiting = [c for c in pending.owners if c.id not in troubled]
        if pending.has_vanished and waiting:
            yield _vanished(facts, pending.line, waiting)


def _vanished(facts: Facts, line: Line, waiting: list[Candidate]) -> Discrepancy:
    names = " and ".join(c.id for c in waiting)
    amounts = " and ".join(str(abs(money(c.due_minor, line.currency))) for c in waiting)
    last = max(c.last for c in waiting)
    return discrepancy(
        facts.book.name,
        DiscrepancyKind.PENDING_CHANGED,
        line.id,
        line.money,
        expected=f"the pending line to be posted, for {names} of {amounts}",
        found=f"{line.money} on {line.account}, {line.booked_on}: {line.said}; {_went(line)}",
        explanation=(
            f"Pending bank line {line.id} of {line.money} on {line.booked_on} names {names}:"
            f" {_went(line)}. {names} may still come until {last}."
        ),
        evidence=tuple(f"the line names {c.id}" for c in waiting),
        what=line.key,
    )


def _went(line: Line) -> str:
    if line.state is LineState.REMOVED:
        return "the bank took it back"
    return f"the bank has not posted it in {POSTED_WITHIN_BUSINESS_DAYS} business days"


def said_of(pendings: Iterable[Pending]) -> Mapping[str, tuple[str, ...]]:
    """What was pending and vanished, in words, by what it names."""
    found: dict[str, tuple[str, ...]] = {}
    for pending in pendings:
        if pending.has_vanished:
            line = pending.line
            words = f"{line.id} of {line.money} was pending on {line.booked_on}: {_went(line)}"
            for candidate in pending.owners:
                found[candidate.id] = (*found.get(candidate.id, ()), words)
    return found


def shown_before(facts: Facts) -> Mapping[str, int]:
    """What posted lines showed while they were pending, where that was another amount, by key."""
    posted = [
        line
        for line in facts.lines
        if line.state is LineState.POSTED and (line.replaces or line.pending_minor is not None)
    ]
    replaced = {_replaced(line) for line in posted if line.replaces}
    lines = {line.key: line for line in facts.lines if replaced and line.key in replaced}
    found: dict[str, int] = {}
    for line in posted:
        before = lines.get(_replaced(line)) if line.replaces else None
        minor = line.pending_minor if before is None else before.pending_minor
        if minor is not None and minor != line.minor:
            found[line.key] = minor
    return found


def _replaced(line: Line) -> str:
    return f"line:{line.account}/{line.replaces}"


def _known_until(facts: Facts, line: Line, at: datetime) -> datetime:
    """Up to when it is known that the line was not posted; a silent feed holds nothing back."""
    if not facts.require_readings:
        return at
    read_until = facts.read_until.get(line.account)
    if read_until is None:
        return at if at >= ends_at(facts, line) + FEED_SILENCE_MAX else _NEVER
    if at - facts.heard_at.get(line.account, read_until) > FEED_SILENCE_MAX:
        return at
    return min(at, read_until)


def pending_wakes(facts: Facts, pendings: Iterable[Pending]) -> Iterator[datetime]:
    """When a pending line is past its time, though nothing new is told."""
    for pending in pendings:
        if not pending.has_vanished:
            ends = ends_at(facts, pending.line)
            yield from (ends, ends + FEED_SILENCE_MAX + timedelta(microseconds=1))
