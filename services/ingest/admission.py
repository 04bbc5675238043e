"""What becomes of a delivery: the record to publish, or a refusal with status and reason.

The one way in, for a webhook and for an event fetched through the API alike:

    body ──verify──▶ JSON ──▶ an event ──▶ snapshot or thin ──▶ mode ──▶ account, book ──▶ headers
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Final, NamedTuple

from services.ingest.endpoints import Endpoint, EndpointKind, Payload, Whose
from services.ingest.event_body import EventBody, NoEvent, event_body
from services.ingest.signature import TOLERANCE_SECONDS_DEFAULT, SignatureReason, verify
from shared.contracts.books import BookMap, Mode
from shared.contracts.envelope import Envelope, Mould, envelope_of
from shared.contracts.messages import VerdictReason
from shared.contracts.stripe_context import account_named
from shared.contracts.topics import stripe_key

EVENT_TYPE: Final = "com.stripe.event"
THIN_EVENT_TYPE: Final = "com.stripe.event.thin"
VIA_WEBHOOK: Final = "webhook"
VIA_FETCHED: Final = "fetched"
VERDICT_FETCHED: Final = "fetched"
RESENT: Final = "resent"
# The position of the stored delivery that is sent once more.
RESENT_FROM: Final = re.compile(r"[a-z.-]{1,40}/[0-9]{1,5}@[0-9]{1,18}", re.ASCII)
_SIGNED_AS: Final = "signature"
_ANY_TIME: Final = datetime(1970, 1, 1, tzinfo=UTC)
# Kinds of events that a desk remembers; whoever has more of them pays for each anew.
_STAMPS_MAX: Final = 1_024
_TEXT_OF_BOOL: Final = MappingProxyType({True: "true", False: "false"})
_TYPES: Final = MappingProxyType({Payload.SNAPSHOT: EVENT_TYPE, Payload.THIN: THIN_EVENT_TYPE})
_WRONG_PAYLOADS: Final = MappingProxyType(
    {
        Payload.THIN: "a thin event at an endpoint for snapshots: give it at Stripe the snapshot"
        ' payload style, or here payload = "thin"',
        Payload.SNAPSHOT: "a snapshot event at an endpoint for thin ones: give it at Stripe the"
        ' thin payload style, or here payload = "snapshot"',
    }
)


class Admitted(NamedTuple):
    """An event and the record that it becomes: key, headers, and its bytes as they came.

    ``is_other_mode``: a test event, which a live Connect endpoint lawfully gets and nothing books.
    ``expected_version`` is what its endpoint was to be sent, where ``api_version`` is another.
    """

    headers: list[tuple[str, bytes]]
    data: bytes
    key: bytes
    event_id: str
    event_type: str
    created: int
    is_foreign: bool
    secret: str = ""
    is_other_mode: bool = False
    api_version: str = ""
    expected_version: str = ""

    @property
    def envelope(self) -> Envelope:
        """The record as an envelope, read from its headers."""
        return envelope_of(self.headers, self.data)

    @property
    def detail(self) -> str:
        """What a reader of the verdict should know beside that it was accepted."""
        told: list[str] = []
        if self.is_foreign:
            told.append("of an account that is not ours")
        if self.is_other_mode:
            told.append("a test event at a live Connect endpoint")
        if self.expected_version:
            told.append(
                f"told in API version {self.api_version}, and {self.expected_version} is expected"
            )
        return "; ".join(told)


@dataclass(frozen=True, slots=True)
class Turned:
    """A delivery that was turned away; the event is named only where its signature was right."""

    reason: VerdictReason
    status: int
    detail: str
    event_id: str = ""
    event_type: str = ""
    secret: str = ""


class _Stamp(NamedTuple):
    """What all events of one account, mode and version at one place have in common."""

    mould: Mould
    account: str
    is_foreign: bool
    is_other_mode: bool
    expected_version: str


class Desk:
    """One endpoint's rules, put to delivery after delivery.

    What its events have in common is worked out once for each kind of them: of one account that
    is one or two kinds, of a platform as many as it has accounts.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        books: BookMap,
        *,
        tolerance_seconds: int = TOLERANCE_SECONDS_DEFAULT,
    ) -> None:
        self.endpoint = endpoint
        self.book = str(endpoint.book)
        self._books = books
        self._tolerance_seconds = tolerance_seconds
        self._stamps: dict[tuple[object, ...], _Stamp] = {}

    def admission(
        self, body: bytes, header: str | None, *, received_at: datetime, resent_from: str = ""
    ) -> Admitted | Turned:
        """The answer to a delivery: nothing of the body is parsed before its signature is right.

        ``resent_from`` is what the sender says of itself: it is written down and decides nothing.
        """
        endpoint = self.endpoint
        verdict = verify(
            body,
            header,
            endpoint.secrets_in_force(received_at),
            now_seconds=received_at.timestamp(),
            tolerance_seconds=self._tolerance_seconds,
        )
        if not verdict.is_accepted:
            detail = verdict.detail
            if verdict.reason is SignatureReason.BAD_SIGNATURE:
                detail += _out_of_force(body, header, endpoint, received_at)
            return Turned(VerdictReason(verdict.reason.value), 400, detail, secret=verdict.secret)
        read = event_body(body)
        if isinstance(read, NoEvent):
            return Turned(read.reason, 400, read.detail, secret=verdict.secret)
        wrong = _wrong(read, endpoint)
        if wrong is not None:
            reason, detail = wrong
            return Turned(reason, 400, detail, read.id, read.type, secret=verdict.secret)
        if resent_from and not RESENT_FROM.fullmatch(resent_from):
            resent_from = ""
        stamp = self._stamp(read, resent_from)
        return _admitted(
            read,
            stamp,
            body,
            received_at=received_at,
            signature=header or "",
            secret=verdict.secret,
        )

    def _stamp(self, event: EventBody, resent_from: str) -> _Stamp:
        if resent_from:
            # Each names another delivery: there is nothing to remember.
            return self._new_stamp(event, resent_from)
        kind = (
            event.payload,
            event.account,
            event.context,
            event.is_live,
            event.api_version,
            bool(event.object_id),
        )
        stamp = self._stamps.get(kind)
        if stamp is None:
            if len(self._stamps) >= _STAMPS_MAX:
                self._stamps.clear()
            stamp = self._stamps[kind] = self._new_stamp(event)
        return stamp

    def _new_stamp(self, event: EventBody, resent_from: str = "") -> _Stamp:
        told = {
            "via": VIA_WEBHOOK,
            "verdict": "accepted",
            # Any text: each event has its own.
            _SIGNED_AS: _SIGNED_AS,
            RESENT: resent_from,
        }
        return _stamp(
            event,
            self.endpoint,
            self._books,
            told=told,
            kind=self.endpoint.kind,
            expected_version=self.endpoint.api_version,
        )


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
    """The answer to one delivery, at a desk of its own."""
    desk = Desk(endpoint, books, tolerance_seconds=tolerance_seconds)
    return desk.admission(body, header, received_at=received_at, resent_from=resent_from)


