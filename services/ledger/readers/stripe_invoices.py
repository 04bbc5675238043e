"""Stripe's invoices, their payments and credit notes, in the shapes of all versions since 2020.

An invoice's amounts stand once it is finalized, its states once they are reached. What still moves
(``amount_due``, ``amount_paid``, ``amount_remaining``) is read only in a state that ends it.
"""

from collections.abc import Iterable
from datetime import MAXYEAR, UTC, datetime, timedelta
from typing import Final

from services.ledger.readers import fields as read
from services.ledger.readers.billed import (
    CreditedLine,
    CreditNote,
    Invoice,
    InvoicePayment,
    ServedLine,
)
from services.ledger.readers.exact_json import JsonObject, as_list, as_object
from services.ledger.readers.told import Nothing
from shared.contracts.errors import Unreadable
from shared.contracts.money import Money

# The longest month: a subscription from month to month is earned when it is invoiced.
SERVED_AT_ONCE_MAX: Final = timedelta(days=31)
_FINAL: Final = ("open", "paid", "uncollectible", "void")
_NEVER: Final = datetime.max.replace(tzinfo=UTC)


def invoice(fields: JsonObject, at: datetime) -> Invoice | Nothing:
    """A finalized invoice; ``at`` is when it was told, for states without a time of their own.

    Raises:
        Refused: An amount, an id or a time that it needs is none.
    """
    if fields.get("id") is None:
        return Nothing("invoice", "an invoice that is only a forecast")
    told_id, status = read.ident(fields), read.text(fields, "status")
    passed = as_object(fields.get("status_transitions")) or {}
    finalized_at = _instant(passed, "finalized_at") or _instant(fields, "finalized_at")
    if finalized_at is None:
        if status not in _FINAL:
            return Nothing(told_id, "the invoice is not finalized")
        finalized_at = read.instant(fields)
    voided_at = _instant(passed, "voided_at") or (at if status == "void" else None)
    paid_at = _instant(passed, "paid_at") or at
    given_up_at = _instant(passed, "marked_uncollectible_at")
    is_given_up = given_up_at is not None or status == "uncollectible"
    total = read.money(fields, "total")
    is_paid = status == "paid"
    if voided_at is not None:
        recovered_at: datetime | None = voided_at
    else:
        recovered_at = paid_at if is_paid else None
    return Invoice(
        id=told_id,
        customer=read.link(fields, "customer"),
        total=total,
        tax=_tax(fields, total),
        from_balance=_from_balance(fields),
        credited=_amount(fields, "pre_payment_credit_notes_amount"),
        lines=tuple(_served_lines(fields, finalized_at)),
        has_untold_lines=_has_untold_lines(fields),
        finalized_at=finalized_at,
        voided_at=voided_at,
        payment=_payment_of_old(fields, told_id, paid_at) if is_paid else None,
        out_of_band=_out_of_band(fields) if is_paid else None,
        overpaid=_amount(fields, "amount_overpaid") if is_paid else None,
        paid_at=paid_at,
        written_off=_written_off(fields, given_up_at, is_paid=is_paid) if is_given_up else None,
        written_off_at=given_up_at or at,
        recovered_at=recovered_at if is_given_up else None,
        paid_outside=_paid_outside(fields) if is_paid else None,
        account=read.text(fields, "customer_account"),
    )


def invoice_payment(fields: JsonObject, at: datetime) -> InvoicePayment | Nothing:
    """What was paid of an invoice, where that is through Stripe and done.

    Raises:
        Refused: An amount or an id that it needs is none.
    """
    told_id = read.ident(fields)
    if read.text(fields, "status") != "paid":
        return Nothing(told_id, "the invoice payment is not paid")
    payment = as_object(fields.get("payment")) or {}
    by = read.link(payment, "payment_intent") or read.link(payment, "charge")
    if not by:
        return Nothing(told_id, "it was paid outside of Stripe, which its invoice tells")
    passed = as_object(fields.get("status_transitions")) or {}
    return InvoicePayment(
        id=by,
        invoice=_linked(fields, "invoice"),
        amount=read.not_negative(fields, "amount_paid"),
        paid_at=_instant(passed, "paid_at") or at,
    )


