"""What the index keeps of a delivery that stands on ``stripe.events``.

The door has judged it; this only reads it again, and never refuses what it once let in.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final, cast

from services.ingest.admission import RESENT, VIA_FETCHED
from services.ingest.event_body import json_value
from services.ingest.long_invoices import credit_note_in, invoice_in, paid_invoice_in
from shared.contracts.envelope import Envelope, instant_of
from shared.contracts.errors import Unreadable

_THIN: Final = "v2.core.event"
_TEXT_CHARACTERS_MAX: Final = 255
_LAST_SECOND: Final = 253_402_300_799  # of the year 9999, where a datetime ends


class Form(StrEnum):
    """Whether an event carries its object, or only names it."""

    SNAPSHOT = "snapshot"
    THIN = "thin"


class Via(StrEnum):
    """How a delivery came onto the topic."""

    WEBHOOK = "webhook"
    FETCHED = "fetched"
    RESENT = "resent"


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """One delivery on the topic; ``created`` is Stripe's time of the event, where it says one.

    ``resent_from`` is the position of the delivery that was sent through the door once more,
    ``long_invoice`` the invoice that the event shows with a part of its lines, ``long_note`` such a
    credit note, ``paid_invoice`` the invoice that it shows paid without saying how.
    """

    partition: int
    offset: int
    event_id: str
    form: Form
    event_type: str
    account: str
    object_id: str
    created: datetime | None
    received_at: datetime
    appended_at: datetime
    via: Via
    endpoint: str
    book: str
    livemode: bool
    is_foreign: bool
    resent_from: str
    long_invoice: str = ""
    long_note: str = ""
    paid_invoice: str = ""


def stored_event(
    envelope: Envelope, *, partition: int, offset: int, appended_at: datetime
) -> StoredEvent | None:
    """What the index keeps of a record; ``None`` where its id is no name, so nobody's event."""
    if not _name(envelope.id):
        return None
    body = _body(envelope.data)
    resent_from = _name(envelope.extension(RESENT))
    return StoredEvent(
        partition=partition,
        offset=offset,
        event_id=envelope.id,
        form=Form.THIN if body.get("object") == _THIN else Form.SNAPSHOT,
        event_type=_name(body.get("type")),
        account=_name(envelope.extension("account")),
        object_id=_name(envelope.subject),
        created=_created(body.get("created")),
        received_at=envelope.time,
        appended_at=appended_at,
        via=_via(envelope, resent_from),
        endpoint=_name(envelope.extension("endpoint")),
        book=_name(envelope.extension("book")),
        livemode=envelope.extension("livemode") == "true",
        is_foreign=envelope.extension("foreign") == "true",
        resent_from=resent_from,
        long_invoice=_name(invoice_in(body)),
        long_note=_name(credit_note_in(body)),
        paid_invoice=_name(paid_invoice_in(body)),
    )


def _via(envelope: Envelope, resent_from: str) -> Via:
    if envelope.extension("via") == VIA_FETCHED:
        return Via.FETCHED
    return Via.RESENT if resent_from else Via.WEBHOOK


def _body(data: bytes) -> Mapping[str, object]:
    try:
        value = json_value(data)
    except ValueError:
        return {}
    return cast("dict[str, object]", value) if isinstance(value, dict) else {}


def _name(text: object) -> str:
    """Text that a column can hold and a terminal can show, else nothing."""
    is_name = isinstance(text, str) and len(text) <= _TEXT_CHARACTERS_MAX and text.isprintable()
    return cast("str", text) if is_name else ""


def _created(told: object) -> datetime | None:
    if type(told) is int and 0 <= told <= _LAST_SECOND:
        return datetime.fromtimestamp(told, UTC)
    try:
        # A thin event tells its time as text.
        return instant_of(told) if isinstance(told, str) else None
    except Unreadable:
        return None
