"""The world's own books: a truth that never passed through our code."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from oracle.journal import Books, Place
from oracle.reading import items, maybe_object, optional_text
from oracle.report import Difference
from oracle.values import CannotDecide, Fact, Name


@dataclass(frozen=True, slots=True)
class TrueBalance:
    """What one account holds in truth, over all keys, or under one when it is named."""

    book: str
    account: str
    key: str | None
    currency: str
    minor: int


@dataclass(frozen=True, slots=True)
class Truth:
    """Expected balances. Where it is complete, every account that it does not name is at zero."""

    rows: tuple[TrueBalance, ...]
    is_complete: bool = False


def truth_of(text: str) -> Truth:
    """The truth in ``{"balances": [{"account", "currency", "minor", "book"?, "key"?}]}``.

    Rows with a key may stand under ``keyed`` as well. Debit positive; ``minor`` is an integer or
    its text; ``"complete": true`` says that nothing is left out.

    Raises:
        CannotDecide: Not that form, or without one balance.
    """
    try:
        told = maybe_object(json.loads(text)) or {}
        rows = tuple(
            TrueBalance(
                book=optional_text(row, "book") or optional_text(told, "book") or "main",
                account=str(row["account"]),
                key=optional_text(row, "key") if "key" in row else None,
                currency=str(row["currency"]).lower(),
                minor=_integer(row["minor"]),
            )
            for row in items(told.get("balances")) + items(told.get("keyed"))
        )
    except (KeyError, ValueError) as why:
        raise CannotDecide(f"the truth is not readable: {why!r}") from None
    if not rows:
        raise CannotDecide("the truth has no balances")
    return Truth(rows, is_complete=told.get("complete") is True)


def _integer(value: object) -> int:
    if type(value) is int:
        return value
    if isinstance(value, str):
        return int(value)
    raise ValueError(f"{value!r} is not an integer")


def truth_differences(
    truth: Truth, expected: Mapping[Name, Fact], books: Books
) -> Iterator[Difference]:
    """The truth against the model and against the postings: three ways."""
    told = [
        (where, book, leg)
        for where, legs in (
            ("model", [(name.book, leg) for name, fact in expected.items() for leg in fact.legs]),
            ("journal", [(e.name.book, leg) for e in books.entries for leg in e.legs]),
        )
        for book, leg in legs
    ]
    sums: dict[tuple[str, str, str, str | None, str], int] = {}
    for where, book, leg in told:
        for key in (None, leg.key):
            place = (where, book, leg.account, key, leg.currency)
            sums[place] = sums.get(place, 0) + leg.minor
    named: set[Place] = set()
    for row in truth.rows:
        named.add(Place(row.book, row.account, row.currency))
        for where in ("model", "journal"):
            found = sums.get((where, row.book, row.account, row.key, row.currency), 0)
            if found != row.minor:
                key = f"[{row.key}]" if row.key else ""
                yield Difference(
                    f"truth_differs_from_{where}", f"{row.book}:{row.account}{key}:{row.currency}",
                    str(row.minor), str(found),
                )  # fmt: skip
    if truth.is_complete:
        for (where, book, account, key, currency), found in sorted(
            (place, minor) for place, minor in sums.items() if place[3] is None
        ):
            if found and key is None and Place(book, account, currency) not in named:
                yield Difference(
                    f"truth_differs_from_{where}", f"{book}:{account}:{currency}", "0", str(found)
                )
