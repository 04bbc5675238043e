"""The passes of sums: payouts that add up to one line, and lines that add up to one payout.

With enough amounts some sum gives almost anything, so a sum that is found proves nothing by itself:
it is taken where a bounded search shows that it is the only one, where there are too few sums for
one to fit by accident, and where nothing else needs any of its parts.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from itertools import combinations, islice, product
from math import comb
from typing import Final

from services.reconciler.facts.kinds import Line
from services.reconciler.matching.amounts import days_around
from services.reconciler.matching.candidates import Candidate, ClassKey, forbidden
from services.reconciler.matching.shelf import size_of
from services.reconciler.matching.table import COMBINATION, PARTS, Share, Table

_TOO_MANY: Final = "more payouts than {} in its window could be a part of it"
_TOO_MANY_LINES: Final = "more than {} lines in one window could be parts of a payout"
_ACCIDENT: Final = "so many sums of payouts are there that one would fit by accident"


def take_combinations(table: Table) -> None:
    """Lines that exactly one combination of open candidates adds up to.

    Two lines that would need one candidate are both left to a person.
    """
    doubted = {c for unclear in table.unclear.values() for c in unclear.candidates}
    bounds = table.rules.combination
    days = _Days(table)
    found: dict[str, list[tuple[Candidate, ...]]] = {}
    lines = [line for line in table.free_lines() if _may_combine(table, line)]
    for line in lines:
        around = days.around(line)
        if around is None:
            table.unsolved[line.key] = _TOO_MANY.format(bounds.payouts_max)
            continue
        answers = _answers(table, line, around)
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
    """The smallest open candidates around a day, so many that one more would be too many."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._payouts_max = table.rules.combination.payouts_max
        self._around: dict[tuple[str, bool, str, date], tuple[list[int], list[Candidate]]] = {}

    def around(self, line: Line) -> list[Candidate] | None:
        """The candidates below the line's amount in its window; ``None`` if they are too many."""
        key = (line.currency, line.minor > 0, line.account, line.booked_on)
        known = self._around.get(key)
        if known is None:
            found = sorted(self._smallest(line), key=size_of)[: self._payouts_max + 1]
            known = self._around[key] = ([abs(c.due_minor) for c in found], found)
        amounts, found = known
        below = bisect_left(amounts, abs(line.minor))
        return found[:below] if below <= self._payouts_max else None

    def _smallest(self, line: Line) -> Iterator[Candidate]:
        """Of each day the smallest ones in the line's window."""
        table = self._table
        for day in days_around(line.booked_on, table.shelf.back, table.shelf.ahead):
            lying = table.shelf.of_day(line.currency, line.minor > 0, day)
            open_ones = (c for c in lying if table.is_open(c.id) and c.is_in_window(line))
            yield from islice(open_ones, self._payouts_max + 1)


def _bound(table: Table, line: Line) -> int:
    bounds = table.rules.combination
    is_named = table.evidence[line.key].names.is_payer_named
    return bounds.accident_named if is_named else bounds.accident_unnamed


def _answers(
    table: Table, line: Line, candidates: Sequence[Candidate]
) -> list[tuple[Candidate, ...]]:
    """Up to two different combinations, interchangeable candidates counted as one, oldest first."""
    evidence = table.evidence[line.key]
    allowed = [c for c in candidates if not forbidden(c, evidence)]
    if len(allowed) < 2 or sum(c.due_minor for c in allowed) * line.minor < line.minor**2:
        return []
    if 2 ** len(allowed) * _bound(table, line) > abs(sum(c.due_minor for c in allowed)):
        table.unsolved[line.key] = _ACCIDENT
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


def take_parts(table: Table) -> None:
    """Lines that add up to one payout, if no others do and no other payout needs any of them.

    A stranger's lines add up to something as well, so each of them has to name the payer.
    """
    doubted = {c for unclear in table.unclear.values() for c in unclear.candidates}
    lines = _Named(table)
    found: dict[str, list[tuple[Line, ...]]] = {}
    for candidate in lines.met_by(table):
        if table.is_open(candidate.id) and candidate.id not in doubted:
            answers = _sets(table, candidate, lines.around(candidate))
            if answers:
                found[candidate.id] = answers
    wanted: defaultdict[str, set[str]] = defaultdict(set)
    for owner, answers in found.items():
        for line in (line for answer in answers for line in answer):
            wanted[line.key].add(owner)
    by_key = {line.key: line for answers in found.values() for a in answers for line in a}
    unsure = {
        owner
        for owner, answers in found.items()
        if len(answers) > 1 or any(len(wanted[line.key]) > 1 for line in answers[0])
    }
    for owner in sorted(found.keys() - unsure):
        candidate = table.candidates[owner]
        for line in found[owner][0]:
            why = "the only lines that add up to it"
            table.take(line, PARTS, [Share(candidate, line.minor)], why)
    for key in sorted(by_key):
        if wanted[key] & unsure and key not in table.taken:
            candidates = [table.candidates[owner] for owner in sorted(wanted[key])]
            table.doubt(
                by_key[key], candidates, "several sets of lines add up to what it may be of"
            )


