"""Stripe's and the bank's words for a story of `tallystick preview`, as a stranger writes them."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

Json = dict[str, Any]  # Any: Stripe's and the preview's JSON
DAY = 86_400
T0 = 1_793_000_000  # 2026-10-26T07:33:20Z, a Monday


def event(kind: str, obj: Json, at: int = T0, **extra: Any) -> Json:
    """A snapshot event, its id made of its type and object."""
    return {
        "topic": "stripe.events",
        "received_at": _rfc(at + 2),
        "value": {
            "id": f"evt_{kind.replace('.', '_')}_{obj['id']}_{at}",
            "object": "event",
            "api_version": "2026-10-28.endive",
            "created": at,
            "livemode": True,
            "pending_webhooks": 1,
            "request": {"id": None, "idempotency_key": None},
            "type": kind,
            "data": {"object": obj},
        }
        | extra,
    }


def polled(obj: Json, at: int = T0, **extra: Any) -> Json:
    return {"topic": "stripe.objects", "value": obj, "received_at": _rfc(at + 60)} | extra


def _rfc(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat().replace("+00:00", "Z")


def _day(at: int) -> str:
    return _rfc(at)[:10]


def charge(cid: str, amount: int, currency: str = "usd", **extra: Any) -> Json:
    return {
        "id": cid,
        "object": "charge",
        "amount": amount,
        "amount_captured": amount,
        "amount_refunded": 0,
        "balance_transaction": None,
        "captured": True,
        "created": T0,
        "currency": currency,
        "livemode": True,
        "paid": True,
        "refunded": False,
        "status": "succeeded",
        "transfer_data": None,
    } | extra


def txn(
    tid: str, kind: str, amount: int, fee: int, source: str, currency: str = "usd", **extra: Any
) -> Json:
    no_details: list[Json] = []
    return {
        "id": tid,
        "object": "balance_transaction",
        "amount": amount,
        "available_on": T0 + 2 * DAY,
        "balance_type": "payments",
        "created": T0,
        "currency": currency,
        "description": None,
        "exchange_rate": None,
        "fee": fee,
        "fee_details": no_details,
        "net": amount - fee,
        "reporting_category": extra.pop("category", kind),
        "source": source,
        "status": "pending",
        "type": kind,
    } | extra


def refund(rid: str, cid: str, amount: int, status: str = "succeeded", **extra: Any) -> Json:
    return {
        "id": rid,
        "object": "refund",
        "amount": amount,
        "balance_transaction": None,
        "charge": cid,
        "created": T0 + DAY,
        "currency": "usd",
        "status": status,
    } | extra


def payout(
    pid: str, amount: int, status: str = "paid", currency: str = "usd", **extra: Any
) -> Json:
    return {
        "id": pid,
        "object": "payout",
        "amount": amount,
        "arrival_date": T0 - T0 % DAY + 4 * DAY,
        "automatic": True,
        "balance_transaction": f"txn_{pid}",
        "created": T0 + 2 * DAY,
        "currency": currency,
        "destination": "ba_1",
        "failure_balance_transaction": None,
        "failure_code": None,
        "livemode": True,
        "method": "standard",
        "reconciliation_status": "completed",
        "source_type": "card",
        "statement_descriptor": None,
        "status": status,
        "trace_id": None,
        "type": "bank_account",
    } | extra


def line(
    lid: str,
    minor: int,
    *,
    day: int = 4,
    text: str = "",
    currency: str = "usd",
    exponent: int = 2,
    account: str = "main",
    **extra: Any,
) -> Json:
    return {
        "topic": "bank.observations",
        "received_at": _rfc(T0 + day * DAY + 3600),
        "value": {
            "kind": "line",
            "account": account,
            "id": lid,
            "amount": {"minor": str(minor), "currency": currency, "exponent": exponent},
            "booked_on": _day(T0 + day * DAY),
            "description": text,
            "reference": "",
        }
        | extra,
    }


@dataclass
class Story:
    name: str
    told: list[Json]
    books: dict[tuple[str, str, str], int]
    discrepancies: set[tuple[str, str, int]] = field(default_factory=set)
    matches: set[tuple[str, tuple[str, ...], int]] = field(default_factory=set)
    as_of: int = T0 + 5 * DAY
    options: tuple[str, ...] = ()
    refused: int = 0


SALE = [
    event("charge.succeeded", charge("ch_1", 10_000)),
    event("charge.updated", charge("ch_1", 10_000, balance_transaction="txn_1"), T0 + 1),
    event(
        "payment_intent.succeeded",
        {
            "id": "pi_1",
            "object": "payment_intent",
            "amount": 10_000,
            "amount_received": 10_000,
            "currency": "usd",
            "status": "succeeded",
            "livemode": True,
            "latest_charge": "ch_1",
            "created": T0,
        },
    ),
    polled(txn("txn_1", "charge", 10_000, 320, "ch_1")),
]
SALE_BOOKS = {
    ("assets:stripe:balance", "", "usd"): 9_680,
    ("expenses:stripe-fees", "", "usd"): 320,
    ("revenue:stripe", "", "usd"): -10_000,
}
PAYOUT = [
    event("payout.created", payout("po_1", 9_680, "pending"), T0 + 2 * DAY),
    event("payout.paid", payout("po_1", 9_680), T0 + 4 * DAY),
    polled(txn("txn_po_1", "payout", -9_680, 0, "po_1")),
]
