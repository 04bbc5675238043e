"""What a verified body says: a snapshot event, a thin one, or neither and why.

A snapshot event (``event``) carries its object as it was. A thin one (``v2.core.event``) names an
object and carries nothing of it; its time is text.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Final, NamedTuple, NoReturn, TypeGuard

import orjson

from services.ingest.endpoints import Payload
from shared.contracts.envelope import instant_of
from shared.contracts.errors import Unreadable
from shared.contracts.messages import VerdictReason
from shared.contracts.stripe_context import account_named

SNAPSHOT_OBJECT: Final = "event"
THIN_OBJECT: Final = "v2.core.event"
TEXT_CHARACTERS_MAX: Final = 255
_SNAPSHOT: Final = Payload.SNAPSHOT
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_PAYLOADS: Final[Mapping[object, Payload]] = MappingProxyType(
    {SNAPSHOT_OBJECT: Payload.SNAPSHOT, THIN_OBJECT: Payload.THIN}
)


class EventBody(NamedTuple):
    """An event of either form.

    ``account`` and ``context`` are as Stripe wrote them, empty where the event is the receiver's
    own. ``object_id`` is empty where a thin event is about no object. ``created`` is in Unix
    seconds.
    """

    id: str
    type: str
    payload: Payload
    created: int
    is_live: bool
    object_is_live: bool | None
    account: str
    context: str
    object_id: str
    api_version: str = ""

    @property
    def named_account(self) -> str:
        """The account that it names, by one way or the other."""
        return account_named(self.account, self.context)


@dataclass(frozen=True, slots=True)
class NoEvent:
    """A body that is no event, and why."""

    reason: VerdictReason
    detail: str


class _FieldOdd(Exception):
    """A field is missing or is not what it must be; the text names it."""


def event_body(body: bytes) -> EventBody | NoEvent:
    """What a body says."""
    try:
        event = json_value(body)
    except ValueError:
        return NoEvent(VerdictReason.NOT_JSON, "the body is not JSON")
    if not _is_object(event):
        return NoEvent(VerdictReason.NOT_AN_EVENT, "the body is not a JSON object")
    told = event.get("object")
    payload = _PAYLOADS.get(told) if isinstance(told, str) else None
    if payload is None:
        return NoEvent(
            VerdictReason.NOT_AN_EVENT, f'the field object is not "event" nor "{THIN_OBJECT}"'
        )
    try:
        return _thin(event) if payload is Payload.THIN else _snapshot(event)
    except _FieldOdd as odd:
        return NoEvent(VerdictReason.NOT_AN_EVENT, str(odd))


def _snapshot(event: Mapping[str, object]) -> EventBody:
    data = event.get("data")
    shown = data.get("object") if _is_object(data) else None
    if not _is_object(shown):
        raise _FieldOdd("the field data.object is not an object")
    object_livemode = shown.get("livemode")
    api_version = event.get("api_version")
    created = event.get("created")
    if type(created) is not int or created < 0:
        raise _FieldOdd("the field created is not a time in Unix seconds")
    return EventBody(
        id=_name(event.get("id"), "id"),
        type=_name(event.get("type"), "type"),
        payload=_SNAPSHOT,
        created=created,
        is_live=_livemode(event),
        object_is_live=object_livemode if isinstance(object_livemode, bool) else None,
        account=_optional_name(event.get("account"), "account"),
        context=_optional_name(event.get("context"), "context"),
        # A balance has no id: it is the only one of its account, so its kind names it.
        object_id=_name(shown.get("id") or shown.get("object"), "data.object.id"),
        # Told and not judged: an event with an odd one is no less true.
        api_version=api_version if api_version is not None and _is_name(api_version) else "",
    )


def _thin(event: Mapping[str, object]) -> EventBody:
    return EventBody(
        id=_name(event.get("id"), "id"),
        type=_name(event.get("type"), "type"),
        payload=Payload.THIN,
        created=_seconds_of_text(event.get("created")),
        is_live=_livemode(event),
        object_is_live=None,
        account=_optional_name(event.get("account"), "account"),
        context=_optional_name(event.get("context"), "context"),
        object_id=_related(event),
    )


def _related(event: Mapping[str, object]) -> str:
    told = event.get("related_object")
    if told is None:
        return ""
    if not _is_object(told):
        raise _FieldOdd("the field related_object is not an object")
    # What exists once in an account has no id there either.
    return _name(told.get("id") or told.get("type"), "related_object.id")


def _seconds_of_text(told: object) -> int:
    try:
        # The Unix second before it: microseconds as text do not fit a count of seconds.
        at = instant_of(told) if isinstance(told, str) else None
    except Unreadable:
        at = None
    if at is None or at < _EPOCH:
        raise _FieldOdd("the field created is not an RFC 3339 time")
    return int((at - _EPOCH).total_seconds())


def _livemode(event: Mapping[str, object]) -> bool:
    told = event.get("livemode")
    if not isinstance(told, bool):
        raise _FieldOdd("the field livemode is not true or false")
    return told


def _name(told: object, field: str) -> str:
    # As ``_is_name``, which is asked of three fields of each event.
    if isinstance(told, str) and 0 < len(told) <= TEXT_CHARACTERS_MAX and told.isprintable():
        return told
    raise _FieldOdd(f"the field {field} is missing or not a name")


def _optional_name(told: object, field: str) -> str:
    # Stripe writes null for nobody; anything else that is empty is no name, and nobody's guess.
    return "" if told is None or told == "" else _name(told, field)


def _is_name(text: object) -> TypeGuard[str]:
    return isinstance(text, str) and 0 < len(text) <= TEXT_CHARACTERS_MAX and text.isprintable()


def _is_object(value: object) -> TypeGuard[dict[str, object]]:
    return isinstance(value, dict)


def json_value(body: bytes) -> object:
    """The value that a body says; whoever reads what the door let in reads it so too.

    Raises:
        ValueError: It is not JSON.
    """
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        # orjson refuses what RFC 8259 leaves open (half a surrogate pair, 1e400); a true event
        # that holds such a text is not lost for it. Deep nesting ends in RecursionError.
        try:
            # Decoded first: json would guess UTF-16 from the bytes.
            return json.loads(body.decode(), parse_constant=_no_constant)
        except RecursionError:
            raise ValueError("nested too deeply") from None


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
