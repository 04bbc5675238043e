"""What is asked of the statements, read from words: the same over HTTP and on the command line."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from services.console.statements.moments import (
    ALL_DAYS,
    EVER,
    AsOf,
    Period,
    end_of,
    moment,
    period,
)
from services.console.statements.roll_up import Tags
from services.console.views import BadRequest
from shared.contracts.books import BookData
from shared.contracts.errors import CurrencyUnknown
from shared.contracts.money import Currency, currency_of

STANDING: Final = frozenset({"as_of", "recorded_as_of", "currency", "reporting"})
OF_A_PERIOD: Final = STANDING | {"from", "to"}
DEPTH_MAX: Final = 8
TAGS_MAX: Final = 100


class UnknownAccount(BadRequest):
    """An account on which nothing was ever booked."""

    def __init__(self, name: str, near: Iterable[str]) -> None:
        known = list(near)
        way_out = f"; under it are {', '.join(known[:5])}" if known else ""
        super().__init__(f"account: nothing was ever booked on {name[:140]}{way_out}")


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked of a book. ``reporting`` is the currency to translate into, if any.

    Raises:
        BadRequest: The period begins after the moment up to which facts count.
    """

    book: BookData
    as_of: AsOf = EVER
    period: Period = ALL_DAYS
    currency: Currency | None = None
    reporting: Currency | None = None

    def __post_init__(self) -> None:
        end, first = self.end.effective, self.period.first
        if end is not None and first is not None and end.day < first:
            raise BadRequest(f"from: {first} is after {end.text}, up to which facts count")

    @property
    def end(self) -> AsOf:
        """As of the period's end: the earlier of its last day and the moment asked for."""
        effective = self.as_of.effective
        if self.period.last is not None:
            last = end_of(self.period.last, self.book.zone)
            if effective is None or last.before < effective.before:
                effective = last
        return AsOf(effective, self.as_of.recorded)


def asked_of(book: BookData, words: Mapping[str, str], known: Iterable[str]) -> Asked:
    """What words ask of a book. An empty ``reporting`` turns the book's own off.

    Raises:
        BadRequest: A word that is not among the known, or a value that is none.
    """
    unknown = sorted(words.keys() - set(known))
    if unknown:
        raise BadRequest(f"{unknown[0]}: not asked for here; known are {', '.join(sorted(known))}")
    zone = book.zone
    reporting = words.get("reporting", book.reporting_currency or "")
    return Asked(
        book,
        AsOf(
            moment(words.get("as_of", ""), zone, name="as_of"),
            moment(words.get("recorded_as_of", ""), zone, name="recorded_as_of"),
        ),
        period(words.get("from", ""), words.get("to", "")),
        _currency(words.get("currency", ""), "currency"),
        _currency(reporting, "reporting"),
    )


def tags_of(text: str) -> Tags:
    """Tags as words say them: ``cloud=expenses:compute,expenses:domain;travel=expenses:travel``.

    Raises:
        BadRequest: Not of that form, named twice, or too many.
    """
    found: dict[str, tuple[str, ...]] = {}
    for each in filter(None, text.split(";")):
        name, equals, listed = each.partition("=")
        name = name.strip()
        accounts = tuple(filter(None, (one.strip() for one in listed.split(","))))
        if not equals or not name or not accounts:
            raise BadRequest(f"tags: {each[:60]!r} is none; write NAME=ACCOUNT,ACCOUNT;NAME=…")
        if name in found:
            raise BadRequest(f"tags: {name[:60]!r} is named twice")
        found[name] = accounts
    if len(found) > TAGS_MAX:
        raise BadRequest(f"tags: at most {TAGS_MAX}")
    return found


def depth_of(text: str) -> int:
    """How many segments of an account's name are kept.

    Raises:
        BadRequest: No number from 1 to 8.
    """
    if not text:
        return DEPTH_MAX
    if text not in {str(n) for n in range(1, DEPTH_MAX + 1)}:
        raise BadRequest(f"depth: a whole number from 1 to {DEPTH_MAX}")
    return int(text)


def _currency(code: str, name: str) -> Currency | None:
    if not code:
        return None
    try:
        return currency_of(code)
    except CurrencyUnknown:
        raise BadRequest(f"{name}: {code[:20]} is no currency that is registered here") from None
