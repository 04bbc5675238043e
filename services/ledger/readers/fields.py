"""Fields of a JSON object, each read as what a rule needs it to be or refused."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

from services.ledger.readers.exact_json import JsonObject, as_list, as_object
from shared.contracts.errors import AmountOutOfRange, Unreadable
from shared.contracts.money import Money

_SECONDS_MAX: Final = 253_402_300_799  # the last second of the year 9999
_ID = re.compile(r"[!-9;-~]{1,255}")  # Stripe: ids never exceed 255 characters


def ident(fields: JsonObject, name: str = "id") -> str:
    """An id: visible ASCII without a colon, which parts the words of a reference.

    Raises:
        Unreadable: Missing, or not such a text.
    """
    found = fields.get(name)
    if not isinstance(found, str) or not _ID.fullmatch(found):
        raise Unreadable(f"{name} is not an id: {_shown(found)}")
    return found


def link(fields: JsonObject, name: str) -> str:
    """The id of another object, told as its id or as the object itself; empty when there is none.

    Raises:
        Unreadable: Something else stands there.
    """
    found = fields.get(name)
    if found is None or found == "":
        return ""
    expanded = as_object(found)
    return ident(fields, name) if expanded is None else ident(expanded)


def text(fields: JsonObject, name: str) -> str:
    """A text; empty when it is missing or null.

    Raises:
        Unreadable: Something else stands there.
    """
    found = fields.get(name)
    if found is None:
        return ""
    if not isinstance(found, str):
        raise Unreadable(f"{name} is not a text: {_shown(found)}")
    return found


def flag(fields: JsonObject, name: str) -> bool | None:
    """A truth value; ``None`` when it is missing or null.

    Raises:
        Unreadable: Something else stands there.
    """
    found = fields.get(name)
    if found is None or isinstance(found, bool):
        return found
    raise Unreadable(f"{name} is neither true nor false: {_shown(found)}")


def instant(fields: JsonObject, name: str = "created") -> datetime:
    """A time told in Unix seconds.

    Raises:
        Unreadable: Missing, not a whole number, or outside the years 1970 to 9999.
    """
    found = fields.get(name)
    if type(found) is not int or not 0 <= found <= _SECONDS_MAX:
        raise Unreadable(f"{name} is not a time in Unix seconds: {_shown(found)}")
    return _at_second(found)


@lru_cache(maxsize=4096)
def _at_second(seconds: int) -> datetime:
    # Facts come in crowds of one second, and an object's time is its event's, or nearly so.
    return datetime.fromtimestamp(seconds, UTC)


def money(fields: JsonObject, name: str) -> Money:
    """An amount of the object's own currency, of any sign.

    Raises:
        AmountOutOfRange: Not a whole number of minor units, or past 10^30.
        CurrencyUnknown: The currency is not registered.
    """
    return Money.of(fields.get(name), fields.get("currency"))


def not_negative(fields: JsonObject, name: str) -> Money:
    """An amount of the object's own currency that can only be zero or above.

    Raises:
        AmountOutOfRange: Below zero, not a whole number of minor units, or past 10^30.
        CurrencyUnknown: The currency is not registered.
    """
    amount = money(fields, name)
    if amount.minor < 0:
        raise AmountOutOfRange(amount.minor, f"is below zero, which {name} never is")
    return amount


def items(fields: JsonObject, name: str) -> Iterator[JsonObject]:
    """The objects of a Stripe list (``data``) or of a plain array; what is none is skipped."""
    found = fields.get(name)
    expanded = as_object(found)
    rows = as_list(expanded.get("data") if expanded is not None else found)
    for row in rows or ():
        item = as_object(row)
        if item is not None:
            yield item


def _shown(value: object) -> str:
    return "nothing" if value is None else f"{str(value)[:60]!r}"
