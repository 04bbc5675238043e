"""Lines laid beside what is expected: the table on which the passes settle one with the other.

The passes run in one strict order (``passes.py``). An item is used once, later passes see only
what is left, and none looks at the order in which the facts came.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from services.reconciler.evidence.references import Evidence
from services.reconciler.facts.kinds import SUSPENSE, Line
from services.reconciler.facts.known import Facts
from services.reconciler.findings.found import Difference
from services.reconciler.matching.candidates import Candidate, clearings_by_hand
from services.reconciler.matching.readings import Readings, evidence_in
from services.reconciler.matching.shelf import Shelf, shelf_of
from services.reconciler.rules.expectations import Expectation
from services.reconciler.rules.matching_rules import MatchingRules
from shared.contracts.messages import MatchKind, MatchMade
from shared.contracts.observations import LineState

REFERENCE: Final = "reference_and_amount"
REFERENCES: Final = "references_of_several"
REFERENCE_PARTS: Final = "reference_in_parts"
REFERENCE_ONLY: Final = "reference_with_other_amount"
RETURNED: Final = "reference_of_a_returned_payout"
REFERENCE_WITHIN: Final = "reference_within_tolerance"
AMOUNT: Final = "amount_and_date"
ASSIGNMENT: Final = "best_assignment"
COMBINATION: Final = "one_combination_of_amounts"
PARTS: Final = "one_set_of_parts"
WITHIN: Final = "amount_within_tolerance"

WEAK_RULES: Final = frozenset({AMOUNT, ASSIGNMENT, COMBINATION, PARTS, WITHIN})
SHORT: Final = "short"
OVER: Final = "over"


@dataclass(frozen=True, slots=True)
class Share:
    """A line's share of what it settles, as the bank signs it."""

    candidate: Candidate
    minor: int


@dataclass(frozen=True, slots=True)
class Taken:
    """A line and what it settles."""

    line: Line
    rule: str
    shares: tuple[Share, ...]
    evidence: tuple[str, ...]
    # What is cleared of each, where it differs from the share: a mismatch stays in transit.
    cleared: tuple[int, ...]
    difference: Difference | None = None


