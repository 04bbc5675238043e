"""What is waited for and whose time has not come: until a time that is known nothing changes.

Thousands of payouts may be on their way at once. What is waited for of one of them, and what is to
be asked for by name, is worked out when it comes, and again when its next time passes; in between
it rests, unless a line has to do with it.
"""

from bisect import bisect_left, insort
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from services.reconciler.breaks.waits import WaitState, look_up_order, wait_in
from services.reconciler.facts.known import Facts
from services.reconciler.findings.found import DueLookUp
from services.reconciler.matching.candidates import Candidate
from services.reconciler.matching.table import Table
from services.reconciler.rules.calendars import due_at, midnight, waited_until

_FEW: Final = 64


@dataclass(frozen=True, slots=True)
class _Rest:
    """One that rests, from one judgement to the next: what is said of it holds ``until`` then."""

    candidate: Candidate
    until: datetime
    look_ups: tuple[DueLookUp, ...]


class Resting:
    """The candidates of a book that rest; one serves many judgements, each at its time."""

    def __init__(self) -> None:
        self._rests: dict[str, _Rest] = {}
        self._until: list[tuple[datetime, str]] = []
        self._look_ups: list[DueLookUp] = []
        self._stirred: set[str] = set()
        self._at: datetime | None = None
        self._by: tuple[object, object, bool] | None = None

    def awake(
        self, facts: Facts, table: Table, *, at: datetime, elsewhere: Collection[str]
    ) -> list[Candidate]:
        """Those that have to be looked at now; the others rest.

        What a line has settled, or names in another currency, does not rest.
        """
        by = (facts.book, facts.rules, facts.require_readings)
        if self._by is None or self._at is None or at < self._at or by != self._by:
            self._rests.clear()
            self._until.clear()
            self._look_ups.clear()
        self._at, self._by = at, by
        while self._until and self._until[0][0] <= at:
            self._wake(self._until[0][1])
        rests, known = self._rests, table.candidates
        for name in [n for n, rest in rests.items() if known.get(n) is not rest.candidate]:
            self._wake(name)
        waiting = [c for name, c in known.items() if name not in rests]
        self._lay_down(rest for c in waiting if (rest := _rest(facts, c, at)) is not None)
        self._stirred = {name for name in (*table.settled, *elsewhere) if name in rests}
        return [
            *(c for c in waiting if c.id not in rests),
            *(rests[name].candidate for name in sorted(self._stirred)),
        ]

    def wakes_next(self) -> datetime | None:
        """When the first of those that rest has to be looked at again."""
        return next((until for until, name in self._until if name not in self._stirred), None)

    def look_ups(self) -> Sequence[DueLookUp]:
        """What is to be asked for of those that rest, in order."""
        if not self._stirred:
            return self._look_ups
        return [due for due in self._look_ups if due.subject not in self._stirred]

    def _wake(self, name: str) -> None:
        rest = self._rests.pop(name)
        del self._until[bisect_left(self._until, (rest.until, name))]
        for due in rest.look_ups:
            del self._look_ups[bisect_left(self._look_ups, look_up_order(due), key=look_up_order)]

    def _lay_down(self, rests: Iterable[_Rest]) -> None:
        fresh = list(rests)
        self._rests |= {rest.candidate.id: rest for rest in fresh}
        untils = [(rest.until, rest.candidate.id) for rest in fresh]
        look_ups = [due for rest in fresh for due in rest.look_ups]
        if len(fresh) > _FEW:
            self._until = sorted([*self._until, *untils])
            self._look_ups = sorted([*self._look_ups, *look_ups], key=look_up_order)
            return
        for until in untils:
            insort(self._until, until)
        for due in look_ups:
            insort(self._look_ups, due, key=look_up_order)


def _rest(facts: Facts, candidate: Candidate, at: datetime) -> _Rest | None:
    """What is known of a candidate up to its next time; ``None`` where it has to be looked at.

    Past its due time the banks' clocks decide, which move with each reading.
    """
    expected, zone = candidate.expected, facts.book.zone
    due = due_at(expected, zone, facts.rules)
    if at >= due or candidate.is_overpaid:
        return None
    arrival = midnight(candidate.anchor, zone)
    state = WaitState.EXPECTED if at < arrival else WaitState.DUE
    times = [due, candidate.closed_at, arrival]
    if facts.require_readings:
        times.append(waited_until(expected))
    return _Rest(
        candidate,
        min(time for time in times if time > at),
        tuple(wait_in(facts, candidate, state, at).due_look_ups()),
    )
