"""A million messages as Stripe sends them, cheap to make and the same each time.

Of 200 messages 120 are charges (an event, and its balance transaction as the poller tells it), 30
refunds told the same way, 20 transfers told the same way, 10 payouts told the same way, 10 disputes
(an event with its balance transactions in it), and 10 move no money. They come in a mixed order,
and each tenth is followed by one of a while ago told once more: an event byte for byte, a balance
transaction in its next state.
"""

import random
from collections import deque
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

import orjson

from shared.contracts import topics
from shared.contracts.envelope import Envelope
from shared.runtime.kafka import Publication

CYCLE: Final = 200
REPEATED_EACH: Final = 10
REPEATED_AFTER: Final = 1_000
CREATED: Final = 1_795_000_000
EVENTS_A_SECOND: Final = 4
_NUMBER: Final = 987_654_321
_AMOUNT: Final = 876_543
_NET: Final = 876_484
_CREATED: Final = 1_765_432_100
_CURRENCIES: Final = ("usd", "usd", "usd", "usd", "usd", "usd", "usd", "eur", "eur", "gbp")
_AT: Final = datetime(2026, 11, 1, tzinfo=UTC)
_METADATA: Final = {"order": "o_2026_11_00017", "cart": "c" * 40, "campaign": "autumn"}

_CHARGE: Final[dict[str, Any]] = {
    "id": f"ch_{_NUMBER}",
    "object": "charge",
    "amount": _AMOUNT,
    "amount_captured": _AMOUNT,
    "amount_refunded": 0,
    "application": None,
    "application_fee": None,
    "application_fee_amount": None,
    "balance_transaction": f"txn_{_NUMBER}",
    "billing_details": {
        "address": {"city": "Berlin", "country": "DE", "line1": "Kastanienallee 1", "line2": None},
        "email": "someone@example.com",
        "name": "Someone Else",
        "phone": None,
    },
    "calculated_statement_descriptor": "TALLYSTICK",
    "captured": True,
    "created": _CREATED,
    "currency": "zzz",
    "customer": "cus_NffrFeUfNV2Hib",
    "description": "Order 17 of the autumn campaign",
    "destination": None,
    "dispute": None,
    "disputed": False,
    "failure_balance_transaction": None,
    "failure_code": None,
    "failure_message": None,
    "fraud_details": {},
    "livemode": False,
    "metadata": _METADATA,
    "outcome": {
        "network_status": "approved_by_network",
        "reason": None,
        "risk_level": "normal",
        "risk_score": 32,
        "seller_message": "Payment complete.",
        "type": "authorized",
    },
    "paid": True,
    "payment_intent": f"pi_{_NUMBER}",
    "payment_method": "pm_1MqLiJLkdIwHu7ixUEgbFdYF",
    "payment_method_details": {
        "card": {
            "amount_authorized": _AMOUNT,
            "authorization_code": None,
            "brand": "mastercard",
            "checks": {"address_line1_check": None, "cvc_check": "pass"},
            "country": "DE",
            "exp_month": 9,
            "exp_year": 2029,
            "fingerprint": "mToisGZ01V71BCos",
            "funding": "credit",
            "last4": "4444",
            "network": "mastercard",
            "three_d_secure": None,
            "wallet": None,
        },
        "type": "card",
    },
    "receipt_email": None,
    "receipt_number": None,
    "receipt_url": "https://pay.example.com/receipts/" + "a" * 90,
    "refunded": False,
    "review": None,
    "shipping": None,
    "source_transfer": None,
    "statement_descriptor": None,
    "status": "succeeded",
    "transfer_data": None,
    "transfer_group": None,
}
_REFUND: Final[dict[str, Any]] = {
    "id": f"re_{_NUMBER}",
    "object": "refund",
    "amount": _AMOUNT,
    "balance_transaction": f"txn_re_{_NUMBER}",
    "charge": f"ch_{_NUMBER}",
    "created": _CREATED,
    "currency": "zzz",
    "destination_details": {"card": {"reference": "123456789012", "type": "refund"}},
    "metadata": _METADATA,
    "payment_intent": f"pi_{_NUMBER}",
    "reason": "requested_by_customer",
    "receipt_number": None,
    "source_transfer_reversal": None,
    "status": "succeeded",
    "transfer_reversal": None,
}
_TRANSFER: Final[dict[str, Any]] = {
    "id": f"tr_{_NUMBER}",
    "object": "transfer",
    "amount": _AMOUNT,
    "amount_reversed": 0,
    "balance_transaction": f"txn_tr_{_NUMBER}",
    "created": _CREATED,
    "currency": "zzz",
    "description": None,
    "destination": "acct_zzzzz",
    "destination_payment": f"py_{_NUMBER}",
    "livemode": False,
    "metadata": _METADATA,
    "reversals": {"object": "list", "data": [], "has_more": False, "total_count": 0},
    "reversed": False,
    "source_transaction": None,
    "source_type": "card",
    "transfer_group": None,
}
_PAYOUT: Final[dict[str, Any]] = {
    "id": f"po_{_NUMBER}",
    "object": "payout",
    "amount": _AMOUNT,
    "arrival_date": _CREATED,
    "automatic": True,
    "balance_transaction": f"txn_po_{_NUMBER}",
    "created": _CREATED,
    "currency": "zzz",
    "destination": "ba_1MtIhL2eZvKYlo2CAElKwKu2",
    "livemode": False,
    "metadata": {},
    "method": "standard",
    "reconciliation_status": "completed",
    "status": "paid",
    "type": "bank_account",
}
_CUSTOMER: Final[dict[str, Any]] = {
    "id": f"cus_{_NUMBER}",
    "object": "customer",
    "balance": 0,
    "created": _CREATED,
    "currency": "zzz",
    "email": "someone@example.com",
    "invoice_settings": {"custom_fields": None, "default_payment_method": None, "footer": None},
    "livemode": False,
    "metadata": _METADATA,
    "name": "Someone Else",
    "shipping": None,
}


