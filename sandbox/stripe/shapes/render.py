"""One door to the shapes: any object of the simulated Stripe as it is told on the wire."""

from typing import Final, assert_never

from sandbox.stripe.facts import (
    AnyFact,
    ApplicationFee,
    BalanceTransaction,
    Charge,
    CreditNote,
    Dispute,
    Event,
    FeeRefund,
    Invoice,
    InvoicePayment,
    PaymentIntent,
    Payout,
    Refund,
    ReserveHold,
    ReserveRelease,
    Session,
    Topup,
    Transfer,
    TransferReversal,
)
from sandbox.stripe.shapes import billing, money, payments
from sandbox.stripe.shapes.view import View
from sandbox.world.jsons import JsonObject

API_VERSION: Final = "2026-10-28.endive"


def rendered(fact: AnyFact, view: View) -> JsonObject:  # noqa: C901, PLR0912 - a case a kind
    """The object as the API and the events show it."""
    match fact:
        case Charge():
            return payments.charge_object(fact, view)
        case PaymentIntent():
            return payments.payment_intent_object(fact, view)
        case Refund():
            return payments.refund_object(fact, view)
        case Dispute():
            return payments.dispute_object(fact, view)
        case BalanceTransaction():
            return money.balance_transaction_object(fact, view)
        case Payout():
            return money.payout_object(fact, view)
        case Topup():
            return money.topup_object(fact, view)
        case Transfer():
            return money.transfer_object(fact, view)
        case TransferReversal():
            return money.reversal_object(fact, view)
        case ApplicationFee():
            return money.application_fee_object(fact, view)
        case FeeRefund():
            return money.fee_refund_object(fact, view)
        case Invoice():
            return billing.invoice_object(fact, view)
        case InvoicePayment():
            return billing.invoice_payment_object(fact, view)
        case CreditNote():
            return billing.credit_note_object(fact, view)
        case Session():
            return billing.session_object(fact, view)
        case ReserveHold():
            return money.reserve_hold_object(fact, view)
        case ReserveRelease():
            return money.reserve_release_object(fact, view)
        case Event():
            return event_object(fact, pending_webhooks=0)
        case _:
            assert_never(fact)


def event_object(event: Event, *, pending_webhooks: int, platform: str | None = None) -> JsonObject:
    """An event; ``account`` is there only when it is a connected account's.

    ``data.object`` is the form which the object had at the event, whenever this is called.
    """
    data: JsonObject = {"object": event.data}
    if event.previous is not None:
        data["previous_attributes"] = event.previous
    shown: JsonObject = {
        "id": event.id,
        "object": "event",
        "api_version": API_VERSION,
        "created": event.created,
        "data": data,
        "livemode": event.livemode,
        "pending_webhooks": pending_webhooks,
        "request": {"id": event.request_id, "idempotency_key": None},
        "type": event.type,
    }
    if platform is not None and event.owner != platform:
        shown["account"] = event.owner
    return shown


def account_object(account: str, *, created: int, country: str = "US") -> JsonObject:
    """The account that asks, as far as a treasury needs it."""
    return {
        "id": account,
        "object": "account",
        "business_profile": {"name": "Tallystick Demo", "url": "https://example.com"},
        "business_type": "company",
        "capabilities": {"card_payments": "active", "transfers": "active"},
        "charges_enabled": True,
        "controller": {"type": "account"},
        "country": country,
        "created": created,
        "default_currency": "usd",
        "details_submitted": True,
        "email": "treasury@example.com",
        "metadata": {},
        "payouts_enabled": True,
        "settings": {
            "dashboard": {"display_name": "Tallystick Demo", "timezone": "Etc/UTC"},
            "payouts": {"debit_negative_balances": True, "statement_descriptor": None},
        },
        "type": "standard",
    }


def webhook_endpoint_object(
    endpoint: str, *, url: str, created: int, livemode: bool, is_disabled: bool = False
) -> JsonObject:
    """The endpoint that events are sent to; its secret is never shown again."""
    return {
        "id": endpoint,
        "object": "webhook_endpoint",
        "api_version": API_VERSION,
        "application": None,
        "created": created,
        "description": None,
        "enabled_events": ["*"],
        "livemode": livemode,
        "metadata": {},
        "status": "disabled" if is_disabled else "enabled",
        "url": url,
    }
