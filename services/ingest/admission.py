"""What becomes of a delivery: the record to publish, or a refusal with status and reason.

The one way in, for a webhook and for an event fetched through the API alike:

    body ──verify──▶ JSON ──▶ an event ──▶ snapshot or thin ──▶ mode ──▶ account, book ──▶ envelope
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Final

from services.ingest.endpoints import Endpoint, EndpointKind, Payload, Whose
from services.ingest.event_body import EventBody, NoEvent, event_body
from services.ingest.signature import TOLERANCE_SECONDS_DEFAULT, SignatureReason, verify
from shared.contracts.books import BookMap, Mode
from shared.contracts.envelope import Envelope
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


@dataclass(frozen=True, slots=True)
class Admitted:
    """An event and the record that it becomes.

    ``is_other_mode``: a test event, which a live Connect endpoint lawfully gets and nothing books.
    ``expected_version`` is what its endpoint was to be sent, where ``api_version`` is another.
    """

    envelope: Envelope
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
        endpoint.secrets_in_force(received_at),
        now_seconds=received_at.timestamp(),
        tolerance_seconds=tolerance_seconds,
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
        kind=endpoint.kind,
        expected_version=endpoint.api_version,
    )


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
    return _admitted(read, body, whose, books, received_at=received_at, told=told)


def _admitted(
    event: EventBody,
    body: bytes,
    whose: Whose,
    books: BookMap,
    *,
    received_at: datetime,
    told: Mapping[str, str],
    secret: str = "",
    kind: EndpointKind = EndpointKind.ACCOUNT,
    expected_version: str = "",
) -> Admitted:
    account = event.named_account or whose.account
    found = books.of_stripe(account, Mode.of(livemode=event.is_live)) if account else None
    is_other_mode = (
        whose.mode is Mode.LIVE and not event.is_live and (found is None or not found.mode)
    )
    is_foreign = _is_anothers(event, whose, books, kind)
    is_unexpected = bool(expected_version and event.api_version not in ("", expected_version))
    extensions = dict(told) | {
        "book": found.name if found is not None else str(whose.book),
        "account": account,
        "livemode": _TEXT_OF_BOOL[event.is_live],
        "endpoint": whose.name,
        "context": event.context,
        "stripeversion": event.api_version,
        "expectedversion": expected_version if is_unexpected else "",
        "foreign": "true" if is_foreign else "",
        "othermode": "true" if is_other_mode else "",
    }
    return Admitted(
        envelope=Envelope(
            id=event.id,
            source=f"stripe/{account or whose.name}",
            type=_TYPES[event.payload],
            time=received_at,
            data=body,
            subject=event.object_id,
            extensions=MappingProxyType({name: text for name, text in extensions.items() if text}),
        ),
        # An event about no object is a matter of its own.
        key=stripe_key(account, event.object_id or event.id),
        event_id=event.id,
        event_type=event.type,
        created=event.created,
        is_foreign=is_foreign,
        secret=secret,
        is_other_mode=is_other_mode,
        api_version=event.api_version,
        expected_version=expected_version if is_unexpected else "",
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
    if mode is None:
        return ""
    for what, is_live in (("event", event.is_live), ("event's object", event.object_is_live)):
        if is_live is not None and Mode.of(livemode=is_live) is not mode:
            return f"the {what} is of {Mode.of(livemode=is_live)} mode, this endpoint of {mode}"
    return ""
