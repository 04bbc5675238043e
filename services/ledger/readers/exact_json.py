"""JSON read exactly: whole numbers of any size stay whole, and no float is ever made.

A number with a fraction or an exponent, ``NaN``, ``Infinity`` and a whole number longer than any
amount become ``Inexact``, which keeps its text and is money nowhere.

A fast library reads nearly all that is sent, in the same way; what it does not read, or would read
otherwise, goes the exact way.
"""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, cast

import msgspec
import orjson

from shared.contracts.errors import Unreadable

DEPTH_MAX: Final = 100
# As Python has it of numbers that it turns into text and back, and the fast library too.
_DIGITS_MAX: Final = 4_300
_SUSPECT = re.compile(rb"\\u(?:[dD][89a-fA-F]|0000)")
_NOT_TEXT = re.compile("[\x00\ud800-\udfff]")
_SORTED: Final = orjson.OPT_SORT_KEYS | orjson.OPT_PASSTHROUGH_DATACLASS

JsonObject = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Inexact:
    """A JSON number that no amount can be; ``text`` is how it was written."""

    text: str

    def __str__(self) -> str:
        return self.text


def _whole(text: str) -> object:
    return int(text) if len(text) <= _DIGITS_MAX else Inexact(text)


def _wrapped(value: object) -> object:
    # A member's name that no text read here can have: a number is never taken for its text.
    return {"\x00number": str(value)}


_DECODER: Final = json.JSONDecoder(parse_float=Inexact, parse_constant=Inexact, parse_int=_whole)
_ENCODER: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"), default=_wrapped)
_QUICK: Final = msgspec.json.Decoder(float_hook=Inexact)


def parse(data: bytes) -> object:
    """The value that the bytes say, with ``Inexact`` for what is not a whole number.

    Raises:
        Unreadable: Not UTF-8, not JSON, nested deeper than ``DEPTH_MAX``, or with a NUL or a lone
            surrogate in a text: no database could keep that, and no sender means it.
    """
    # To find one byte takes a tenth of what two take, and most messages hold no escape at all.
    if b"\\" not in data or b"\\u" not in data:
        try:
            quick: object = _QUICK.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            pass  # the exact way says what is wrong, or that it is NaN
        else:
            opened = data.count(b"{") + data.count(b"[")
            if opened <= DEPTH_MAX or not _is_deeper(quick, DEPTH_MAX):
                return quick
    return _parse_exactly(data)


def _is_deeper(value: object, levels: int) -> bool:
    """Whether something is nested deeper than so many levels."""
    fields = as_object(value)
    inner = as_list(value) if fields is None else fields.values()
    if inner is None:
        return False
    return not levels or any(_is_deeper(each, levels - 1) for each in inner)


def _parse_exactly(data: bytes) -> object:
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise Unreadable("the bytes are not UTF-8") from None
    if text.count("{") + text.count("[") > DEPTH_MAX and _depth(text) > DEPTH_MAX:
        raise Unreadable(f"nested deeper than {DEPTH_MAX} levels")
    try:
        value: object = _DECODER.decode(text)
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"not JSON: {str(error)[:120]}") from None
    if _SUSPECT.search(data):
        _refuse_what_is_no_text(value)
    return value


def parse_object(data: bytes) -> JsonObject:
    """The object that the bytes say.

    Raises:
        Unreadable: As ``parse``, or the value is not an object.
    """
    value = as_object(parse(data))
    if value is None:
        raise Unreadable("the value is not a JSON object")
    return value


def as_object(value: object) -> JsonObject | None:
    """The value, when it is a JSON object."""
    return cast("JsonObject", value) if isinstance(value, dict) else None


def as_list(value: object) -> Sequence[object] | None:
    """The value, when it is a JSON array."""
    return cast("Sequence[object]", value) if isinstance(value, list) else None


def digest(value: object) -> bytes:
    """SHA-256 of a value's canonical form: keys sorted, no blanks, numbers as they were written.

    Text beyond ASCII is escaped in it, which the fast library does not do.
    """
    try:
        told = orjson.dumps(value, option=_SORTED)
    except orjson.JSONEncodeError:
        return hashlib.sha256(_ENCODER.encode(value).encode()).digest()
    if not told.isascii() or b"\x7f" in told:
        told = _ENCODER.encode(value).encode()
    return hashlib.sha256(told).digest()


def _depth(text: str) -> int:
    depth = deepest = 0
    is_text = is_escaped = False
    for character in text:
        if is_text:
            if is_escaped:
                is_escaped = False
            elif character == "\\":
                is_escaped = True
            elif character == '"':
                is_text = False
        elif character == '"':
            is_text = True
        elif character in "{[":
            depth += 1
            deepest = max(deepest, depth)
        elif character in "}]":
            depth -= 1
    return deepest


def _refuse_what_is_no_text(value: object) -> None:
    if isinstance(value, str):
        if _NOT_TEXT.search(value):
            raise Unreadable("a text holds a NUL or half a surrogate pair")
    elif (fields := as_object(value)) is not None:
        for name, inner in fields.items():
            _refuse_what_is_no_text(name)
            _refuse_what_is_no_text(inner)
    elif (items := as_list(value)) is not None:
        for item in items:
            _refuse_what_is_no_text(item)
