"""The passes without a reference: one amount, or one combination of amounts, in the window.

Of candidates that nothing tells apart the oldest is taken. Every other choice is left to a person.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import product
from typing import Final

from services.reconciler.candidates import (
    LOOK_AHEAD,
    LOOK_BACK,
    TRACE_SHARED,
    Candidate,
    ClassKey,
    forbidden,
)
from services.reconciler.facts import Line
from services.reconciler.matching import AMOUNT, COMBINATION, Share, Table
from services.reconciler.rivals import Claim, Rivalry

# A combination of many proves nothing: with 20 amounts some combination gives almost any sum.
COMBINED_MAX: Final = 16
# The combinations there are, held against the sum: how likely one of them fits by accident.
ACCIDENT_UNNAMED: Final = 200
ACCIDENT_NAMED: Final = 20

GroupKey = tuple[ClassKey, str]


@dataclass(slots=True)
class _Pool:
    """Open candidates by amount and date, in groups in which a text can forbid all or none."""

    groups: dict[GroupKey, list[Candidate]]
    by_amount: dict[tuple[str, int, date], list[GroupKey]]
    left: dict[ClassKey, int]
    # How many undecided lines may have settled one of a class, and which ones by their text.
    contested: defaultdict[ClassKey, int] = field(default_factory=lambda: defaultdict(int))
    claimed: set[str] = field(default_factory=set[str])

    def heads(self, table: Table, line: Line) -> list[Candidate]:
        """The first candidate of each group that the line may settle."""
        evidence = table.evidence[line.key]
        if evidence.foreign or evidence.strong:
            return []
        heads: list[Candidate] = []
        for day in _days_around(line):
            for key in self.by_amount.get((line.currency, line.minor, day), ()):
                head = self._head(table, key, line)
                if head is not None:
                    heads.append(head)
        return heads

    def _head(self, table: Table, key: GroupKey, line: Line) -> Candidate | None:
        group = self.groups[key]
        while group and not table.is_open(group[0].id):
            group.pop(0)
        evidence = table.evidence[line.key]
        if not group or not group[0].is_in_window(line):
            return None
        if evidence.names.forbids(group[0].expected.descriptor):
            return None
        return next((c for c in group if table.is_open(c.id) and not forbidden(c, evidence)), None)


def _days_around(line: Line) -> Iterator[date]:
    """The dates that a window which has the line's day in it may hang on."""
    first = max(line.booked_on.toordinal() - LOOK_BACK.days, date.min.toordinal())
    last = min(line.booked_on.toordinal() + LOOK_AHEAD.days, date.max.toordinal())
    return (date.fromordinal(day) for day in range(first, last + 1))


def take_by_amount(table: Table) -> None:
    """Lines whose amount fits one open candidate, or interchangeable ones, in the window.

    Lines whose text tells candidates apart choose first, then those that name the payer. A
    candidate that an earlier line left undecided may have settled is no sure answer for a later
    one either, and none of which another line may as well be the one is a sure answer at all.
    """
    pool = _pool(c for c in table.candidates.values() if table.is_open(c.id))
    seats = dict(pool.left)
    telling = _telling(table)
    lines = sorted(
        table.free_lines(), key=lambda li: (li.key not in telling, _rank(table, li), li.place)
    )
    wanted = {line.key: found for line in lines if (found := pool.heads(table, line))}
    for line in lines:
        heads = pool.heads(table, line)
        if not heads:
            continue
        classes = {head.class_key for head in heads}
        (key, *others) = sorted(classes)
        chosen = min(heads, key=lambda c: c.place)
        is_free = pool.left[key] > pool.contested[key] and chosen.id not in pool.claimed
        if not others and is_free:
            why = f"the only one of this amount in the window around {chosen.anchor}"
            if pool.left[key] > 1:
                why = f"one of {pool.left[key]} that nothing tells apart, the oldest"
            table.take(line, AMOUNT, [Share(chosen, chosen.due_minor)], why)
            pool.left[key] -= 1
            continue
        reason = "several fit and are not interchangeable"
        if not others:
            reason = "another line may have settled the one that fits"
        table.doubt(line, heads, reason)
        for other in classes:
            pool.contested[other] += 1
        if line.key in telling:
            pool.claimed |= {head.id for head in heads}
    _doubt_rivals(table, lines, wanted, seats)


