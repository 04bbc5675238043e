"""Double-entry books of a simulated party: its own truth, by its own arithmetic.

Nothing of the system under test is used here, so that a fault in its money cannot hide.
"""

from collections import defaultdict
from dataclasses import dataclass, field


class BooksUnbalanced(Exception):
    """The simulator itself made an entry that does not add up to zero in each currency."""


@dataclass(frozen=True, slots=True)
class Leg:
    """One side of an entry: signed minor units, debit above zero."""

    account: str
    currency: str
    minor: int
    key: str = ""


@dataclass(frozen=True, slots=True)
class Record:
    """One balanced fact, when it happened and what it tells of."""

    at: int
    fact: str
    text: str
    legs: tuple[Leg, ...]


@dataclass(slots=True)
class Books:
    """Records in the order in which they were made, and what they sum to."""

    records: list[Record] = field(default_factory=list[Record])
    _sums: dict[tuple[str, str, str], int] = field(
        default_factory=lambda: defaultdict[tuple[str, str, str], int](int)
    )

    def record(self, at: int, fact: str, text: str, *legs: Leg) -> None:
        """Take up one fact.

        Raises:
            BooksUnbalanced: The legs do not sum to zero in each currency.
        """
        sums: dict[str, int] = defaultdict(int)
        for leg in legs:
            sums[leg.currency] += leg.minor
        if any(sums.values()):
            raise BooksUnbalanced(f"{fact}: {text}: {dict(sums)}")
        kept = tuple(leg for leg in legs if leg.minor)
        if not kept:
            return
        self.records.append(Record(at, fact, text, kept))
        for leg in kept:
            self._sums[leg.account, leg.key, leg.currency] += leg.minor

    def balance(self, account: str, currency: str) -> int:
        """What an account holds in a currency, all keys together, debit above zero."""
        return sum(
            minor
            for (name, _, code), minor in self._sums.items()
            if name == account and code == currency
        )

    def balances(self) -> dict[tuple[str, str], int]:
        """What every account holds per currency, zeros left out, in sorted order."""
        sums: dict[tuple[str, str], int] = defaultdict(int)
        for (account, _, currency), minor in self._sums.items():
            sums[account, currency] += minor
        return {place: minor for place, minor in sorted(sums.items()) if minor}

    def keyed(self) -> dict[tuple[str, str, str], int]:
        """What every account holds per key and currency, zeros left out, in sorted order."""
        return {place: minor for place, minor in sorted(self._sums.items()) if minor}
