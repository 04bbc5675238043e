"""Candidates laid out by amount and by day, so that a line finds those it may settle at once.

One shelf serves many judgements of a book: what is expected is laid on it when it is told, and
taken off when it is done with; what has not changed stays where it lies.
"""

from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from operator import attrgetter

from services.reconciler.facts.kinds import IN_TRANSIT
from services.reconciler.facts.known import Facts
from services.reconciler.matching.candidates import (
    TRACE_SHARED,
    Candidate,
    booked_at,
    candidate_of,
    clearings_by_hand,
)
from services.reconciler.rules.expectations import Expectation
from services.reconciler.rules.matching_rules import MatchingRules
from shared.contracts.books import BookData

AmountKey = tuple[str, int]
DayKey = tuple[str, bool, date]
_place = attrgetter("place")


def size_of(candidate: Candidate) -> tuple[int, tuple[date, datetime, str]]:
    """The order of candidates by amount, the smallest first."""
    return (abs(candidate.due_minor), candidate.place)


@dataclass(slots=True)
class Shelf:
    """What may be settled, by id, and where it lies.

    ``over`` are expectations of which the money went back, ``cleared`` those of which nothing is
    due any more. ``back`` and ``ahead`` say how many days before and after a line's own one a
    window that has it may hang on, at most. ``traces`` counts what trace ids begin with.
    """

    candidates: dict[str, Candidate] = field(default_factory=dict[str, Candidate])
    over: dict[str, Expectation] = field(default_factory=dict[str, Expectation])
    cleared: list[Expectation] = field(default_factory=list[Expectation])
    back: int = 0
    ahead: int = 0
    traces: dict[str, int] = field(default_factory=dict[str, int])
    # Most amounts are of one candidate, which needs no list of its own.
    _by_amount: dict[AmountKey, Candidate | list[Candidate]] = field(
        default_factory=dict[AmountKey, Candidate | list[Candidate]]
    )
    _by_day: defaultdict[DayKey, list[Candidate]] = field(
        default_factory=lambda: defaultdict[DayKey, list[Candidate]](list)
    )
    # What has been put in order: the rest is, when somebody asks for it.
    _in_order: set[AmountKey | DayKey] = field(default_factory=set[AmountKey | DayKey])
    _book: BookData | None = None
    _rules: MatchingRules | None = None

    def lay(self, facts: Facts) -> None:
        """Bring the shelf to what these facts say; only what is new to it is worked out."""
        if self._rules is not facts.rules or self._book != facts.book:
            self._clear()
            self._book, self._rules = facts.book, facts.rules
        by_hand = {
            key: sum(minors)
            for key, minors in clearings_by_hand(facts.bookings, IN_TRANSIT).items()
        }
        booked = booked_at(facts.bookings)
        self.over, self.cleared = {}, []
        known, there = self.candidates, 0
        for expected in facts.expectations:
            name = expected.id
            lying = known.get(name)
            is_there = (
                lying is not None
                and lying.expected is expected
                and lying.booked_at == booked.get(name, expected.created)
                and lying.due_minor
                == expected.bank_minor
                + (by_hand.get((name, expected.currency), 0) if by_hand else 0)
            )
            there += is_there or self._put(facts, expected, by_hand=by_hand, booked=booked)
        if there < len(known):
            named = {expected.id for expected in facts.expectations}
            for name in [name for name in known if name not in named]:
                self._take_off(known[name])

    def of_amount(self, currency: str, minor: int) -> Sequence[Candidate]:
        """The candidates of an amount, in their order; whether they are open is not asked."""
        key = (currency, minor)
        found = self._by_amount.get(key)
        if found is None:
            return ()
        if not isinstance(found, list):
            return (found,)
        if key not in self._in_order:
            found.sort(key=_place)
            self._in_order.add(key)
        return found

    def of_day(self, currency: str, is_credit: bool, day: date) -> Sequence[Candidate]:  # noqa: FBT001  # a key's part
        """The candidates whose window hangs on a day, the smallest amount first."""
        key = (currency, is_credit, day)
        found = self._by_day.get(key)
        if found is None:
            return ()
        if key not in self._in_order:
            found.sort(key=size_of)
            self._in_order.add(key)
        return found

    def _put(
        self,
        facts: Facts,
        expected: Expectation,
        *,
        by_hand: Mapping[tuple[str, str], int],
        booked: Mapping[str, datetime],
    ) -> bool:
        """Lay one expectation down in place of what lay there; whether it may be settled."""
        if expected.id in self.candidates:
            self._take_off(self.candidates[expected.id])
        if expected.stage.is_over:
            self.over[expected.id] = expected
            return False
        candidate = candidate_of(facts, expected, by_hand=by_hand, booked=booked)
        if not candidate.due_minor:
            self.cleared.append(expected)
            return False
        self.candidates[expected.id] = candidate
        self.back = max(self.back, (candidate.last - candidate.anchor).days)
        self.ahead = max(self.ahead, (candidate.anchor - candidate.first).days)
        for trace in candidate.traces:
            head = trace[:TRACE_SHARED]
            self.traces[head] = self.traces.get(head, 0) + 1
        self._file(candidate)
        return True

    def _file(self, candidate: Candidate) -> None:
        amount, day = _keys(candidate)
        there = self._by_amount.get(amount)
        if there is None:
            self._by_amount[amount] = candidate
        elif not isinstance(there, list):
            self._by_amount[amount] = [there, candidate]
        elif amount in self._in_order:
            insort(there, candidate, key=_place)
        else:
            there.append(candidate)
        if day in self._in_order:
            insort(self._by_day[day], candidate, key=size_of)
        else:
            self._by_day[day].append(candidate)

    def _take_off(self, candidate: Candidate) -> None:
        del self.candidates[candidate.id]
        for trace in candidate.traces:
            head = trace[:TRACE_SHARED]
            self.traces[head] -= 1
            if not self.traces[head]:
                del self.traces[head]
        amount, day = _keys(candidate)
        there = self._by_amount[amount]
        if isinstance(there, list):
            self.of_amount(*amount)
            del there[bisect_left(there, candidate.place, key=_place)]
            if not there:
                del self._by_amount[amount]
                self._in_order.discard(amount)
        else:
            del self._by_amount[amount]
        self.of_day(*day)
        row = self._by_day[day]
        del row[bisect_left(row, size_of(candidate), key=size_of)]
        if not row:
            del self._by_day[day]
            self._in_order.discard(day)

    def _clear(self) -> None:
        self.candidates.clear()
        self.traces.clear()
        self._by_amount.clear()
        self._by_day.clear()
        self._in_order.clear()
        self.back = self.ahead = 0


def _keys(candidate: Candidate) -> tuple[AmountKey, DayKey]:
    currency, minor = candidate.expected.currency, candidate.due_minor
    return (currency, minor), (currency, minor > 0, candidate.anchor)


def shelf_of(facts: Facts) -> Shelf:
    """A shelf with what these facts expect."""
    shelf = Shelf()
    shelf.lay(facts)
    return shelf