def _rank(table: Table, line: Line) -> int:
    """How much a line's text says for an amount: a part of a reference, a payer's name, nothing."""
    evidence = table.evidence[line.key]
    if evidence.partial:
        return 0
    return 1 if evidence.names.is_payer_named or evidence.names.others else 2


def _doubt_rivals(
    table: Table,
    lines: Sequence[Line],
    wanted: Mapping[str, Sequence[Candidate]],
    seats: Mapping[ClassKey, int],
) -> None:
    """Give back what a line without an answer may as well have settled, and leave it to a person.

    Lines left in doubt take what is still free first, so that they push nobody without need.
    """
    rivalry: Rivalry[ClassKey] = Rivalry(seats)
    claims = {
        line.key: _claim(table, line, wanted[line.key]) for line in lines if line.key in wanted
    }
    for key, claim in claims.items():
        if key in table.taken:
            rivalry.sit(claim, table.taken[key].shares[0].candidate.class_key)
    others = [claim for key, claim in claims.items() if key not in table.taken]
    strangers = [claim for claim in others if not rivalry.find_seat(claim)]
    pushed_by = rivalry.pushed_by(strangers)
    in_doubt = {key for key, pushed in pushed_by.items() if pushed}
    in_doubt |= {key for pushed in set(pushed_by.values()) for key in pushed}
    for line in lines:
        if line.key not in in_doubt or line.key in table.unclear:
            continue
        fits = {c.id: c for c in wanted[line.key]}
        if line.key in table.taken:
            fits |= {s.candidate.id: s.candidate for s in table.taken[line.key].shares}
            table.give_back(line)
        table.doubt(line, fits.values(), "another line may as well have settled it")


def _claim(table: Table, line: Line, heads: Iterable[Candidate]) -> Claim[ClassKey]:
    fits = tuple(sorted({head.class_key for head in heads}))
    return Claim(line.key, _rank(table, line), line.account, line.booked_on, fits)


def _telling(table: Table) -> set[str]:
    """The lines whose text may tell apart what is otherwise interchangeable."""
    traces = {t[:TRACE_SHARED] for c in table.candidates.values() for t in c.traces}
    return {
        line.key
        for line in table.free_lines()
        if (evidence := table.evidence[line.key]).partial
        or evidence.names.others
        or any(number[:TRACE_SHARED] in traces for number in evidence.numbers)
    }


def _pool(candidates: Iterable[Candidate]) -> _Pool:
    groups: defaultdict[GroupKey, list[Candidate]] = defaultdict(list)
    left: defaultdict[ClassKey, int] = defaultdict(int)
    for candidate in sorted(candidates, key=lambda c: c.place):
        groups[candidate.class_key, candidate.expected.descriptor].append(candidate)
        left[candidate.class_key] += 1
    by_amount: defaultdict[tuple[str, int, date], list[GroupKey]] = defaultdict(list)
    for key, group in groups.items():
        head = group[0]
        by_amount[head.expected.currency, head.due_minor, head.anchor].append(key)
    return _Pool(dict(groups), dict(by_amount), dict(left))