@dataclass(frozen=True, slots=True)
class Unclear:
    """A line with two or more answers that are not interchangeable, the likelier first."""

    line: Line
    candidates: tuple[str, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class Repeated:
    """A line that names what another line has settled already."""

    line: Line
    candidate: Candidate


@dataclass(slots=True)
class Table:
    """What lies on the table while the passes run."""

    shelf: Shelf
    candidates: Mapping[str, Candidate]
    over: Mapping[str, Expectation]
    lines: list[Line]
    evidence: dict[str, Evidence]
    rules: MatchingRules
    taken: dict[str, Taken] = field(default_factory=dict[str, Taken])
    unclear: dict[str, Unclear] = field(default_factory=dict[str, Unclear])
    repeated: dict[str, Repeated] = field(default_factory=dict[str, Repeated])
    settled: dict[str, list[Taken]] = field(default_factory=dict[str, list[Taken]])
    # Lines of which a person has cleared a part; the rest is theirs to clear.
    by_hand: dict[str, int] = field(default_factory=dict[str, int])
    # Why no pass could say anything of a line that something might have settled.
    unsolved: dict[str, str] = field(default_factory=dict[str, str])

    def free_lines(self) -> list[Line]:
        """The lines that no pass has dealt with, in the order in which lines are taken."""
        return [
            line
            for line in self.lines
            if (key := line.key) not in self.taken
            and key not in self.unclear
            and key not in self.repeated
        ]

    def is_open(self, candidate_id: str) -> bool:
        """Whether nothing has settled it yet."""
        return candidate_id in self.candidates and candidate_id not in self.settled

    def take(
        self,
        line: Line,
        rule: str,
        shares: Sequence[Share],
        *why: str,
        difference: Difference | None = None,
    ) -> None:
        """Settle: the line and its candidates leave the table.

        A difference that is posted by its name clears its candidate whole; any other stays open.
        """
        cleared = tuple(share.minor for share in shares)
        if len(shares) == 1 and (difference is None or not difference.account):
            cleared = (line.minor,)
        said = (*self.evidence[line.key].said(), *why)
        taken = Taken(line, rule, tuple(shares), said, cleared, difference)
        self.taken[line.key] = taken
        for share in shares:
            self.settled.setdefault(share.candidate.id, []).append(taken)

    def give_back(self, line: Line) -> None:
        """Take back what the line settles: both sides lie on the table again."""
        taken = self.taken.pop(line.key)
        for share in taken.shares:
            left = [other for other in self.settled[share.candidate.id] if other is not taken]
            if left:
                self.settled[share.candidate.id] = left
            else:
                del self.settled[share.candidate.id]

    def doubt(self, line: Line, candidates: Iterable[Candidate], reason: str) -> None:
        """Say that it cannot be told what the line settles."""
        ranked = sorted(
            candidates,
            key=lambda c: (abs((line.booked_on - c.expected.arrival).days), c.place),
        )
        self.unclear[line.key] = Unclear(line, tuple(c.id for c in ranked), reason)


def table_of(facts: Facts, readings: Readings | None = None) -> Table:
    """The posted lines and the open expectations, with the evidence in each line's text."""
    by_hand = clearings_by_hand(facts.bookings, SUSPENSE)
    posted = [li for li in facts.lines if li.state is LineState.POSTED and li.minor]
    posted.sort(key=lambda li: li.place)
    read = evidence_in if readings is None else readings.evidence
    shelf = shelf_of(facts) if readings is None else readings.shelf_of(facts)
    table = Table(
        shelf=shelf,
        candidates=shelf.candidates,
        over=shelf.over,
        lines=[],
        evidence=read(facts, posted),
        rules=facts.rules,
    )
    namesakes: defaultdict[tuple[str, str], list[Line]] = defaultdict(list)
    for line in sorted(posted, key=lambda li: (bool(table.evidence[li.key].strong), li.place)):
        namesakes[line.id, line.currency].append(line)
    for key in by_hand.keys() & namesakes.keys():
        for line, cleared in zip(
            namesakes[key], _cleared(namesakes[key], by_hand[key]), strict=True
        ):
            if cleared:
                table.by_hand[line.key] = line.minor - cleared
    table.lines += (line for line in posted if line.key not in table.by_hand)
    return table


def _cleared(lines: Sequence[Line], amounts: Iterable[int]) -> list[int]:
    """What people have cleared of each line.

    Suspense is keyed by a line's id, which two banks may both have given. Then an amount is of
    the line that it clears whole, or takes back one cleared before, or is a part of a line; the
    other lines stay as they are.
    """
    shares = [0] * len(lines)
    for minor in sorted(amounts):
        left = [line.minor - share for line, share in zip(lines, shares, strict=True)]
        fits = (
            next((i for i, rest in enumerate(left) if rest == minor), None),
            next((i for i, share in enumerate(shares) if share == -minor), None),
            next((i for i, rest in enumerate(left) if 0 < minor < rest or rest < minor < 0), None),
        )
        shares[next((i for i in fits if i is not None), 0)] += minor
    return shares


def keep_closed(table: Table, standing: Iterable[MatchMade], *, at: datetime) -> None:
    """Matches by amount whose window has closed stand, unless a reference has said otherwise."""
    lines = {line.key: line for line in table.free_lines()}
    parts: defaultdict[str, list[tuple[Line, MatchMade]]] = defaultdict(list)
    for made in sorted(standing, key=lambda m: m.id):
        if made.match_kind is not MatchKind.BANK_LINE or made.rule not in WEAK_RULES:
            continue
        line = None if made.line is None else lines.get(f"line:{made.line.account}/{made.line.id}")
        if line is None or line.key in table.taken or table.evidence[line.key].strong:
            continue
        if made.rule == PARTS:
            parts[made.settles[0].object].append((line, made))
            continue
        settled = [table.candidates.get(s.object) for s in made.settles]
        candidates = [c for c in settled if c is not None and _is_closed(table, c, line, at)]
        if len(candidates) == len(made.settles):
            _stand(table, line, made, candidates)
    for owner, told in sorted(parts.items()):
        candidate = table.candidates.get(owner)
        if candidate is not None and all(
            _is_closed(table, candidate, line, at) for line, _ in told
        ):
            _stand_in_parts(table, candidate, told)


def _is_closed(table: Table, candidate: Candidate, line: Line, at: datetime) -> bool:
    return (
        table.is_open(candidate.id)
        and candidate.closed_at <= at
        and candidate.expected.currency == line.currency
    )


def _stand(table: Table, line: Line, made: MatchMade, candidates: Sequence[Candidate]) -> None:
    told, named = made.difference, None
    if told is not None:
        named = Difference(told.name, told.amount.money().minor, told.account)
    off = 0 if named is None else named.minor
    if sum(c.due_minor for c in candidates) + off == line.minor:
        shares = [Share(c, c.due_minor) for c in candidates]
        table.take(line, made.rule, shares, "its window has closed", difference=named)


def _stand_in_parts(
    table: Table, candidate: Candidate, told: Sequence[tuple[Line, MatchMade]]
) -> None:
    """Parts stand together or not at all."""
    if sum(line.minor for line, _ in told) == candidate.due_minor:
        for line, made in told:
            table.take(line, made.rule, [Share(candidate, line.minor)], "its window has closed")
