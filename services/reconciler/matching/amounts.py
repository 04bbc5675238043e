"""The pass of one amount: a line without a reference and the only thing that it can settle.

Of candidates that nothing tells apart the oldest is taken. Every other choice is left to the
passes behind, or to a person.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from types import MappingProxyType
from typing import Final

from services.reconciler.facts.kinds import Line
from services.reconciler.matching.candidates import TRACE_SHARED, Candidate, ClassKey, forbidden
from services.reconciler.matching.rivals import Claim, Rivalry
from services.reconciler.matching.table import AMOUNT, Share, Table

SEVERAL_FIT: Final = "several fit and are not interchangeable"
TAKEN_MAYBE: Final = "another line may have settled the one that fits"
RIVALLED: Final = "another line may as well have settled it"

_FEW: Final = 8

GroupKey = tuple[ClassKey, str]
_NO_DAYS: Final[Mapping[date, Sequence[GroupKey]]] = MappingProxyType({})


@dataclass(slots=True)
class Pool:
    """Candidates that are open, by amount and date, in groups in which a text forbids all or none.

    What lies there of an amount is looked at when the first line of that amount asks: what is
    taken before that is not in it.
    """

    table: Table
    groups: dict[GroupKey, list[Candidate]] = field(default_factory=dict[GroupKey, list[Candidate]])
    left: dict[ClassKey, int] = field(default_factory=dict[ClassKey, int])
    # How many undecided lines may have settled one of a class, and which ones by their text.
    contested: defaultdict[ClassKey, int] = field(default_factory=lambda: defaultdict(int))
    claimed: set[str] = field(default_factory=set[str])
    # The groups of each amount by the day that their windows hang on, the first day first.
    _days: dict[tuple[str, int], dict[date, list[GroupKey]]] = field(
        default_factory=dict[tuple[str, int], dict[date, list[GroupKey]]]
    )

    def heads(self, line: Line) -> list[Candidate]:
        """The first candidate of each group that the line may settle."""
        evidence = self.table.evidence[line.key]
        if evidence.foreign or evidence.strong:
            return []
        heads = (self._head(key, line) for key in self.around(line))
        return [head for head in heads if head is not None]

    def around(self, line: Line) -> Iterator[GroupKey]:
        """The groups of the line's amount whose windows may have the line's day in them."""
        days = self._days_of(line.currency, line.minor)
        on, back, ahead = line.booked_on, self.table.shelf.back, self.table.shelf.ahead
        near: Iterable[date]
        if len(days) <= _FEW:
            near = (day for day in days if -ahead <= (on - day).days <= back)
        else:
            near = days_around(on, back, ahead)
        for day in near:
            yield from days.get(day, ())

    def _days_of(self, currency: str, minor: int) -> Mapping[date, Sequence[GroupKey]]:
        known = self._days.get((currency, minor))
        if known is not None:
            return known
        lying = self.table.shelf.of_amount(currency, minor)
        if not lying:
            return _NO_DAYS
        by_day: defaultdict[date, list[GroupKey]] = defaultdict(list)
        for candidate in lying:
            if not self.table.is_open(candidate.id):
                continue
            key = (candidate.class_key, candidate.expected.descriptor)
            group = self.groups.get(key)
            if group is None:
                group = self.groups[key] = []
                by_day[candidate.anchor].append(key)
            group.append(candidate)
            self.left[key[0]] = self.left.get(key[0], 0) + 1
        found = self._days[currency, minor] = dict(sorted(by_day.items()))
        return found

    def _head(self, key: GroupKey, line: Line) -> Candidate | None:
        group, table = self.groups[key], self.table
        while group and not table.is_open(group[0].id):
            group.pop(0)
        evidence = table.evidence[line.key]
        if not group or not group[0].is_in_window(line):
            return None
        if evidence.names.forbids(group[0].expected.descriptor):
            return None
        return next((c for c in group if table.is_open(c.id) and not forbidden(c, evidence)), None)


def days_around(day: date, back: int, ahead: int) -> Iterator[date]:
    """The dates from so many days before to so many after."""
    first = max(day.toordinal() - back, date.min.toordinal())
    last = min(day.toordinal() + ahead, date.max.toordinal())
    return (date.fromordinal(number) for number in range(first, last + 1))


def take_by_amount(table: Table) -> None:
    """Lines whose amount fits one open candidate, or interchangeable ones, in the window.

    Lines whose text tells candidates apart choose first, then those that name the payer. A
    candidate that an earlier line left undecided may have settled is no sure answer for a later
    one either, and none of which another line may as well be the one is a sure answer at all.
    """
    pool = Pool(table)
    telling = _telling(table)
    lines = sorted(
        table.free_lines(), key=lambda li: (li.key not in telling, _rank(table, li), li.place)
    )
    wanted = {line.key: found for line in lines if (found := pool.heads(line))}
    seats = dict(pool.left)
    for line in lines:
        heads = pool.heads(line)
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
        table.doubt(line, heads, SEVERAL_FIT if others else TAKEN_MAYBE)
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
        table.doubt(line, fits.values(), RIVALLED)


def _claim(table: Table, line: Line, heads: Iterable[Candidate]) -> Claim[ClassKey]:
    fits = tuple(sorted({head.class_key for head in heads}))
    return Claim(line.key, _rank(table, line), line.account, line.booked_on, fits)


def _telling(table: Table) -> set[str]:
    """The lines whose text may tell apart what is otherwise interchangeable."""
    traces = table.shelf.traces
    return {
        line.key
        for line in table.free_lines()
        if (evidence := table.evidence[line.key]).partial
        or evidence.names.others
        or any(number[:TRACE_SHARED] in traces for number in evidence.numbers)
    }
