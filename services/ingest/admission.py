"""What becomes of a delivery: the record to publish, or a refusal with status and reason.

The one way in, for a webhook and for an event fetched through the API alike:

    body ──verify──▶ JSON object ──▶ a snapshot event ──▶ mode ──▶ account, book ──▶ envelope
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Final, NoReturn, cast

import orjson

from services.ingest.endpoints import Endpoint, EndpointKind, Whose
from services.ingest.signature import TOLERANCE_SECONDS_DEFAULT, verify
from shared.contracts.books import BookMap, Mode
from shared.contracts.envelope import Envelope
from shared.contracts.messages import VerdictReason
from shared.contracts.topics import stripe_key

EVENT_TYPE: Final = "com.stripe.event"
VIA_WEBHOOK: Final = "webhook"
VIA_FETCHED: Final = "fetched"
VERDICT_FETCHED: Final = "fetched"
RESENT: Final = "resent"
# The position of the stored delivery that is sent once more.
RESENT_FROM: Final = re.compile(r"[a-z.-]{1,40}/[0-9]{1,5}@[0-9]{1,18}", re.ASCII)
_TEXT_CHARACTERS_MAX: Final = 255
_TEXT_OF_BOOL: Final = MappingProxyType({True: "true", False: "false"})


@dataclass(frozen=True, slots=True)
class Admitted:
    """An event and the record that it becomes."""

    envelope: Envelope
    key: bytes
    event_id: str
    event_type: str
    created: int
    is_foreign: bool
    secret: str = ""

    @property
    def detail(self) -> str:
        """What a reader of the verdict should know beside that it was accepted."""
        return "of an account that is not ours" if self.is_foreign else ""


@dataclass(frozen=True, slots=True)
class Turned:
    """A delivery that was turned away; the event is named only where its signature was right."""

    reason: VerdictReason
    status: int
    detail: str
    event_id: str = ""
    event_type: str = ""
    secret: str = ""


@dataclass(frozen=True, slots=True)
class _Event:
    id: str
    type: str
    created: int
    is_live: bool
    object_is_live: bool | None
    account: str
    object_id: str


def admission(
    body: bytes,
    header: str | None,
    endpoint: Endpoint,
    books: BookMap,
    *,
    received_at: datetime,
    tolerance_seconds: int = TOLERANCE_SECONDS_DEFAULT,
    resent_from: str = "",
) -> Admitted | Turned:
    """The answer to a delivery: nothing of the body is parsed before its signature is right.

    ``resent_from`` is what the sender says of itself: it is written down and decides nothing.
    """
    verdict = verify(
        body,
        header,
        endpoint.secrets,
        now_seconds=received_at.timestamp(),
        tolerance_seconds=tolerance_seconds,
    )
    if not verdict.is_accepted:
        return Turned(
            VerdictReason(verdict.reason.value), 400, verdict.detail, secret=verdict.secret
        )
    read = _read(body)
    if isinstance(read, Turned):
        return read
    other = _other_mode(read, endpoint.mode)
    if endpoint.kind is EndpointKind.ACCOUNT and other:
        return Turned(
            VerdictReason.WRONG_MODE, 400, other, read.id, read.type, secret=verdict.secret
        )
    return _admitted(
        read,
        body,
        endpoint,
        books,
        received_at=received_at,
        told={
            "via": VIA_WEBHOOK,
            "verdict": "accepted",
            "signature": header or "",
            **({RESENT: resent_from} if RESENT_FROM.fullmatch(resent_from) else {}),
        },
        secret=verdict.secret,
    )


def fetched(
    body: bytes, whose: Whose, books: BookMap, *, received_at: datetime
) -> Admitted | Turned:
    """The answer to an event that Stripe's API told us: as a webhook's, but without signature."""
    read = _read(body)
    if isinstance(read, Turned):
        return read
    other = _other_mode(read, whose.mode)
    if other:
        return Turned(VerdictReason.WRONG_MODE, 400, other, read.id, read.type)
    told = {"via": VIA_FETCHED, "verdict": VERDICT_FETCHED}
    return _admitted(read, body, whose, books, received_at=received_at, told=told)


def _admitted(
    event: _Event,
    body: bytes,
    whose: Whose,
    books: BookMap,
    *,
    received_at: datetime,
    told: Mapping[str, str],
    secret: str = "",
) -> Admitted:
    account = event.account or whose.account
    found = books.of_stripe(account, Mode.of(livemode=event.is_live)) if account else None
    # An account endpoint's own events name no account; whoever is named and in no book is not us.
    is_foreign = found is None and event.account not in ("", whose.account)
    extensions = dict(told) | {
        "book": found.name if found is not None else str(whose.book),
        "account": account,
        "livemode": _TEXT_OF_BOOL[event.is_live],
        "endpoint": whose.name,
    }
    if is_foreign:
        extensions["foreign"] = "true"
    return Admitted(
        envelope=Envelope(
            id=event.id,
            source=f"stripe/{account or whose.name}",
            type=EVENT_TYPE,
            time=received_at,
            data=body,
            subject=event.object_id,
            extensions=MappingProxyType(extensions),
        ),
        key=stripe_key(account, event.object_id),
        event_id=event.id,
        event_type=event.type,
        created=event.created,
        is_foreign=is_foreign,
        secret=secret,
    )


def _other_mode(event: _Event, mode: Mode | None) -> str:
    if mode is None:
        return ""
    for what, is_live in (("event", event.is_live), ("event's object", event.object_is_live)):
        if is_live is not None and Mode.of(livemode=is_live) is not mode:
            return f"the {what} is of {Mode.of(livemode=is_live)} mode, this endpoint of {mode}"
    return ""


def _read(body: bytes) -> _Event | Turned:
    try:
        value = _json(body)
    except ValueError:
        return Turned(VerdictReason.NOT_JSON, 400, "the body is not JSON")
    event = _fields(value)
    if event is None:
        return _no_event("the body is not a JSON object")
    if event.get("object") == "v2.core.event":
        return _no_event(
            "a thin event (v2.core.event): give this endpoint at Stripe the snapshot payload style"
        )
    if event.get("object") != "event":
        return _no_event('the field object is not "event"')
    told = _fields((_fields(event.get("data")) or {}).get("object"))
    if told is None:
        return _no_event("the field data.object is not an object")
    # A balance has no id: it is the only one of its account, so its kind names it.
    names = {
        "id": event.get("id"),
        "type": event.get("type"),
        "account": event.get("account") or "-",
        "data.object.id": told.get("id") or told.get("object"),
    }
    for name, text in names.items():
        if not _is_name(text):
            return _no_event(f"the field {name} is missing or not a name")
    created, livemode = event.get("created"), event.get("livemode")
    if type(created) is not int or created < 0:
        return _no_event("the field created is not a time in Unix seconds")
    if not isinstance(livemode, bool):
        return _no_event("the field livemode is not true or false")
    object_livemode = told.get("livemode")
    return _Event(
        id=str(names["id"]),
        type=str(names["type"]),
        created=created,
        is_live=livemode,
        object_is_live=object_livemode if isinstance(object_livemode, bool) else None,
        account=str(event.get("account") or ""),
        object_id=str(names["data.object.id"]),
    )


def _fields(value: object) -> dict[str, object] | None:
    return cast("dict[str, object]", value) if isinstance(value, dict) else None


def _json(body: bytes) -> object:
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


def _is_name(text: object) -> bool:
    return isinstance(text, str) and 0 < len(text) <= _TEXT_CHARACTERS_MAX and text.isprintable()


def _no_event(detail: str) -> Turned:
    return Turned(VerdictReason.NOT_AN_EVENT, 400, detail)
