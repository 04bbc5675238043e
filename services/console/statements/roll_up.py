"""Roll-ups: turnover by account prefix, by key, by tag or by span of time, each currency by itself.

A tag is a name for accounts and all that is under them, thought of when it is asked: a slice that
somebody decides on years later goes back to the first entry. By key it may name single keys too,
``liabilities:connect[acct_1]``.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Final

from services.console.statements.figures import MEMO, Figure, root_of
from shared.contracts.money import Currency

Tags = Mapping[str, tuple[str, ...]]
NO_TAGS: Final[Tags] = {}
UNTAGGED: Final = "(untagged)"


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
    """What stands under a prefix, or a tag, (of a span, of a key) in a currency.

    Of a tag the name is empty.
    """

    name: str
    begins: date | None
    key: str
    currency: Currency
    debit: int
    credit: int
    tag: str = ""

    @property
    def net(self) -> int:
        """Debit positive."""
        return self.debit - self.credit


def is_under(account: str, prefix: str) -> bool:
    """Whether an account is the named one or under it; under no name are all."""
    return not prefix or account == prefix or account.startswith(f"{prefix}:")


def names_a_key(named: str) -> bool:
    """Whether what a tag names is one key of an account."""
    return named.endswith("]") and "[" in named


def tags_of(account: str, key: str, tags: Tags) -> list[str]:
    """The tags that an account, or one of its keys, has; one with several counts in each."""
    place = f"{account}[{key}]"
    found = [
        name
        for name, under in tags.items()
        if any(one == place if names_a_key(one) else is_under(account, one) for one in under)
    ]
    return found or [UNTAGGED]


def roll_up(
    parts: Iterable[Part], *, prefix: str = "", depth: int = 8, tags: Tags = NO_TAGS
) -> list[RollUpLine]:
    """Sums of accounts under ``prefix``, their names cut to ``depth`` segments.

    With tags, sums of these instead, over all their keys; what has none is told as such.
    """
    sums: defaultdict[tuple[Currency, str, date | None, str], list[int]] = defaultdict(
        lambda: [0, 0]
    )
    for part in parts:
        figure = part.figure
        if root_of(figure.account) == MEMO or not is_under(figure.account, prefix):
            continue
        name = ":".join(figure.account.split(":")[:depth])
        key = "" if tags else part.key
        for each in tags_of(figure.account, part.key, tags) if tags else [name]:
            found = sums[figure.currency, each, part.begins, key]
            found[0] += figure.debit
            found[1] += figure.credit
    return [
        RollUpLine(
            "" if tags else name, begins, key, currency, debit, credit, name if tags else ""
        )
        for (currency, name, begins, key), (debit, credit) in sorted(
            sums.items(), key=lambda item: (item[0][0], item[0][1], item[0][2] or date.min,
                                            item[0][3]),
        )
    ]  # fmt: skip