def fetched(
    body: bytes, whose: Whose, books: BookMap, *, received_at: datetime
) -> Admitted | Turned:
    """The answer to an event of either form that Stripe's API told us: without a signature."""
    read = event_body(body)
    if isinstance(read, NoEvent):
        return Turned(read.reason, 400, read.detail)
    other = _other_mode(read, whose.mode)
    if other:
        return Turned(VerdictReason.WRONG_MODE, 400, other, read.id, read.type)
    told = {"via": VIA_FETCHED, "verdict": VERDICT_FETCHED}
    return _admitted(read, _stamp(read, whose, books, told=told), body, received_at=received_at)


def _stamp(
    event: EventBody,
    whose: Whose,
    books: BookMap,
    *,
    told: Mapping[str, str],
    kind: EndpointKind = EndpointKind.ACCOUNT,
    expected_version: str = "",
) -> _Stamp:
    account = event.named_account or whose.account
    found = books.of_stripe(account, Mode.of(livemode=event.is_live)) if account else None
    is_other_mode = (
        whose.mode is Mode.LIVE and not event.is_live and (found is None or not found.mode)
    )
    is_foreign = _is_anothers(event, whose, books, kind)
    if event.api_version in ("", expected_version):
        expected_version = ""
    extensions = dict(told) | {
        "book": found.name if found is not None else str(whose.book),
        "account": account,
        "livemode": _TEXT_OF_BOOL[event.is_live],
        "endpoint": whose.name,
        "context": event.context,
        "stripeversion": event.api_version,
        "expectedversion": expected_version,
        "foreign": "true" if is_foreign else "",
        "othermode": "true" if is_other_mode else "",
    }
    first = Envelope(
        id=event.id,
        source=f"stripe/{account or whose.name}",
        type=_TYPES[event.payload],
        time=_ANY_TIME,
        data=b"",
        subject=event.object_id,
        extensions=extensions,
    )
    return _Stamp(
        Mould(first, extension=_SIGNED_AS if _SIGNED_AS in told else ""),
        account,
        is_foreign,
        is_other_mode,
        expected_version,
    )


