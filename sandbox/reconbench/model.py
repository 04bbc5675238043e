"""What a made world holds: payouts, bank lines, and for each of them the truth."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from types import MappingProxyType
from typing import Final

NONE: Final = ""
# The hard cases by their names, in the order in which they are shown.
CASES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "base": "one to one, clean reference",
        "H1": "reference cut, upper-cased, glued, garbled",
        "H2": "no reference",
        "H3": "equal amounts on one day",
        "H4": "one line for many payouts",
        "H5": "one payout in parts",
        "H6": "fee taken on the way",
        "H7": "exchange with spread and rounding",
        "H8": "weekends, holidays, month-end, back-dating",
        "H9": "pending changed or removed on posting",
        "H10": "credited twice, told twice, true twin",
        "H11": "returned after it was matched",
        "H12": "netted with a debit",
        "H13": "decimals of JPY, KWD and USDC",
        "H14": "strangers' credits and debits",
        "H15": "feed away, then a flood",
        "H16": "adversarial: amount, day and name fit, reference of another",
        "H17": "told late and out of order",
    }
)


@dataclass(frozen=True, slots=True)
class Payout:
    """A payout as Stripe tells it; ``told`` is its place in the order in which all is told."""

    id: str
    minor: int
    currency: str
    created: datetime
    arrival: date
    status: str = "paid"
    method: str = "standard"
    trace: str = ""
    told: int = 0

    @property
    def kin(self) -> tuple[object, ...]:
        """What payouts that nothing but a reference tells apart have in common."""
        return (self.currency, self.minor, self.method, self.arrival)


@dataclass(frozen=True, slots=True)
class Line:
    """A bank line in one form; the same id with a later revision replaces it."""

    account: str
    id: str
    minor: int
    currency: str
    booked_on: date
    description: str = ""
    reference: str = ""
    counterparty: str = ""
    state: str = "posted"
    revision: int = 1
    told: int = 0


@dataclass(frozen=True, slots=True)
class Truth:
    """What a line, or a payout, really is.

    ``settles`` are the payouts that a line pays. ``is_exact`` tells that its text names just
    those, so that a twin will not do. ``decidable`` tells that what is known leaves one answer;
    where it does not, none is the only right one. ``break_class`` is empty where nothing is wrong;
    of several, each is right.
    """

    case: str
    settles: tuple[str, ...] = ()
    is_exact: bool = True
    decidable: bool = True
    break_class: str = NONE


@dataclass(slots=True)
class World:
    """All that is told, in the order in which it is, and the truth by line and by payout."""

    seed: int
    at: datetime
    accounts: Mapping[str, str]
    payouts: list[Payout] = field(default_factory=list[Payout])
    lines: list[Line] = field(default_factory=list[Line])
    of_lines: dict[str, Truth] = field(default_factory=dict[str, Truth])
    of_payouts: dict[str, Truth] = field(default_factory=dict[str, Truth])

    def records(self) -> Iterator[Payout | Line]:
        """All that is told, in the order in which it reaches us."""
        told: list[Payout | Line] = [*self.payouts, *self.lines]
        told.sort(key=lambda each: (each.told, each.id))
        return iter(told)
