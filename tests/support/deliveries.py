"""Deliveries that were tampered with, and the law that every one of them is judged by."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, Final
from unittest.mock import patch

import stripe
from stripe import _webhook as stripe_webhook  # its clock is set, so that both read one time

from services.ingest.admission import Admitted, Turned, admission
from services.ingest.endpoints import Endpoint, EndpointKind, Payload
from services.ingest.signature import Secret, header_of, signature_of
from shared.contracts.books import BookData, BookMap, Mode
from shared.contracts.envelope import envelope_of
from shared.contracts.journal import Book

NOW: Final = 1_795_233_906
AT: Final = datetime.fromtimestamp(NOW, UTC)
SECRET: Final = "whsec_of_the_door"
BOOKS: Final = BookMap(
    books=(BookData(name="main", mode=Mode.TEST, stripe_accounts=("acct_own",)),)
)
ENDPOINT: Final = Endpoint(
    name="main",
    kind=EndpointKind.ACCOUNT,
    mode=Mode.TEST,
    account="acct_own",
    book=Book("main"),
    secrets=(Secret("current", SECRET),),
)
THIN_ENDPOINT: Final = Endpoint(
    name="thin",
    kind=EndpointKind.ACCOUNT,
    mode=Mode.TEST,
    account="acct_own",
    book=Book("main"),
    secrets=(Secret("current", SECRET),),
    payload=Payload.THIN,
)
SNAPSHOT: Final[dict[str, Any]] = {  # JSON: values of any kind
    "id": "evt_1",
    "object": "event",
    "account": None,
    "api_version": "2026-10-28.endive",
    "context": None,
    "created": NOW - 5,
    "data": {"object": {"id": "ch_1", "object": "charge", "amount": 2**53 + 1, "note": "Æ ✓"}},
    "livemode": False,
    "pending_webhooks": 1,
    "request": {"id": "req_1", "idempotency_key": None},
    "type": "charge.succeeded",
}
THIN: Final[dict[str, Any]] = {  # JSON: values of any kind
    "id": "evt_test_65R9",
    "object": "v2.core.event",
    "context": None,
    "created": "2026-11-21T04:05:05.123Z",
    "livemode": False,
    "reason": None,
    "related_object": {"id": "ch_1", "type": "charge", "url": "/v1/charges/ch_1"},
    "type": "v1.charge.succeeded",
}
# Any: the library leaves the types of two defaults open.
_LIBRARY: Final[Any] = stripe.WebhookSignature


@dataclass(frozen=True, slots=True)
class Delivery:
    """A body with the header that it came with."""

    body: bytes
    header: str


def delivery_of(event: dict[str, Any]) -> Delivery:
    """An event as Stripe sends it, just now."""
    body = json.dumps(event, ensure_ascii=False, indent=2).encode()
    return Delivery(body, header_of(body, SECRET, NOW))


TRUE_SNAPSHOT: Final = delivery_of(SNAPSHOT)
TRUE_THIN: Final = delivery_of(THIN)


def judged(delivery: Delivery, endpoint: Endpoint = ENDPOINT) -> Admitted | Turned:
    """The door's verdict, after the law has been held against it.

    Raises:
        AssertionError: The law is broken.
    """
    told = admission(delivery.body, delivery.header, endpoint, BOOKS, received_at=AT)
    if isinstance(told, Turned):
        assert told.status == 400
        assert told.detail
        assert SECRET not in told.detail
        return told
    timestamp = delivery.header.partition("t=")[2].partition(",")[0]
    assert f"v1={signature_of(delivery.body, SECRET, timestamp)}" in delivery.header.split(",")
    assert library_refuses(delivery) == ""
    assert told.envelope.data == delivery.body
    assert envelope_of(told.envelope.headers(), told.envelope.data) == told.envelope
    return told


def library_refuses(delivery: Delivery) -> str:
    """What the ``stripe`` library raises at a delivery; empty where it takes it."""
    with patch.object(stripe_webhook, "time", SimpleNamespace(time=lambda: NOW)):
        try:
            if b"v2.core.event" in delivery.body:
                _LIBRARY.verify_header(delivery.body, delivery.header, SECRET, 300)
            else:
                stripe.Webhook.construct_event(delivery.body, delivery.header, SECRET)
        except Exception as error:  # noqa: BLE001  # whatever it raises is a refusal
            return f"{type(error).__name__}: {error}"
    return ""