def _admitted(
    event: EventBody,
    stamp: _Stamp,
    body: bytes,
    *,
    received_at: datetime,
    signature: str = "",
    secret: str = "",
) -> Admitted:
    return Admitted(
        stamp.mould.headers(
            ident=event.id, time=received_at, subject=event.object_id, extension=signature
        ),
        body,
        # An event about no object is a matter of its own.
        stripe_key(stamp.account, event.object_id or event.id),
        event.id,
        event.type,
        event.created,
        stamp.is_foreign,
        secret,
        stamp.is_other_mode,
        event.api_version,
        stamp.expected_version,
    )


def _is_anothers(event: EventBody, whose: Whose, books: BookMap, kind: EndpointKind) -> bool:
    """Whether an event belongs to somebody who is in no book.

    An account endpoint's own events name no account, and whoever is named is not us. A context
    alone may be our own account's, where nobody has told us which one that is.
    """
    named = {event.account, account_named("", event.context)} - {"", whose.account}
    mode = Mode.of(livemode=event.is_live)
    if all(books.of_stripe(account, mode) is not None for account in named):
        return False
    knows_itself = bool(whose.account) or any(book.stripe_accounts for book in books.books)
    return bool(event.account) or knows_itself or kind is EndpointKind.CONNECT


def _out_of_force(
    body: bytes, header: str | None, endpoint: Endpoint, received_at: datetime
) -> str:
    """What an operator should know of a delivery signed with a secret before or after its time."""
    at = received_at.timestamp()
    for secret in endpoint.secrets:
        if (
            not secret.is_in_force(received_at)
            and verify(body, header, (secret,), now_seconds=at).secret
        ):
            when = "has ended" if secret.has_ended(received_at) else "has not begun"
            return f": it is signed with {secret.name!r}, which {when}"
    return ""


def _wrong(event: EventBody, endpoint: Endpoint) -> tuple[VerdictReason, str] | None:
    """Why a true event does not belong at an endpoint."""
    if event.payload is not endpoint.payload:
        return VerdictReason.WRONG_PAYLOAD, _WRONG_PAYLOADS[event.payload]
    other = _other_mode(event, endpoint.mode)
    # A live Connect endpoint is also sent test events; no test endpoint is ever sent a live one.
    is_lawful = endpoint.kind is EndpointKind.CONNECT and not event.is_live
    return (VerdictReason.WRONG_MODE, other) if other and not is_lawful else None


def _other_mode(event: EventBody, mode: Mode | None) -> str:
    is_live_mode = mode is Mode.LIVE
    if mode is None or (
        # What nearly every event is.
        event.is_live is is_live_mode and event.object_is_live in (None, is_live_mode)
    ):
        return ""
    for what, is_live in (("event", event.is_live), ("event's object", event.object_is_live)):
        if is_live is not None and Mode.of(livemode=is_live) is not mode:
            return f"the {what} is of {Mode.of(livemode=is_live)} mode, this endpoint of {mode}"
    return ""
