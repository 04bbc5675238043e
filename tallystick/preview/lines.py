"""Lines of a file become messages: JSON Lines in, the core's inputs out, each line by itself.

A line is ``{"topic", "value"}`` with, if one likes, ``received_at``, ``account``, ``book`` and
``id``. The value is cut out of the line as it was written, so that no number in it is ever made a
float on the way.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

from services.ledger.readers import exact_json
from services.ledger.readers.exact_json import JsonObject, as_object
from shared.contracts import topics
from shared.contracts.envelope import instant_of
from shared.contracts.errors import Refused, Unreadable

TOPICS: Final = (
    topics.STRIPE_EVENTS,
    topics.STRIPE_OBJECTS,
    topics.BANK_OBSERVATIONS,
    topics.LEDGER_COMMANDS,
)
_BLANKS: Final = " \t\r\n"
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_NUMBER: Final = re.compile(r"[-+]?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]{1,3})?")
_LAST_SECOND: Final = 253_402_300_799
# Only where a value ends is asked of it, so that its numbers may stay text.
_SCANNER: Final = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=str)


@dataclass(frozen=True, slots=True)
class Told:
    """One line that could be read.

    ``id`` is the id of what it tells. ``received_at`` is ``None`` where the line does not say;
    ``happened_at`` is then the time that the value itself tells, if any.
    """

    place: str
    topic: str
    data: bytes
    value: JsonObject
    id: str
    received_at: datetime | None
    happened_at: datetime | None
    account: str = ""
    book: str = ""

    @property
    def at(self) -> datetime | None:
        """When it reached us, else when it happened, as far as the line tells."""
        return self.received_at or self.happened_at


@dataclass(frozen=True, slots=True, order=True)
class Unread:
    """One line that could not be read or booked, and why."""

    topic: str
    id: str
    reason: str


def told_lines(name: str, lines: Iterable[bytes]) -> Iterator[Told | Unread]:
    """What each line of a file tells; blank lines are skipped."""
    for number, line in enumerate(lines, start=1):
        text = line.removeprefix(_BYTE_ORDER_MARK) if number == 1 else line
        if text.strip():
            yield told_line(f"{name}:{number}", text)


def told_line(place: str, line: bytes) -> Told | Unread:
    """What one line tells. ``place`` names the line where nothing better does."""
    topic = found_id = ""
    try:
        members = _members(line)
        topic = _text(members, "topic")
        value = exact_json.parse(members.get("value", "null").encode())
        found_id = _id_of(members, value)
        if topic not in TOPICS:
            raise Unreadable(f"topic {topic[:80]!r} is none of {', '.join(TOPICS)}")
        fields = as_object(value)
        if fields is None:
            raise Unreadable("the value is not a JSON object")
        return Told(
            place=place,
            topic=topic,
            data=members["value"].encode(),
            value=fields,
            id=found_id or place,
            received_at=_received_at(members),
            happened_at=happened_at(fields),
            account=_text(members, "account"),
            book=_text(members, "book"),
        )
    except Refused as refused:
        return Unread(topic, found_id or place, f"{refused.reason}: {refused}")


def moment(text: str) -> datetime:
    """The time of RFC 3339 text or of Unix seconds.

    Raises:
        Unreadable: Neither of them, or outside the years 1 to 9999.
    """
    stripped = text.strip()
    if not _NUMBER.fullmatch(stripped):
        # RFC 3339 allows its two letters in lower case as well.
        return _instant(stripped.upper() if stripped[:1].isdecimal() else stripped)
    seconds = Decimal(stripped)
    if not 0 <= seconds <= _LAST_SECOND:
        raise Unreadable(f"{stripped[:40]!r} is not a time in Unix seconds")
    return datetime.fromtimestamp(int(seconds), UTC)


def _instant(text: str) -> datetime:
    try:
        return instant_of(text)
    except OverflowError:
        raise Unreadable(f"{text[:40]!r} lies outside the years 1 to 9999") from None


def happened_at(value: JsonObject) -> datetime | None:
    """The time that a value itself tells: when it was created, observed, booked or takes effect."""
    for name in ("created", "observed_at", "as_of", "effective_at", "booked_on"):
        found = value.get(name)
        try:
            if type(found) is int:
                return moment(str(found))
            if isinstance(found, str):
                return _instant(f"{found}T00:00:00Z" if name == "booked_on" else found)
        except Unreadable:
            continue
    return None


def _members(line: bytes) -> Mapping[str, str]:
    """The members of the line's object by name, each value as it was written."""
    try:
        text = line.decode()
    except UnicodeDecodeError:
        raise Unreadable("the line is not UTF-8") from None
    members: dict[str, str] = {}
    try:
        at = _after(text, _skip(text, 0), "{")
        if text[at : at + 1] == "}":
            at = _skip(text, at + 1)
        else:
            separator = ","
            while separator == ",":
                name, end = _scan(text, at)
                if not isinstance(name, str):
                    raise Unreadable("a member's name is not a text")
                start = _after(text, _skip(text, end), ":")
                _, end = _scan(text, start)
                members[name] = text[start:end]
                at = _skip(text, end)
                separator = text[at : at + 1]
                at = _skip(text, at + 1)
            if separator != "}":
                raise Unreadable("the line is not one JSON object")
        if at != len(text):
            raise Unreadable("something stands behind the line's object")
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"the line is not JSON: {str(error)[:120]}") from None
    return members


def _scan(text: str, at: int) -> tuple[object, int]:
    found: tuple[object, int] = _SCANNER.raw_decode(text, at)
    return found


def _skip(text: str, at: int) -> int:
    while at < len(text) and text[at] in _BLANKS:
        at += 1
    return at


def _after(text: str, at: int, wanted: str) -> int:
    if text[at : at + 1] != wanted:
        raise Unreadable(f"the line is not a JSON object: {wanted!r} is missing at {at}")
    return _skip(text, at + 1)


def _text(members: Mapping[str, str], name: str) -> str:
    found = exact_json.parse(members.get(name, "null").encode())
    if found is None:
        return ""
    if not isinstance(found, str):
        raise Unreadable(f"{name} is not a text")
    return found


def _received_at(members: Mapping[str, str]) -> datetime | None:
    found = exact_json.parse(members.get("received_at", "null").encode())
    if found is None:
        return None
    if isinstance(found, bool) or not isinstance(found, str | int | exact_json.Inexact):
        raise Unreadable("received_at is not a time")
    return moment(str(found))


def _id_of(members: Mapping[str, str], value: object) -> str:
    """The id of what the line tells, else the line's own."""
    fields = as_object(value) or {}
    for found in (fields.get("id"), fields.get("idempotency_key"), fields.get("account")):
        if isinstance(found, str) and found:
            return found[:200]
    return _text(members, "id")[:200]
