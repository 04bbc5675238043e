"""Lines laid beside what is expected, in strict passes: what settles what, and what cannot be told.

1. A reference and the amount agree.    2. A line names several.    3. A reference alone: parts,
short or over, and what is paid twice.  4. Matches whose window has closed stand.
5. One amount in the window.            6. One combination of amounts in the window.

An item is used once. Later passes see only what is left, and none looks at the order in which the
facts came.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import combinations
from typing import Final

from services.reconciler.candidates import Candidate, candidates_of, clearings_by_hand
from services.reconciler.expectations import Expectation
from services.reconciler.facts import SUSPENSE, Facts, Line
from services.reconciler.mentions import NameIndex, index_of
from services.reconciler.references import Evidence, evidence_of
from shared.contracts.messages import MatchKind, MatchMade
from shared.contracts.observations import LineState

REFERENCE: Final = "reference_and_amount"
REFERENCES: Final = "references_of_several"
REFERENCE_PARTS: Final = "reference_in_parts"
REFERENCE_ONLY: Final = "reference_with_other_amount"
RETURNED: Final = "reference_of_a_returned_payout"
AMOUNT: Final = "amount_and_date"
COMBINATION: Final = "one_combination_of_amounts"

WEAK_RULES: Final = frozenset({AMOUNT, COMBINATION})
# By how much a line may differ from a payout that it names with a cut or garbled reference only.
UNSURE_TOLERANCE: Final = 10
# More parts than this are taken in the order in which they came.
PARTS_MAX: Final = 8


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

    candidates: dict[str, Candidate]
    over: Mapping[str, Expectation]
    lines: list[Line]
    evidence: dict[str, Evidence]
    taken: dict[str, Taken] = field(default_factory=dict[str, Taken])
    unclear: dict[str, Unclear] = field(default_factory=dict[str, Unclear])
    repeated: dict[str, Repeated] = field(default_factory=dict[str, Repeated])
    settled: dict[str, list[Taken]] = field(default_factory=dict[str, list[Taken]])
    # Lines of which a person has cleared a part; the rest is theirs to clear.
    by_hand: dict[str, int] = field(default_factory=dict[str, int])

    def free_lines(self) -> list[Line]:
        """The lines that no pass has dealt with, in the order in which lines are taken."""
        return [
            line
            for line in self.lines
            if line.key not in self.taken
            and line.key not in self.unclear
            and line.key not in self.repeated
        ]

    def is_open(self, candidate_id: str) -> bool:
        """Whether nothing has settled it yet."""
        return candidate_id in self.candidates and candidate_id not in self.settled

    def take(self, line: Line, rule: str, shares: Sequence[Share], *why: str) -> None:
        """Settle: the line and its candidates leave the table."""
        cleared = tuple(share.minor for share in shares)
        if len(shares) == 1:
            cleared = (line.minor,)
        said = (*self.evidence[line.key].said(), *why)
        taken = Taken(line, rule, tuple(shares), said, cleared)
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


def table_of(facts: Facts) -> Table:
    """The posted lines and the open expectations, with the evidence in each line's text."""
    index: NameIndex = index_of(
        sorted(facts.expectations, key=lambda e: e.id), facts.book.payer_names
    )
    by_hand = clearings_by_hand(facts.bookings, SUSPENSE)
    table = Table(
        candidates=candidates_of(facts),
        over={e.id: e for e in facts.expectations if e.stage.is_over},
        lines=[],
        evidence={},
    )
    posted = [li for li in facts.lines if li.state is LineState.POSTED and li.minor]
    posted.sort(key=lambda li: li.place)
    for line in posted:
        table.evidence[line.key] = evidence_of(line, index)
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


def take_by_reference(table: Table) -> None:
    """The passes of strong references: the only ones that look beyond the window."""
    alone, several = _named(table)
    for owner in sorted(alone):
        if candidate := table.candidates.get(owner):
            _take_exact(table, candidate, alone[owner])
        elif owner in table.over:
            _take_returned(table, table.over[owner], alone[owner])
    for line in several:
        _take_several(table, line)
    for owner in sorted(alone):
        if candidate := table.candidates.get(owner):
            _take_parts(table, candidate, alone[owner])


def _named(table: Table) -> tuple[dict[str, list[Line]], list[Line]]:
    """Lines by the one expectation that they name, and the lines that name several."""
    alone: defaultdict[str, list[Line]] = defaultdict(list)
    several: list[Line] = []
    for line in table.free_lines():
        owners = table.evidence[line.key].strong
        if len(owners) == 1:
            alone[next(iter(owners))].append(line)
        elif owners:
            several.append(line)
    return alone, several


def _fitting(candidate: Candidate, lines: Iterable[Line]) -> list[Line]:
    return [
        line
        for line in lines
        if line.currency == candidate.expected.currency
        and (line.minor > 0) == (candidate.due_minor > 0)
    ]


def _take_exact(table: Table, candidate: Candidate, lines: Sequence[Line]) -> None:
    exact = [line for line in _fitting(candidate, lines) if line.minor == candidate.due_minor]
    if exact:
        first = min(exact, key=lambda li: (not table.evidence[li.key].is_whole, li.place))
        table.take(first, REFERENCE, [Share(candidate, first.minor)], "the amount agrees")


