"""Lines that compete for one amount: what one has settled another may have settled as well.

Lines take seats in classes of interchangeable candidates. Where there are more lines than seats
somebody is a stranger; every line that could be the stranger in an equally good seating is in
doubt, and a line that could not stays where it is.
"""

from collections import defaultdict, deque
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Claim(Generic[K]):
    """A line's claim: the classes that it fits, and what makes it weaker than another or the same.

    ``rank`` says how little its text says: a higher one gives way to a lower one. Two of one rank,
    bank account and day are interchangeable, and neither gives way.
    """

    line: str
    rank: int
    account: str
    day: date
    fits: tuple[K, ...]

    def gives_way(self, pushing: "Claim[K]") -> bool:
        """Whether the other may as well have this one's seat."""
        if self.rank != pushing.rank:
            return self.rank > pushing.rank
        return (self.account, self.day) != (pushing.account, pushing.day)


@dataclass(slots=True)
class Rivalry(Generic[K]):
    """Who sits where, as seated so far, and how many seats a class has."""

    seats: Mapping[K, int]
    sitting: dict[K, list[Claim[K]]] = field(default_factory=dict[K, list[Claim[K]]])
    full: set[K] = field(default_factory=set[K])

    def sit(self, claim: Claim[K], seat: K) -> None:
        """Give a line a seat that it has taken already."""
        self.sitting.setdefault(seat, []).append(claim)

    def find_seat(self, claim: Claim[K]) -> bool:
        """Seat a line, others moving on to what they fit as well; ``False`` if there is no room."""
        came: dict[K, tuple[Claim[K], K | None]] = {}
        waiting: deque[tuple[Claim[K], K | None]] = deque([(claim, None)])
        while waiting:
            one, at = waiting.popleft()
            for seat in one.fits:
                if seat in came or seat in self.full:
                    continue
                came[seat] = (one, at)
                if len(self.sitting.get(seat, ())) < self.seats.get(seat, 0):
                    self._move(seat, came)
                    return True
                waiting.extend((holder, seat) for holder in self.sitting.get(seat, ()))
        # Nobody who sits in any of these can ever move on.
        self.full |= came.keys()
        return False

    def _move(self, free: K, came: Mapping[K, tuple[Claim[K], K | None]]) -> None:
        seat: K | None = free
        while seat is not None:
            claim, before = came[seat]
            self.sitting.setdefault(seat, []).append(claim)
            if before is not None:
                self.sitting[before].remove(claim)
            seat = before

    def pushed_by(self, claims: Iterable[Claim[K]]) -> dict[str, frozenset[str]]:
        """For each line without a seat the lines that it may push out, one after another."""
        # Thousands of lines may be alike in all that counts here: they push the same.
        alike: dict[tuple[int, str, date, tuple[K, ...]], frozenset[str]] = {}
        pushed: dict[str, frozenset[str]] = {}
        for claim in claims:
            likeness = (claim.rank, claim.account, claim.day, claim.fits)
            if likeness not in alike:
                alike[likeness] = self._pushed_by(claim)
            pushed[claim.line] = alike[likeness]
        return pushed

    def _pushed_by(self, claim: Claim[K]) -> frozenset[str]:
        """Who may be left without a seat instead, and who would sit elsewhere then.

        A line that does not give way may still move on to what it fits as well, and push there.
        """
        reached = self._reached(claim.fits)
        held = [(seat, holder) for seat in reached for holder in self.sitting.get(seat, ())]
        out = {holder.line for _, holder in held if holder.gives_way(claim)}
        leads = {seat for seat, holder in held if holder.line in out}
        before: defaultdict[K, set[K]] = defaultdict(set)
        for seat, holder in held:
            for other in holder.fits:
                before[other].add(seat)
        waiting = list(leads)
        while waiting:
            fresh = before[waiting.pop()] - leads
            leads |= fresh
            waiting += fresh
        moving = {
            holder.line
            for seat, holder in held
            if any(other in leads and other != seat for other in holder.fits)
        }
        return frozenset(out | moving)

    def _reached(self, fits: Sequence[K]) -> dict[K, None]:
        """The classes that can be come by from these, holders moving on; in a settled order."""
        reached: dict[K, None] = {}
        waiting = list(fits)
        while waiting:
            seat = waiting.pop()
            if seat not in reached:
                reached[seat] = None
                waiting += (k for holder in self.sitting.get(seat, ()) for k in holder.fits)
        return reached