def credit_note(fields: JsonObject, at: datetime) -> CreditNote | Nothing:
    """A credit note that was issued, and whether it was voided.

    Raises:
        Refused: An amount, an id or a time that it needs is none, or an old shape does not say
            how much of it was refunded.
    """
    if fields.get("id") is None:
        return Nothing("credit_note", "a credit note that is only a forecast")
    told_id = read.ident(fields)
    total = read.not_negative(fields, "total" if fields.get("total") is not None else "amount")
    on_invoice, refunded, out_of_band, outside = _taken_from(fields, total)
    return CreditNote(
        id=told_id,
        invoice=_linked(fields, "invoice"),
        customer=read.link(fields, "customer"),
        total=total,
        tax=_tax(fields, total),
        on_invoice=on_invoice,
        refunded=refunded,
        to_balance=total - on_invoice - refunded - out_of_band,
        out_of_band=out_of_band,
        lines=tuple(_credited_lines(fields)),
        has_untold_lines=_has_untold_lines(fields),
        created_at=read.instant(fields),
        voided_at=_instant(fields, "voided_at")
        or (at if read.text(fields, "status") == "void" else None),
        outside=outside,
        account=read.text(fields, "customer_account"),
    )


def _instant(fields: JsonObject, name: str) -> datetime | None:
    return None if fields.get(name) is None else read.instant(fields, name)


def _linked(fields: JsonObject, name: str) -> str:
    found = read.link(fields, name)
    if not found:
        raise Unreadable(f"it names no {name}")
    return found


def _amount(fields: JsonObject, name: str) -> Money:
    """An amount that older versions do not tell: then zero."""
    currency = fields.get("currency")
    return read.money(fields, name) if fields.get(name) is not None else Money.of(0, currency)


def _sum(rows: Iterable[JsonObject], currency: object) -> Money:
    total = Money.of(0, currency)
    for row in rows:
        total += read.money({"amount": row.get("amount"), "currency": currency}, "amount")
    return total


def _tax(fields: JsonObject, total: Money) -> Money:
    """All tax in the total, included in prices or on top of them.

    The total without it says it best, with that of shipping; else the list in its new or old
    form; the oldest tell the sum alone.
    """
    if fields.get("total_excluding_tax") is not None:
        return total - read.money(fields, "total_excluding_tax")
    for name in ("total_taxes", "total_tax_amounts", "tax_amounts"):
        if as_list(fields.get(name)) is not None:
            return _sum(read.items(fields, name), fields.get("currency"))
    return _amount(fields, "tax")


def _from_balance(fields: JsonObject) -> Money:
    """What the customer's balance paid; at Stripe it is below zero where the customer has credit.

    Until an invoice is finalized it has no balance after it.
    """
    if fields.get("ending_balance") is None:
        return Money.of(0, fields.get("currency"))
    return read.money(fields, "ending_balance") - _amount(fields, "starting_balance")


def _has_untold_lines(fields: JsonObject) -> bool:
    return (as_object(fields.get("lines")) or {}).get("has_more") is True


def _served_lines(fields: JsonObject, finalized_at: datetime) -> Iterable[ServedLine]:
    """The lines that are yet to be served when the invoice is finalized, over more than a month."""
    for row in read.items(fields, "lines"):
        period = as_object(row.get("period")) or {}
        since, until = _instant(period, "start"), _instant(period, "end")
        if since is None or until is None or until - since <= SERVED_AT_ONCE_MAX:
            continue
        if until <= finalized_at:
            continue  # served before it was invoiced, as metered usage is
        told_id = read.ident(row)
        if until.year == MAXYEAR:
            raise Unreadable("a line's end is too late for a day of its own in every time zone")
        net = _net({"currency": fields.get("currency"), **row})
        yield ServedLine(told_id, net, since, until)


