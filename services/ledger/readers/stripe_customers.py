"""Whose a payment is, as payment intents and checkout sessions say it."""

from services.ledger.readers import fields as read
from services.ledger.readers.billed import CustomerNamed
from services.ledger.readers.exact_json import JsonObject, as_object

_LENGTH_MAX = 200


def customer_named(kind: str, fields: JsonObject) -> CustomerNamed | None:
    """The customer of a paid payment; ``None`` while it is not paid, or nobody says whose it is.

    A checkout without a customer is that of the email address which was typed there, in small
    letters. Without either the payment stands for its customer.

    Raises:
        Refused: An amount, an id or a time that it needs is none.
    """
    read.ident(fields)
    if kind == "payment_intent":
        payment, is_paid = read.ident(fields), read.text(fields, "status") == "succeeded"
        customer, amount = read.link(fields, "customer"), "amount_received"
    else:
        payment, is_paid = (
            read.link(fields, "payment_intent"),
            read.text(fields, "payment_status") == "paid",
        )
        customer, amount = read.link(fields, "customer") or _email(fields), "amount_total"
    if not is_paid or not payment or not customer or fields.get(amount) is None:
        return None
    return CustomerNamed(
        payment=payment,
        customer=customer,
        amount=read.not_negative(fields, amount),
        at=read.instant(fields),
    )


def _email(fields: JsonObject) -> str:
    details = as_object(fields.get("customer_details")) or {}
    told = read.text(details, "email") or read.text(fields, "customer_email")
    email = told.strip().lower()
    return email if "@" in email and len(email) <= _LENGTH_MAX and email.isprintable() else ""
