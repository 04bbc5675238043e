"""Roll-ups: turnover by account prefix, by key or by span of time, each currency by itself."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from services.console.statements.figures import MEMO, Figure, root_of
from shared.contracts.money import Currency


class Unit(StrEnum):
    """Spans of time that days roll up to; a week begins on Monday."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    QUARTER = "quarter"
    YEAR = "year"


@dataclass(frozen=True, slots=True)
class Part:
    """A figure of a span of time, or of a key; where neither was asked for, of all."""

    figure: Figure
    begins: date | None = None
    key: str = ""


@dataclass(frozen=True, slots=True)
class RollUpLine:
    """What stands under a prefix (of a span, of a key) in a currency."""

    name: str
    begins: date | None
    key: str
    currency: Currency
    debit: int
    credit: int

    @property
    def net(self) -> int:
        """Debit positive."""
        return self.debit - self.credit


def is_under(account: str, prefix: str) -> bool:
    """Whether an account is the named one or under it; under no name are all."""
    return not prefix or account == prefix or account.startswith(f"{prefix}:")


def roll_up(parts: Iterable[Part], *, prefix: str = "", depth: int = 8) -> list[RollUpLine]:
    """Sums of accounts under ``prefix``, their names cut to ``depth`` segments."""
    sums: defaultdict[tuple[Currency, str, date | None, str], list[int]] = defaultdict(
        lambda: [0, 0]
    )
    for part in parts:
        figure = part.figure
        if root_of(figure.account) == MEMO or not is_under(figure.account, prefix):
            continue
        name = ":".join(figure.account.split(":")[:depth])
        found = sums[figure.currency, name, part.begins, part.key]
        found[0] += figure.debit
        found[1] += figure.credit
    return [
        RollUpLine(name, begins, key, currency, debit, credit)
        for (currency, name, begins, key), (debit, credit) in sorted(
            sums.items(), key=lambda item: (item[0][0], item[0][1], item[0][2] or date.min,
                                            item[0][3]),
        )
    ]  # fmt: skip
