"""Stripe's objects for the walk: of test mode, otherwise as the stories tell them."""

from tests.support import stories
from tests.walk.walking import Json

T0 = stories.T0


def amount(minor: int, currency: str = "usd", exponent: int = 2) -> Json:
    """Money as it stands on the wire."""
    return {"minor": str(minor), "currency": currency, "exponent": exponent}


def charge(charge_id: str, amount: int, currency: str = "usd", **changes: object) -> Json:
    """A captured charge."""
    return stories.charge(charge_id, amount, currency) | {"livemode": False} | changes


def movement(
    txn_id: str, kind: str, amount: int, fee: int, source: object, **changes: object
) -> Json:
    """A balance transaction; in the category of its type's name unless ``category`` says one."""
    category = {"reporting_category": changes.pop("category", kind)}
    return stories.txn(txn_id, kind, amount, fee, "") | {"source": source} | category | changes


def refund(refund_id: str, charge_id: str, amount: int, **changes: object) -> Json:
    """A refund that succeeded, unless it says otherwise."""
    return stories.refund(refund_id, charge_id, amount) | changes


def payout(payout_id: str, amount: int, status: str, **changes: object) -> Json:
    """A payout to a bank account."""
    return stories.payout(payout_id, amount, status) | {"livemode": False} | changes


def transfer(transfer_id: str, amount: int, *reversals: Json, **changes: object) -> Json:
    """A transfer to a connected account, with the reversals that it shows."""
    return {
        "id": transfer_id,
        "object": "transfer",
        "amount": amount,
        "amount_reversed": sum(int(each["amount"]) for each in reversals),
        "balance_transaction": None,
        "created": T0,
        "currency": "usd",
        "destination": "acct_1Merchant",
        "livemode": False,
        "reversals": {"object": "list", "data": list(reversals), "has_more": False},
        "reversed": False,
        "source_transaction": None,
    } | changes


def reversal(reversal_id: str, transfer_id: str, amount: int, **changes: object) -> Json:
    """One reversal of a transfer."""
    return {
        "id": reversal_id,
        "object": "transfer_reversal",
        "amount": amount,
        "created": T0,
        "currency": "usd",
        "source_refund": None,
        "transfer": transfer_id,
    } | changes


def dispute(dispute_id: str, status: str, *movements: Json, **changes: object) -> Json:
    """A dispute with the balance transactions that it shows."""
    return {
        "id": dispute_id,
        "object": "dispute",
        "amount": 5_000,
        "balance_transactions": list(movements),
        "charge": "ch_disputed",
        "created": T0,
        "currency": "usd",
        "livemode": False,
        "status": status,
    } | changes


def invoice(
    invoice_id: str, lines: list[Json], *, tax: int = 0, at: int = T0, **changes: object
) -> Json:
    """An open invoice of today's version, finalized at a time: its lines and the tax on top."""
    net = sum(int(line["amount"]) for line in lines)
    return {
        "id": invoice_id,
        "object": "invoice",
        "amount_due": net + tax,
        "amount_paid": 0,
        "amount_remaining": net + tax,
        "created": at,
        "currency": "usd",
        "customer": "cus_1",
        "ending_balance": 0,
        "lines": {"object": "list", "data": lines, "has_more": False, "total_count": len(lines)},
        "livemode": False,
        "starting_balance": 0,
        "status": "open",
        "status_transitions": {"finalized_at": at},
        "total": net + tax,
        "total_excluding_tax": net,
        "total_taxes": [{"amount": tax, "tax_behavior": "exclusive"}],
    } | changes


def ended(shown: Json, status: str, at: int, **changes: object) -> Json:
    """The same invoice when it was paid, voided or given up, at a time."""
    word = {"paid": "paid_at", "void": "voided_at", "uncollectible": "marked_uncollectible_at"}
    passed = shown["status_transitions"] | {word[status]: at}
    return shown | {"status": status, "status_transitions": passed} | changes


def invoice_line(line_id: str, amount: int, since: int, days: int) -> Json:
    """A line that is served from a time on for so many days."""
    return {
        "id": line_id,
        "object": "line_item",
        "amount": amount,
        "currency": "usd",
        "discount_amounts": [],
        "period": {"start": since, "end": since + days * stories.DAY},
        "pricing": {"type": "price_details"},
        "taxes": [],
    }


def invoice_payment(payment_id: str, invoice_id: str, amount: int, intent: str, at: int) -> Json:
    """What a payment intent paid of an invoice, as versions since 2025-03-31 tell it."""
    return {
        "id": payment_id,
        "object": "invoice_payment",
        "amount_paid": amount,
        "amount_requested": amount,
        "created": at,
        "currency": "usd",
        "invoice": invoice_id,
        "livemode": False,
        "payment": {"type": "payment_intent", "payment_intent": intent},
        "status": "paid",
        "status_transitions": {"paid_at": at},
    }


def credit_note(
    note_id: str, shown: Json, line_id: str, amount: int, at: int, **changes: object
) -> Json:
    """A credit note that lowers what is due of one line of an open invoice."""
    return {
        "id": note_id,
        "object": "credit_note",
        "amount": amount,
        "created": at,
        "currency": "usd",
        "customer": shown["customer"],
        "invoice": shown["id"],
        "lines": {"object": "list", "data": [{"invoice_line_item": line_id, "amount": amount}]},
        "livemode": False,
        "post_payment_amount": 0,
        "pre_payment_amount": amount,
        "status": "issued",
        "total": amount,
        "type": "pre_payment",
    } | changes
