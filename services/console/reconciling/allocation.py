"""What a manual or instant payout is taken to be made of: the oldest available balance first.

Stripe tells of no such payout which balance transactions it pays out. The balance is one sum; so
each payout takes the next stretch of what became available, in order, behind the payouts before.
Once the contents of an automatic payout name a manual one's own transaction they bear it: then the
stretch is one of theirs, and the automatic payout paid out what is left.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime


@dataclass(frozen=True, slots=True)
class Available:
    """A balance transaction that no payout's contents name."""

    id: str
    type: str
    net_minor: int
    available_on: date | None
    created: datetime | None


@dataclass(frozen=True, slots=True)
class Part:
    """A balance transaction and how much of its net is in the payout."""

    id: str
    type: str
    available_on: date | None
    net_minor: int
    minor: int


@dataclass(frozen=True, slots=True)
class Claim:
    """What a payout without contents took, its fee as well; ``borne_by`` names it, or nobody."""

    id: str
    created: datetime
    minor: int
    borne_by: str = ""


@dataclass(frozen=True, slots=True)
class Allocated:
    """The parts, and what earlier payouts without contents took before them.

    ``borne_by`` is the automatic payout out of whose contents they are, where one bears them.
    """

    parts: tuple[Part, ...]
    before_minor: int
    borne_by: str = ""


def taken_before(mine: Claim, claims: Sequence[Claim]) -> int:
    """What earlier payouts took of the same money."""
    return sum(
        other.minor
        for other in claims
        if other.borne_by == mine.borne_by and (other.created, other.id) < (mine.created, mine.id)
    )


def allocated(amount_minor: int, before_minor: int, rows: Sequence[Available]) -> Allocated:
    """The stretch of the running sum from ``before_minor`` on, ``amount_minor`` long.

    ``rows`` are in the order in which they became available. What is below zero (a refund, a fee)
    takes from the stretch that it falls into.
    """
    start, end = before_minor, before_minor + amount_minor
    parts: list[Part] = []
    running, taken = 0, 0
    for row in rows:
        if taken == amount_minor and running >= end:
            break
        following = running + row.net_minor
        inside = _clamped(following, start, end) - _clamped(running, start, end)
        if inside:
            parts.append(Part(row.id, row.type, row.available_on, row.net_minor, inside))
            taken += inside
        running = following
    return Allocated(tuple(parts), before_minor)


def _clamped(minor: int, first: int, last: int) -> int:
    return max(first, min(minor, last))
