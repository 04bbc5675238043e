"""What people have ruled about lines and objects: facts like any other, of which the last holds."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Ruled(StrEnum):
    """What a ruling says. ``hold``: the rules leave the line alone; ``release``: they have it."""

    MATCH = "match"
    HOLD = "hold"
    RELEASE = "release"
    WRITE_OFF = "write_off"


@dataclass(frozen=True, slots=True)
class Ruling:
    """One ruling: of a line what it settles, or of a line or an object what is written off.

    ``name`` says what it is about; of two with one name the one with the greater ``number``
    holds. ``shares`` are objects with what of each the line settles, ``minor`` is what is written
    off, both as the bank signs it, to the account ``to``.
    """

    name: str
    number: int
    what: Ruled
    at: datetime
    bank_account: str = ""
    line_id: str = ""
    object: str = ""
    shares: tuple[tuple[str, int], ...] = ()
    to: str = ""
    minor: int = 0
    currency: str = ""
    reason: str = ""
    actor: str = ""

    @property
    def key(self) -> str:
        """The fact's key."""
        return f"ruling:{self.name}"

    @property
    def line_key(self) -> str:
        """The key of the line that it is about; empty where it is about none."""
        return f"line:{self.bank_account}/{self.line_id}" if self.line_id else ""

    @property
    def objects(self) -> frozenset[str]:
        """The payouts and top-ups that it is about."""
        named = {self.object} if self.object else set[str]()
        return frozenset(named | {name for name, _ in self.shares})

    def merged(self, other: "Ruling") -> "Ruling":
        """The later one of the two."""
        return max(self, other, key=lambda r: (r.number, r.what, r.shares, r.minor, r.to))