def _credited_lines(fields: JsonObject) -> Iterable[CreditedLine]:
    for row in read.items(fields, "lines"):
        line = read.link(row, "invoice_line_item")
        if line:
            # These lines do not repeat the currency of their credit note.
            yield CreditedLine(line, _net({"currency": fields.get("currency"), **row}))


def _net(row: JsonObject) -> Money:
    """A line's part of the revenue: without its discounts, and the tax that its price includes."""
    currency = row.get("currency")
    net = read.money(row, "amount")
    # Discounts and credit grants in one list, since there is one; before, discounts alone.
    pretax = as_list(row.get("pretax_credit_amounts"))
    net -= _sum(
        read.items(row, "pretax_credit_amounts" if pretax else "discount_amounts"), currency
    )
    included = [row for row in read.items(row, "taxes") if row.get("tax_behavior") == "inclusive"]
    included += [row for row in read.items(row, "tax_amounts") if row.get("inclusive") is True]
    return net - _sum(included, currency)


def _payment_of_old(
    fields: JsonObject, invoice_id: str, paid_at: datetime
) -> InvoicePayment | None:
    """The one payment that versions before 2025-03-31 name; later ones tell each by itself."""
    by = read.link(fields, "payment_intent") or read.link(fields, "charge")
    if not by or "payments" in fields or read.flag(fields, "paid_out_of_band"):
        return None
    return InvoicePayment(by, invoice_id, read.not_negative(fields, "amount_paid"), paid_at)


def _out_of_band(fields: JsonObject) -> Money:
    if read.flag(fields, "paid_out_of_band"):
        return read.not_negative(fields, "amount_paid")
    return _amount(fields, "amount_paid_off_stripe")


def _paid_outside(fields: JsonObject) -> Money:
    """Shapes before 2025-03-31 say that it was, and count nothing of it as paid: it was all due.

    Source: Stripe changelog, 2025-03-31, "Adds support for multiple partial payments on invoices".
    """
    if read.flag(fields, "paid_out_of_band"):
        return read.not_negative(fields, "amount_due")
    return _amount(fields, "amount_paid_off_stripe")


def _written_off(fields: JsonObject, given_up_at: datetime | None, *, is_paid: bool) -> Money:
    """What was still to be paid when the invoice was given up.

    Once it is paid nothing remains: it was all that was due, less what had been paid before.
    """
    if not is_paid:
        return read.not_negative(fields, "amount_remaining")
    remaining = read.not_negative(fields, "amount_due")
    for row in read.items(fields, "payments"):
        paid = invoice_payment(row, _NEVER)
        if isinstance(paid, InvoicePayment) and given_up_at and paid.paid_at <= given_up_at:
            remaining -= paid.amount
    return remaining


def _taken_from(fields: JsonObject, total: Money) -> tuple[Money, Money, Money, Money]:
    """What a credit note takes off its invoice, refunds, and gives back outside of Stripe.

    The latter as the first rules read it, and whole: by a record of its own and besides.
    """
    currency = fields.get("currency")
    out_of_band = _amount(fields, "out_of_band_amount")
    if fields.get("pre_payment_amount") is not None:
        refunded, elsewhere = Money.of(0, currency), Money.of(0, currency)
        for row in read.items(fields, "refunds"):
            part = read.not_negative({**row, "currency": currency}, "amount_refunded")
            if read.link(row, "refund"):
                refunded += part
            else:
                elsewhere += part
        on_invoice = read.not_negative(fields, "pre_payment_amount")
        return on_invoice, refunded, out_of_band or elsewhere, out_of_band + elsewhere
    nothing = Money.of(0, currency)
    if read.text(fields, "type") == "pre_payment":
        return total, nothing, nothing, nothing
    if not read.link(fields, "refund"):
        return nothing, nothing, out_of_band, out_of_band
    if not read.link(fields, "customer_balance_transaction"):
        return nothing, total - out_of_band, out_of_band, out_of_band
    refund = as_object(fields.get("refund"))
    if refund is None:
        raise Unreadable("the credit note does not say how much of it was refunded")
    return nothing, read.not_negative(refund, "amount"), out_of_band, out_of_band