def _take_returned(table: Table, expected: Expectation, lines: Sequence[Line]) -> None:
    """A payout that came and went back: its lines cancel out, or they stay in suspense."""
    own = [line for line in lines if line.currency == expected.currency]
    if not own or sum(line.minor for line in own) != 0:
        return
    candidate = Candidate(
        expected=expected,
        due_minor=0,
        bank_account="",
        anchor=expected.arrival,
        first=own[0].booked_on,
        last=own[-1].booked_on,
        closed_at=expected.created,
        booked_at=expected.created,
        traces=(),
    )
    for line in own:
        table.take(line, RETURNED, [Share(candidate, line.minor)], "it came and went back")


def _take_several(table: Table, line: Line) -> None:
    owners = sorted(table.evidence[line.key].strong)
    named = [table.candidates[o] for o in owners if o in table.candidates]
    for some in (named, [c for c in named if table.is_open(c.id)]):
        if (
            some
            and all(table.is_open(c.id) for c in some)
            and all(_fitting(c, [line]) for c in some)
            and sum(c.due_minor for c in some) == line.minor
        ):
            shares = [Share(c, c.due_minor) for c in some]
            table.take(line, REFERENCES, shares, "the amounts add up to the line")
            return
    fitting = [c for c in named if _fitting(c, [line]) and not table.is_open(c.id)]
    if fitting and sum(c.due_minor for c in fitting) == line.minor:
        table.repeated[line.key] = Repeated(line, fitting[0])
    elif named:
        table.doubt(line, named, "it names several, and their amounts do not add up to the line")


def _take_parts(table: Table, candidate: Candidate, named: Sequence[Line]) -> None:
    """What names one expectation and is not its exact amount: parts, short, over, or repeated."""
    lines = [
        line
        for line in _fitting(candidate, named)
        if line.key not in table.taken and line.key not in table.unclear
    ]
    if not table.is_open(candidate.id):
        for line in lines:
            table.repeated[line.key] = Repeated(line, candidate)
        return
    sure = [line for line in lines if _may_differ(table, candidate, line, lines)]
    for line in lines:
        if line not in sure:
            why = "its reference is not whole, or names more, and the amount differs"
            table.doubt(line, [candidate], why)
    parts = _parts(candidate, sure)
    for line in sure:
        if line not in parts:
            table.repeated[line.key] = Repeated(line, candidate)
    _settle_parts(table, candidate, parts)


def _may_differ(table: Table, candidate: Candidate, line: Line, lines: Sequence[Line]) -> bool:
    """Whether the reference is good enough to match though the amount differs."""
    evidence = table.evidence[line.key]
    if evidence.foreign or evidence.partial:
        return False
    if evidence.is_whole or sum(li.minor for li in lines) == candidate.due_minor:
        return True
    apart = abs(line.minor - candidate.due_minor)
    return apart * UNSURE_TOLERANCE <= abs(candidate.due_minor)


def _parts(candidate: Candidate, lines: Sequence[Line]) -> list[Line]:
    """The lines that pay it, up to its amount; one that passes it is a part unless repeated.

    Lines that add up to it go before lines that merely came first.
    """
    parts: list[Line] = []
    paid = 0
    for line in lines:
        if paid and abs(paid) >= abs(candidate.due_minor):
            break
        passes = abs(paid + line.minor) > abs(candidate.due_minor)
        if passes and any(line.minor == part.minor for part in parts):
            continue
        parts.append(line)
        paid += line.minor
    if paid == candidate.due_minor or len(lines) > PARTS_MAX:
        return parts
    some = (c for n in range(2, len(lines) + 1) for c in combinations(lines, n))
    exact = (c for c in some if sum(line.minor for line in c) == candidate.due_minor)
    return list(next(exact, parts))


def _settle_parts(table: Table, candidate: Candidate, parts: Sequence[Line]) -> None:
    whole = sum(line.minor for line in parts) == candidate.due_minor
    left = candidate.due_minor
    for i, line in enumerate(parts):
        share = left if i == len(parts) - 1 else line.minor
        left -= share
        rule = REFERENCE_PARTS if whole else REFERENCE_ONLY
        why = "the parts add up" if whole else "the amount differs"
        table.take(line, rule, [Share(candidate, share)], why)


def keep_closed(table: Table, standing: Iterable[MatchMade], *, at: datetime) -> None:
    """Matches by amount whose window has closed stand, unless a reference has said otherwise."""
    lines = {line.key: line for line in table.free_lines()}
    for made in sorted(standing, key=lambda m: m.id):
        if made.match_kind is not MatchKind.BANK_LINE or made.rule not in WEAK_RULES:
            continue
        line = None if made.line is None else lines.get(f"line:{made.line.account}/{made.line.id}")
        if line is None or line.key in table.taken or table.evidence[line.key].strong:
            continue
        settled = [table.candidates.get(s.object) for s in made.settles]
        candidates = [c for c in settled if c is not None and table.is_open(c.id)]
        if (
            len(candidates) == len(made.settles)
            and all(c.closed_at <= at for c in candidates)
            and all(c.expected.currency == line.currency for c in candidates)
            and sum(c.due_minor for c in candidates) == line.minor
        ):
            shares = [Share(c, c.due_minor) for c in candidates]
            table.take(line, made.rule, shares, "its window has closed")