def _movement(prefix: str, kind: str, sign: int, fee: int = 59) -> dict[str, Any]:
    name = f"txn_{prefix}_" if prefix != "ch" else "txn_"
    gross = sign * _AMOUNT
    return {
        "id": f"{name}{_NUMBER}",
        "object": "balance_transaction",
        "amount": gross,
        "available_on": 1_795_200_000,
        "balance_type": "payments",
        "created": _CREATED,
        "currency": "zzz",
        "description": "Order 17 of the autumn campaign",
        "exchange_rate": None,
        "fee": fee,
        "fee_details": [
            {"amount": fee, "application": None, "currency": "zzz", "type": "stripe_fee"}
        ],
        "net": (_NET if sign > 0 else -_AMOUNT) if fee else gross,
        "reporting_category": kind,
        "source": f"{prefix}_{_NUMBER}",
        "status": "pending",
        "type": "adjustment" if kind == "dispute" else kind,
    }


_DISPUTE: Final[dict[str, Any]] = {
    "id": f"du_{_NUMBER}",
    "object": "dispute",
    "amount": _AMOUNT,
    "balance_transactions": [_movement("du", "dispute", -1, fee=0)],
    "charge": f"ch_{_NUMBER}",
    "created": _CREATED,
    "currency": "zzz",
    "evidence": dict.fromkeys(("access_activity_log", "billing_address", "receipt"), None),
    "evidence_details": {"due_by": _CREATED, "has_evidence": False, "submission_count": 0},
    "is_charge_refundable": False,
    "livemode": False,
    "metadata": {},
    "reason": "general",
    "status": "needs_response",
}


def _template(shown: dict[str, Any]) -> bytes:
    """The bytes of an object as a format: its number, amounts, time and names left open."""
    text = orjson.dumps(shown).replace(b"%", b"%%")
    for told, place in (
        (str(_NUMBER), b"%(n)d"),
        (str(_AMOUNT), b"%(amount)d"),
        (str(_NET), b"%(net)d"),
        (str(_CREATED), b"%(at)d"),
        ("zzzzz", b"%(to)b"),
        ("zzz", b"%(cur)b"),
    ):
        text = text.replace(told.encode(), place)
    return text


def _event(kind: str, shown: dict[str, Any]) -> tuple[str, bytes, str]:
    body = {
        "id": f"evt_{shown['id']}",
        "object": "event",
        "api_version": "2026-06-24",
        "created": _CREATED,
        "data": {"object": shown},
        "livemode": False,
        "pending_webhooks": 1,
        "request": {"id": "req_QyDCzn33ls4m2t", "idempotency_key": "k" * 36},
        "type": kind,
    }
    return topics.STRIPE_EVENTS, _template(body), str(shown["id"]).replace(str(_NUMBER), "")


