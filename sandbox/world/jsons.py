"""JSON values as the simulated APIs speak them, and reading them back with a type."""

from typing import cast

JsonObject = dict[str, object]


class Misshapen(ValueError):
    """A JSON value is of another kind than the reader needs."""


def as_object(value: object) -> JsonObject:
    """The value as a JSON object.

    Raises:
        Misshapen: It is something else.
    """
    if not isinstance(value, dict):
        raise Misshapen(f"{value!r} is not a JSON object")
    return cast("JsonObject", value)


def as_list(value: object) -> list[object]:
    """The value as a JSON array.

    Raises:
        Misshapen: It is something else.
    """
    if not isinstance(value, list):
        raise Misshapen(f"{value!r} is not a JSON array")
    return cast("list[object]", value)


def as_int(value: object) -> int:
    """The value as a whole number; a boolean is not one.

    Raises:
        Misshapen: It is something else.
    """
    if type(value) is not int:
        raise Misshapen(f"{value!r} is not a whole number")
    return value


def as_text(value: object) -> str:
    """The value as text.

    Raises:
        Misshapen: It is something else.
    """
    if not isinstance(value, str):
        raise Misshapen(f"{value!r} is not text")
    return value
