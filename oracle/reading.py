"""Small readings of JSON from outside: each gives a value of one type or says why it cannot."""

import json
import re
from datetime import UTC, datetime
from typing import Any, cast

from oracle.currencies import EXPONENTS, currency, minor
from oracle.values import CannotBook, CannotRead

Json = dict[str, Any]  # Any: JSON that others wrote
_FIRST = datetime(1, 1, 1, tzinfo=UTC)
_LAST = datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)
_MINOR = re.compile(r"0|-?[1-9][0-9]{0,30}")


def json_object(value: bytes) -> Json:
    """The JSON object that these bytes are.

    Raises:
        CannotRead: They are not one.
    """
    try:
        # Any: JSON that others wrote
        told: Any = json.loads(value.decode("utf-8"), parse_constant=_not_json)
    except (ValueError, RecursionError) as why:
        raise CannotRead(f"not JSON: {type(why).__name__}") from None
    return an_object(told, "the value")


def _not_json(constant: str) -> None:
    raise ValueError(constant)


def require_a_time(told: Json, *names: str) -> None:
    """See that no time told is an end of the calendar, which means that there is none.

    Raises:
        CannotRead: One is.
    """
    for name in names:
        try:
            at = datetime.fromisoformat(str(told.get(name)))
        except ValueError:
            continue  # that it is no time at all is told elsewhere
        at = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
        last_day = datetime(9999, 12, 31, tzinfo=UTC)
        if at in (_FIRST, _LAST) or ("T" not in str(told[name]) and at == last_day):
            raise CannotRead(f"{name} is an end of the calendar")


def maybe_object(value: object) -> Json | None:
    """A JSON object, or ``None`` for anything else."""
    return cast("Json", value) if isinstance(value, dict) else None


def an_object(value: object, what: str) -> Json:
    """A JSON object.

    Raises:
        CannotRead: Something else.
    """
    found = maybe_object(value)
    if found is None:
        raise CannotRead(f"{what} is not an object")
    return found


def items(value: object) -> list[Json]:
    """The objects of one of Stripe's lists (``{"object": "list", "data": […]}``) or of an array."""
    if isinstance(value, dict):
        value = cast("Json", value).get("data")
    if not isinstance(value, list):
        return []
    return [cast("Json", item) for item in cast("list[object]", value) if isinstance(item, dict)]


def text(told: Json, name: str) -> str:
    """A text that must be there.

    Raises:
        CannotRead: It is missing, empty or no text.
    """
    value = told.get(name)
    if not isinstance(value, str) or not value:
        raise CannotRead(f"{name} is missing or no text")
    return value


def optional_text(told: Json, name: str) -> str:
    """A text that may be missing or null."""
    value = told.get(name)
    return value if isinstance(value, str) else ""


def id_of(value: object) -> str:
    """The id of another object, told as its id or in full; empty when there is none."""
    if isinstance(value, dict):
        value = cast("Json", value).get("id")
    return value if isinstance(value, str) else ""


def stripe_money(told: Json, name: str) -> tuple[int, str]:
    """An amount of a Stripe object, with the object's currency.

    Raises:
        CannotBook: No integer in range, or an unknown currency.
    """
    return minor(told.get(name)), currency(told.get("currency"))


def wire_money(value: object) -> tuple[int, str]:
    """Our own money on a topic: ``{"minor": "1234", "currency": "usd", "exponent": 2}``.

    Raises:
        CannotRead: It does not have that form, or counts other decimals.
        CannotBook: The currency is not known, or the amount past 10^30.
    """
    told = an_object(value, "money")
    amount, code, exponent = told.get("minor"), told.get("currency"), told.get("exponent")
    if not isinstance(amount, str) or not _MINOR.fullmatch(amount) or not isinstance(code, str):
        raise CannotRead("money has no integer text or no currency")
    name = currency(code)
    if type(exponent) is not int:
        raise CannotRead("money has no exponent")
    if EXPONENTS[name] != exponent:
        raise CannotBook(f"{name} does not have {exponent} decimals")
    return minor(int(amount)), name