def _polled(shown: dict[str, Any]) -> tuple[str, bytes, str]:
    return topics.STRIPE_OBJECTS, _template(shown), str(shown["id"]).replace(str(_NUMBER), "")


_SENT_ON: Final = _CHARGE | {
    "transfer_data": {"amount": None, "destination": "acct_zzzzz"},
    "destination": "acct_zzzzz",
}
# Each form with the numbers that it has within a cycle.
_FORMS: Final = (
    (_event("charge.succeeded", _CHARGE), range(54)),
    (_event("charge.succeeded", _SENT_ON), range(54, 60)),
    (_polled(_movement("ch", "charge", 1)), range(60)),
    (_event("refund.created", _REFUND), range(15)),
    (_polled(_movement("re", "refund", -1, 0)), range(15)),
    (_event("transfer.created", _TRANSFER), range(10)),
    (_polled(_movement("tr", "transfer", -1, 0)), range(10)),
    (_event("payout.paid", _PAYOUT), range(5)),
    (_polled(_movement("po", "payout", -1, 0)), range(5)),
    (_event("charge.dispute.created", _DISPUTE), range(10)),
    (_event("customer.updated", _CUSTOMER), range(10)),
)
_HOT: Final = (
    (_event("charge.succeeded", _SENT_ON), range(60)),
    (_polled(_movement("ch", "charge", 1)), range(60)),
)


def messages(count: int, *, hot: bool = False) -> Iterator[Publication]:
    """So many messages; where ``hot``, charges alone, all owed to one connected account."""
    forms = _HOT if hot else _FORMS
    made: list[tuple[str, bytes, str, int]] = []
    for (topic, form, prefix), numbers in forms:
        made += [(topic, form, prefix, number) for number in numbers]
    random.Random(17).shuffle(made)  # the same mixed order each time
    earlier: deque[Publication] = deque()
    sent = cycle = 0
    while True:
        for topic, form, prefix, number in made:
            if sent >= count:
                return
            told = _told(topic, form, prefix, cycle * 60 + number, hot=hot)
            earlier.append(told)
            yield told
            sent += 1
            if len(earlier) > REPEATED_AFTER:
                earlier.popleft()
            if sent % (REPEATED_EACH + 1) == REPEATED_EACH and sent < count:
                yield _again(earlier[0])
                sent += 1
        cycle += 1


def _told(topic: str, form: bytes, prefix: str, number: int, *, hot: bool) -> Publication:
    amount = 1_000 + number * 7 % 50_000
    body = form % {
        b"n": number,
        b"amount": amount,
        b"net": amount - 59,
        b"at": CREATED + number // EVENTS_A_SECOND,
        b"to": b"hot" if hot else b"%d" % (number % 500),
        b"cur": _CURRENCIES[number % 10].encode(),
    }
    subject = f"{prefix}{number}"
    if topic == topics.STRIPE_EVENTS:
        envelope = Envelope(
            id=f"evt_{subject}",
            source="stripe/main",
            type="com.stripe.event",
            time=_AT,
            data=body,
            subject=subject,
            extensions={
                "book": "main",
                "endpoint": "main",
                "livemode": "false",
                "signature": f"t=1795000000,v1={'0' * 64}",
                "verdict": "accepted",
                "via": "webhook",
            },
        )
    else:
        envelope = Envelope(
            id=f"{subject}:1",
            source="stripe/main",
            type="com.stripe.object",
            time=_AT,
            data=body,
            subject=subject,
            extensions={"book": "main", "livemode": "false", "via": "poll"},
        )
    return Publication(topic, topics.stripe_key("", subject), envelope)


def _again(told: Publication) -> Publication:
    """A delivery made once more; a polled object is published once more as it has changed."""
    envelope = told.envelope
    if envelope is None or told.topic == topics.STRIPE_EVENTS:
        return told
    return Publication(
        told.topic,
        told.key,
        Envelope(
            id=f"{envelope.subject}:2",
            source=envelope.source,
            type=envelope.type,
            time=envelope.time,
            data=envelope.data.replace(b'"status":"pending"', b'"status":"available"'),
            subject=envelope.subject,
            extensions=envelope.extensions,
        ),
    )
