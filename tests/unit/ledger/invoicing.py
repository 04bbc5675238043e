"""Invoices, their payments and credit notes as Stripe tells them, for tests of the rules."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Final, cast

from msgspec import structs

from services.ledger.activation.in_force import InForce
from services.ledger.posting_rules import Decision, decide
from shared.contracts import topics
from shared.contracts.books import Basis, BookData, BookMap
from tallystick.preview.books import Books
from tests.unit.ledger.telling import CREATED, Json, event, listed, told

DAY = 86_400
RECEIVED: Final = datetime(2024, 6, 12, tzinfo=UTC)
FINALIZED = CREATED + 100
PAID = CREATED + 7_200
ACCRUAL = InForce(BookMap(books=(BookData(basis=Basis.ACCRUAL),)))
FIRST_RULES = replace(ACCRUAL, rules_version=1)
CASH = InForce(BookMap(books=(BookData(),)))


def line(amount: int = 120_000, days: int = 365, **fields: object) -> Json:
    """A line of a year, in the shape of today."""
    none: list[Json] = []
    return {
        "id": "il_1",
        "object": "line_item",
        "amount": amount,
        "currency": "usd",
        "discount_amounts": none,
        "invoice": "in_1",
        "parent": {"type": "subscription_item_details"},
        "period": {"start": CREATED, "end": CREATED + days * DAY},
        "pricing": {"type": "price_details", "unit_amount_decimal": str(amount)},
        "quantity": 1,
        "taxes": none,
    } | fields


def taxed(amount: int, behavior: str = "exclusive") -> Json:
    """A tax in the shape of today."""
    return {"amount": amount, "tax_behavior": behavior, "type": "tax_rate_details"}


def invoice(*lines: Json, tax: int = 0, status: str = "open", **fields: object) -> Json:
    """A finalized invoice in the shape of today, of these lines and a tax on top of them."""
    subtotal = sum(int(str(each["amount"])) for each in lines)
    total = subtotal + tax
    return {
        "id": "in_1",
        "object": "invoice",
        "amount_due": max(total, 0),
        "amount_overpaid": 0,
        "amount_paid": total if status == "paid" else 0,
        "amount_remaining": 0 if status == "paid" else max(total, 0),
        "created": CREATED,
        "currency": "usd",
        "customer": "cus_1",
        "ending_balance": 0,
        "lines": listed(*lines),
        "livemode": True,
        "parent": {
            "type": "subscription_details",
            "subscription_details": {"subscription": "sub_1"},
        },
        "post_payment_credit_notes_amount": 0,
        "pre_payment_credit_notes_amount": 0,
        "starting_balance": 0,
        "status": status,
        "status_transitions": {
            "finalized_at": FINALIZED,
            "marked_uncollectible_at": None,
            "paid_at": PAID if status == "paid" else None,
            "voided_at": PAID if status == "void" else None,
        },
        "subtotal": subtotal,
        "total": total,
        "total_excluding_tax": subtotal,
        "total_taxes": [taxed(tax)] if tax else [],
    } | fields


def payment(amount: int, **fields: object) -> Json:
    """An invoice payment through a payment intent."""
    return {
        "id": "inpay_1",
        "object": "invoice_payment",
        "amount_paid": amount,
        "amount_requested": amount,
        "created": CREATED,
        "currency": "usd",
        "invoice": "in_1",
        "is_default": True,
        "livemode": True,
        "payment": {"type": "payment_intent", "payment_intent": "pi_1"},
        "status": "paid",
        "status_transitions": {"canceled_at": None, "paid_at": PAID},
    } | fields


def credit_note(total: int, tax: int = 0, **fields: object) -> Json:
    """A credit note that lowers an open invoice, in the shape of today."""
    return {
        "id": "cn_1",
        "object": "credit_note",
        "amount": total,
        "created": PAID + DAY,
        "currency": "usd",
        "customer": "cus_1",
        "customer_balance_transaction": None,
        "invoice": "in_1",
        "lines": listed(),
        "livemode": True,
        "out_of_band_amount": None,
        "post_payment_amount": 0,
        "pre_payment_amount": total,
        "refunds": [],
        "status": "issued",
        "total": total,
        "total_excluding_tax": total - tax,
        "total_taxes": [taxed(tax)] if tax else [],
        "type": "pre_payment",
        "voided_at": None,
    } | fields


def told_by(shown: Json, in_force: InForce = ACCRUAL, kind: str = "invoice.updated") -> Decision:
    """What an event that shows this object means."""
    return decide(told(topics.STRIPE_EVENTS, event(kind, shown)), in_force)


MONTH: Final = line(10_000, 31)


def given_up(status: str = "uncollectible", **fields: object) -> Json:
    """An invoice of 119.00 that was given up, and what became of it."""
    shown = invoice(MONTH, tax=1_900, status=status, **fields)
    passed = shown["status_transitions"]
    given_up_at = {"marked_uncollectible_at": FINALIZED + 60}
    return shown | {"status_transitions": cast("Json", passed) | given_up_at}


def left(
    *shown: Json, in_force: InForce = ACCRUAL, until: datetime | None = None
) -> dict[str, int]:
    """What is left on each account and key after all of these, each an event, in their order.

    With ``until``, of what had taken effect by then.
    """
    taken = Books()
    for each in shown:
        taken.take(structs.replace(told_by(each, in_force), identity=None), RECEIVED)
    sums: dict[str, int] = {}
    for recorded in taken.entries():
        for posting in recorded.entry.postings:
            if until is None or recorded.entry.effective_at <= until:
                name = f"{posting.account}[{posting.key}]" if posting.key else str(posting.account)
                sums[name] = sums.get(name, 0) + posting.signed_minor
    assert sum(sums.values()) == 0
    return {name: minor for name, minor in sums.items() if minor}
