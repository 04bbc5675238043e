"""Facts that need no command: a line says which message tells one, and it is told again."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal, Self

from pydantic import BaseModel, ConfigDict

from shared.contracts.dead_letters import written
from shared.contracts.journal import Entry
from shared.contracts.messages import Position
from shared.contracts.money import Currency, Money, MoneyOnWire, decimal_text

KIND: Final = "tell_again"


class ToldAgain(BaseModel):
    """One line: a fact that the books lack, and the message that tells it.

    ``fact`` is its entry's kind, ``amounts`` what that debits in each currency, and ``digest`` that
    of all it says, in hex: what was read in the file is what is booked, or nothing is. Where two
    messages make it, ``also`` is the one that says where another entry goes on to.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["tell_again"] = KIND
    fact: str
    reference: str
    effective_at: datetime
    amounts: tuple[MoneyOnWire, ...]
    message: str
    digest: str
    also: str = ""

    @classmethod
    def of(cls, fact: Entry, told_at: Position, also: Position | None = None) -> Self:
        """The line for a fact as the message at a position would book it."""
        return cls(
            fact=fact.kind,
            reference=fact.reference,
            effective_at=fact.effective_at,
            amounts=tuple(MoneyOnWire.of(each) for each in _debited(fact)),
            message=written(told_at),
            digest=fact.digest().hex(),
            also=written(also) if also is not None else "",
        )


@dataclass(slots=True)
class Facts:
    """Facts counted, and their money added up, by kind and currency."""

    count: int = 0
    _sums: dict[tuple[str, str, int], list[int]] = field(
        default_factory=dict[tuple[str, str, int], list[int]]
    )

    @classmethod
    def of(cls, lines: Iterable[ToldAgain]) -> Self:
        """Those of some lines."""
        found = cls()
        for line in lines:
            found.take(line)
        return found

    def take(self, line: ToldAgain) -> None:
        """One more."""
        self.count += 1
        for amount in line.amounts:
            known = self._sums.setdefault((line.fact, amount.currency, amount.exponent), [0, 0])
            known[0] += 1
            known[1] += int(amount.minor)

    def rows(self) -> list[str]:
        """A line for each kind and currency, in columns."""
        cells = [
            (kind, f"{count:,}", decimal_text(minor, exponent), currency.upper())
            for (kind, currency, exponent), (count, minor) in sorted(self._sums.items())
        ]
        wide = [max((len(row[n]) for row in cells), default=0) for n in range(3)]
        return [
            f"{kind.ljust(wide[0])}  {count.rjust(wide[1])}  {amount.rjust(wide[2])} {currency}"
            for kind, count, amount, currency in cells
        ]


def _debited(fact: Entry) -> list[Money]:
    sums: dict[Currency, int] = {}
    for posting in fact.postings:
        if posting.signed_minor > 0:
            currency = posting.amount.currency
            sums[currency] = sums.get(currency, 0) + posting.signed_minor
    return [Money(sums[currency], currency) for currency in sorted(sums)]
