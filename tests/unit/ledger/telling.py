"""Stripe's objects, events and the core's input, for tests of the rules."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from services.ledger.activation.in_force import InForce
from services.ledger.posting_rules import Decision, Input, decide
from shared.contracts import topics
from shared.contracts.envelope import Envelope
from shared.contracts.journal import render

Json = dict[str, object]
NOW: Final = datetime(2026, 11, 21, 4, 5, 6, tzinfo=UTC)
CREATED: Final = 1_793_000_000


def told(topic: str, value: object, /, **extensions: str) -> Input:
    """A message of a topic."""
    return told_bytes(topic, json.dumps(value).encode(), **extensions)


def told_bytes(topic: str, raw: bytes, /, **extensions: str) -> Input:
    """A message of a topic, of these very bytes."""
    envelope = Envelope(
        id="msg_1", source="test", type="test", time=NOW, data=raw, extensions=extensions
    )
    return Input(topic, envelope, NOW)


def event(kind: str, shown: Mapping[str, object], **fields: object) -> Json:
    """A snapshot event."""
    return {
        "id": "evt_1",
        "object": "event",
        "api_version": "2026-10-28.endive",
        "created": CREATED + 5,
        "data": {"object": shown},
        "livemode": True,
        "pending_webhooks": 1,
        "request": {"id": None, "idempotency_key": None},
        "type": kind,
    } | fields


def charge(**fields: object) -> Json:
    """A captured charge of 100.00 USD."""
    return {
        "id": "ch_1",
        "object": "charge",
        "amount": 10_000,
        "amount_captured": 10_000,
        "amount_refunded": 0,
        "balance_transaction": None,
        "captured": True,
        "created": CREATED,
        "currency": "usd",
        "livemode": True,
        "paid": True,
        "refunded": False,
        "status": "succeeded",
        "transfer_data": None,
    } | fields


def refund(**fields: object) -> Json:
    """A refund of 25.00 USD."""
    return {
        "id": "re_1",
        "object": "refund",
        "amount": 2_500,
        "balance_transaction": None,
        "charge": "ch_1",
        "created": CREATED + 60,
        "currency": "usd",
        "reason": None,
        "status": "succeeded",
    } | fields


def transfer(**fields: object) -> Json:
    """A transfer of 90.00 USD to a connected account."""
    return {
        "id": "tr_1",
        "object": "transfer",
        "amount": 9_000,
        "amount_reversed": 0,
        "balance_transaction": "txn_2",
        "created": CREATED,
        "currency": "usd",
        "destination": "acct_m",
        "livemode": True,
        "reversals": listed(),
        "reversed": False,
        "source_transaction": "ch_1",
    } | fields


def reversal(**fields: object) -> Json:
    """A reversal of 10.00 USD of that transfer."""
    return {
        "id": "trr_1",
        "object": "transfer_reversal",
        "amount": 1_000,
        "balance_transaction": "txn_3",
        "created": CREATED + 90,
        "currency": "usd",
        "source_refund": None,
        "transfer": "tr_1",
    } | fields


def txn(**fields: object) -> Json:
    """The balance transaction of that charge: 100.00, fee 3.20, net 96.80 USD."""
    no_details: list[Json] = []
    return {
        "id": "txn_1",
        "object": "balance_transaction",
        "amount": 10_000,
        "available_on": CREATED + 172_800,
        "balance_type": "payments",
        "created": CREATED,
        "currency": "usd",
        "description": None,
        "exchange_rate": None,
        "fee": 320,
        "fee_details": no_details,
        "net": 9_680,
        "reporting_category": "charge",
        "source": "ch_1",
        "status": "pending",
        "type": "charge",
    } | fields


def moved(kind: str, amount: int, fee: int = 0, **fields: object) -> Json:
    """A balance transaction of a type, its net as Stripe computes it."""
    return txn(
        type=kind, amount=amount, fee=fee, net=amount - fee, **{"reporting_category": kind} | fields
    )


def listed(*items: object, has_more: bool = False) -> Json:
    """A Stripe list, newest first as Stripe keeps it."""
    return {"object": "list", "data": list(items), "has_more": has_more, "url": "/v1/things"}


def of_event(
    shown: Mapping[str, object], kind: str = "thing.updated", /, **fields: object
) -> Decision:
    """The decision on an event that shows an object."""
    return decide(told(topics.STRIPE_EVENTS, event(kind, shown, **fields)), InForce())


def of_object(shown: object, **extensions: str) -> Decision:
    """The decision on a polled object."""
    return decide(told(topics.STRIPE_OBJECTS, shown, **extensions), InForce())


def books(decision: Decision) -> str:
    """Entries as a bookkeeper writes them, each under its reference."""
    return "\n".join(f"{e.reference}\n{render(e)}" for e in decision.entries)


def said(decision: Decision) -> list[tuple[str, str, str]]:
    """Outcome, reason and subject of each remark."""
    return [(r.outcome.value, r.reason, r.subject) for r in decision.remarks]


def legs(shown: Json) -> str:
    """The postings of a polled balance transaction, without its reference."""
    return books(of_object(shown)).partition("\n")[2]


def balances(*shown: Json) -> dict[tuple[str, str, str], int]:
    """What is left on each account, key and currency after these objects, each fact once."""
    entries = {e.reference: e for each in shown for e in of_object(each).entries}
    left: dict[tuple[str, str, str], int] = {}
    for entry in entries.values():
        for p in entry.postings:
            at = (str(p.account), p.key, p.amount.currency.code)
            left[at] = left.get(at, 0) + p.signed_minor
    return {at: minor for at, minor in left.items() if minor}
