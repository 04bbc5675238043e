"""How much speaks for an answer, in points out of 100; and what the next best answer was.

A reference counts most, then the amount, then the day, then the payer's name. The same points are
what the assignment weighs answers by, so a match can be held against its runner-up.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Final

from services.reconciler.evidence.mentions import Certainty
from services.reconciler.evidence.references import Evidence
from services.reconciler.facts.kinds import Line
from services.reconciler.findings.found import NextBest
from services.reconciler.matching.amounts import days_around
from services.reconciler.matching.candidates import Candidate, ClassKey, forbidden
from services.reconciler.matching.table import Table, Taken

REFERENCE_POINTS: Final[Mapping[Certainty, int]] = {
    Certainty.EXACT: 60,
    Certainty.CASELESS: 59,
    Certainty.LOOKALIKE: 58,
    Certainty.CUT: 54,
    Certainty.END: 54,
    Certainty.GARBLED: 50,
}
PARTIAL_POINTS: Final = 20
AMOUNT_POINTS: Final = 25
DAY_POINTS: Final = 10
PAYER_POINTS: Final = 5
_FEW: Final = 8


def points_of(line: Line, candidate: Candidate, evidence: Evidence, minor: int, due: int) -> int:
    """The points of a line and a candidate; ``minor`` of ``due`` is what they agree on."""
    return (
        _reference(candidate, evidence)
        + _amount(minor, due)
        + day_points(line, candidate)
        + (PAYER_POINTS if evidence.names.is_payer_named else 0)
    )


def day_points(line: Line, candidate: Candidate) -> int:
    """The points of a day: all of them on the day itself, one less for each day beside it."""
    return max(DAY_POINTS - abs((line.booked_on - candidate.anchor).days), 0)


def _reference(candidate: Candidate, evidence: Evidence) -> int:
    how = evidence.strong.get(candidate.id)
    if how is not None:
        return REFERENCE_POINTS[how]
    return PARTIAL_POINTS if any(candidate.id in owners for owners in evidence.partial) else 0


def _amount(minor: int, due: int) -> int:
    apart = abs(minor - due)
    return AMOUNT_POINTS * max(abs(due) - apart, 0) // max(abs(due), 1) if due else AMOUNT_POINTS


def score_of(table: Table, taken: Taken) -> int:
    """The points of what was taken: those of its weakest share."""
    evidence = table.evidence[taken.line.key]
    named = taken.difference
    minor = taken.line.minor
    due = sum(share.minor for share in taken.shares)
    if named is not None and named.account:
        minor = due
    found = (points_of(taken.line, s.candidate, evidence, minor, due) for s in taken.shares)
    return min(min(found, default=0), 100)


@dataclass(slots=True)
class Others:
    """What else a line might settle by its amount: of candidates alike the first one."""

    table: Table
    # Where many have one amount they are looked through once, by the day a window hangs on.
    _heads: dict[tuple[str, int], dict[date, list[Candidate]]] = field(
        default_factory=dict[tuple[str, int], dict[date, list[Candidate]]]
    )

    def around(self, line: Line) -> Iterable[Candidate]:
        """The first of each group of the line's amount whose window has the line's day."""
        shelf = self.table.shelf
        lying = shelf.of_amount(line.currency, line.minor)
        if len(lying) <= _FEW:
            heads: Iterable[Candidate] = _first_of_each(lying)
        else:
            key = (line.currency, line.minor)
            if key not in self._heads:
                by_day: defaultdict[date, list[Candidate]] = defaultdict(list)
                for head in _first_of_each(lying):
                    by_day[head.anchor].append(head)
                self._heads[key] = dict(by_day)
            days = days_around(line.booked_on, shelf.back, shelf.ahead)
            heads = (head for day in days for head in self._heads[key].get(day, ()))
        return (head for head in heads if head.is_in_window(line))


def _first_of_each(candidates: Iterable[Candidate]) -> Iterator[Candidate]:
    seen: set[tuple[ClassKey, str]] = set()
    for candidate in candidates:
        key = (candidate.class_key, candidate.expected.descriptor)
        if key not in seen:
            seen.add(key)
            yield candidate


def next_best(others: Others, taken: Taken) -> NextBest | None:
    """The best other answer to what the line settles: by its text, or by amount and date."""
    table = others.table
    line, evidence = taken.line, table.evidence[taken.line.key]
    own = {share.candidate.id for share in taken.shares}
    classes = {share.candidate.class_key for share in taken.shares}
    found: dict[str, Candidate] = {
        c.id: c
        for c in _named(table, evidence)
        if c.id not in own and c.expected.currency == line.currency
    }
    for head in others.around(line):
        if head.id not in own and head.class_key not in classes:
            found[head.id] = head
    if not found:
        return None
    ranked = [(points_of(line, c, evidence, line.minor, c.due_minor), c) for c in found.values()]
    points, best = max(ranked, key=lambda each: (each[0], _earliest(each[1])))
    return NextBest((best.id,), min(points, 100), _why_not(table, best, evidence))


def _named(table: Table, evidence: Evidence) -> Iterable[Candidate]:
    owners = {*evidence.strong, *(owner for owners in evidence.partial for owner in owners)}
    return (table.candidates[owner] for owner in sorted(owners) if owner in table.candidates)


def _earliest(candidate: Candidate) -> tuple[int, str]:
    return (-candidate.anchor.toordinal(), candidate.id)


def _why_not(table: Table, other: Candidate, evidence: Evidence) -> str:
    if forbidden(other, evidence):
        return "the line's text speaks against it"
    if other.id in table.settled:
        return "another line settles it"
    return "it fits less well"