class _Named:
    """Free lines that name the payer, by day, and those of each window, smallest amount first."""

    def __init__(self, table: Table) -> None:
        self._lines_max = table.rules.combination.lines_max
        self._unsolved = table.unsolved
        self._by_day: defaultdict[tuple[str, bool, date], list[Line]] = defaultdict(list)
        for line in table.free_lines():
            names = table.evidence[line.key].names
            if _may_combine(table, line) and names.is_payer_named and not names.others:
                self._by_day[line.currency, line.minor > 0, line.booked_on].append(line)
        self._windows: dict[tuple[str, bool, date, date], dict[str, list[Line]]] = {}

    def met_by(self, table: Table) -> Sequence[Candidate]:
        """The candidates with some of these lines in their window, the first to be taken first."""
        shelf = table.shelf
        days = {
            (currency, is_credit, day)
            for currency, is_credit, on in self._by_day
            for day in days_around(on, shelf.back, shelf.ahead)
        }
        found = [c for key in days for c in shelf.of_day(*key)]
        return sorted(found, key=lambda c: c.place)

    def around(self, candidate: Candidate) -> list[list[Line]]:
        """The lines below its amount in its window, by bank account; of too many none."""
        accounts = self._window(candidate)
        named = candidate.bank_account
        found: list[list[Line]] = []
        for account, lines in accounts.items():
            below = bisect_left(lines, abs(candidate.due_minor), key=lambda li: abs(li.minor))
            if account == (named or account) and 2 <= below <= self._lines_max:
                found.append(lines[:below])
        return found

    def _window(self, candidate: Candidate) -> dict[str, list[Line]]:
        currency, is_credit = candidate.expected.currency, candidate.due_minor > 0
        key = (currency, is_credit, candidate.first, candidate.last)
        if key not in self._windows:
            days = days_around(candidate.first, 0, (candidate.last - candidate.first).days)
            lines = (
                line for day in days for line in self._by_day.get((currency, is_credit, day), ())
            )
            found: defaultdict[str, list[Line]] = defaultdict(list)
            for line in sorted(lines, key=lambda li: (abs(li.minor), li.place)):
                found[line.account].append(line)
            for line in (li for own in found.values() if len(own) > self._lines_max for li in own):
                self._unsolved.setdefault(line.key, _TOO_MANY_LINES.format(self._lines_max))
            self._windows[key] = dict(sorted(found.items()))
        return self._windows[key]


def _sets(
    table: Table, candidate: Candidate, windows: Sequence[Sequence[Line]]
) -> list[tuple[Line, ...]]:
    """Up to two different sets of lines of one account that add up to a candidate."""
    bounds = table.rules.combination
    answers: list[tuple[Line, ...]] = []
    for lines in windows:
        own = [line for line in lines if not forbidden(candidate, table.evidence[line.key])]
        if abs(sum(line.minor for line in own)) < abs(candidate.due_minor):
            continue
        sizes = range(2, min(bounds.parts_max, len(own)) + 1)
        sums = sum(comb(len(own), size) for size in sizes)
        if sums * bounds.accident_named > abs(candidate.due_minor):
            why = f"so many lines could be parts of {candidate.id} that some add up to it"
            for line in own:
                table.unsolved.setdefault(line.key, why)
            continue
        answers += islice(_adding_up(own, sizes, candidate.due_minor), 2 - len(answers))
    return answers


def _adding_up(
    lines: Sequence[Line], sizes: Iterable[int], target: int
) -> Iterator[tuple[Line, ...]]:
    """The sets of these sizes that add up, the last line of each looked up by what is left."""
    places: defaultdict[int, list[int]] = defaultdict(list)
    for n, line in enumerate(lines):
        places[line.minor].append(n)
    for size in sizes:
        for some in combinations(range(len(lines)), size - 1):
            left = target - sum(lines[n].minor for n in some)
            for last in places.get(left, ()):
                if last > some[-1]:
                    yield tuple(lines[n] for n in (*some, last))