def take_combinations(table: Table) -> None:
    """Lines that exactly one combination of open candidates adds up to.

    Two lines that would need one candidate are both left to a person.
    """
    doubted = {c for unclear in table.unclear.values() for c in unclear.candidates}
    days = _Days([c for c in table.candidates.values() if table.is_open(c.id)])
    found: dict[str, list[tuple[Candidate, ...]]] = {}
    lines = [line for line in table.free_lines() if _may_combine(table, line)]
    for line in lines:
        answers = _answers(table, line, days.around(line))
        if answers:
            found[line.key] = answers
    wanted: defaultdict[str, int] = defaultdict(int)
    for answers in found.values():
        for candidate_id in {c.id for answer in answers for c in answer}:
            wanted[candidate_id] += 1
    for line in lines:
        if line.key not in found:
            continue
        answers = found[line.key]
        used = {c.id: c for answer in answers for c in answer}
        if len(answers) > 1:
            table.doubt(line, used.values(), "several combinations add up to it")
        elif any(wanted[c] > 1 or c in doubted for c in used):
            table.doubt(line, used.values(), "another line may have settled one of these")
        else:
            shares = [Share(c, c.due_minor) for c in answers[0]]
            table.take(line, COMBINATION, shares, "the only combination that adds up")


def _may_combine(table: Table, line: Line) -> bool:
    evidence = table.evidence[line.key]
    return not (evidence.strong or evidence.foreign or evidence.partial)


class _Days:
    """Open candidates by day, bank account, currency and direction, smallest amount first."""

    def __init__(self, candidates: Iterable[Candidate]) -> None:
        self._by_day: defaultdict[date, list[Candidate]] = defaultdict(list)
        for c in candidates:
            self._by_day[c.anchor].append(c)
        self._around: dict[tuple[str, bool, str, date], tuple[list[int], list[Candidate]]] = {}

    def around(self, line: Line) -> list[Candidate]:
        """The candidates below the line's amount in its window, or none where they are too many."""
        key = (line.currency, line.minor > 0, line.account, line.booked_on)
        if key not in self._around:
            near = (c for day in _days_around(line) for c in self._by_day.get(day, ()))
            fitting = sorted(
                (c for c in near if c.is_in_window(line)),
                key=lambda c: (abs(c.due_minor), c.place),
            )
            self._around[key] = ([abs(c.due_minor) for c in fitting], fitting)
        amounts, fitting = self._around[key]
        below = bisect_left(amounts, abs(line.minor))
        return fitting[:below] if below <= COMBINED_MAX else []


def _answers(
    table: Table, line: Line, candidates: Sequence[Candidate]
) -> list[tuple[Candidate, ...]]:
    """Up to two different combinations, interchangeable candidates counted as one, oldest first."""
    evidence = table.evidence[line.key]
    allowed = [c for c in candidates if not forbidden(c, evidence)]
    if len(allowed) < 2 or sum(c.due_minor for c in allowed) * line.minor < line.minor**2:
        return []
    bound = ACCIDENT_NAMED if evidence.names.is_payer_named else ACCIDENT_UNNAMED
    if 2 ** len(allowed) * bound > abs(sum(c.due_minor for c in allowed)):
        return []
    classes: defaultdict[ClassKey, list[Candidate]] = defaultdict(list)
    for candidate in sorted(allowed, key=lambda c: c.place):
        classes[candidate.class_key].append(candidate)
    return _combinations([classes[key] for key in sorted(classes)], line.minor)


def _combinations(
    classes: Sequence[Sequence[Candidate]], target: int
) -> list[tuple[Candidate, ...]]:
    """Up to two ways to reach the target, by meeting in the middle."""
    half = len(classes) // 2
    left, right = classes[:half], classes[half:]
    by_sum: defaultdict[int, list[tuple[int, ...]]] = defaultdict(list)
    for counts in product(*(range(len(group) + 1) for group in left)):
        by_sum[_sum(left, counts)].append(counts)
    answers: list[tuple[Candidate, ...]] = []
    for counts in product(*(range(len(group) + 1) for group in right)):
        for other in by_sum.get(target - _sum(right, counts), ()):
            pairs = zip(classes, (*other, *counts), strict=True)
            answers.append(tuple(c for group, count in pairs for c in group[:count]))
            if len(answers) > 1:
                return answers
    return answers


def _sum(classes: Sequence[Sequence[Candidate]], counts: Sequence[int]) -> int:
    return sum(group[0].due_minor * count for group, count in zip(classes, counts, strict=True))
