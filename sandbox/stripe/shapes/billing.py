"""Invoices, their payments, credit notes and checkout sessions on the wire.

Source: the typed resource classes of stripe-python 16.1 (API version 2026-10-28.endive).
"""

from typing import Final

from sandbox.stripe.facts import CreditNote, Invoice, InvoiceLine, InvoicePayment, Session
from sandbox.stripe.shapes.view import View, embedded_list
from sandbox.world.jsons import JsonObject

_TAX_RATE: Final = "txr_1SimulatedTaxRateStandard01"
_NO_TAX_BY_STRIPE: Final = {"enabled": False, "liability": None, "provider": None, "status": None}


def invoice_object(invoice: Invoice, view: View) -> JsonObject:
    """An invoice; how it was paid is left out, as it comes only when it is expanded."""
    told: JsonObject = {
        "id": invoice.id,
        "object": "invoice",
        "account_country": "US",
        "account_name": "Tallystick Demo",
        "attempt_count": 1 if invoice.amount_paid else 0,
        "attempted": invoice.amount_paid > 0,
        "auto_advance": False,
        "automatic_tax": {"disabled_reason": None, **_NO_TAX_BY_STRIPE},
        "billing_reason": "subscription_cycle",
        "collection_method": "charge_automatically",
        "created": invoice.created,
        "currency": invoice.currency,
        "customer": invoice.customer,
        "customer_email": invoice.customer_email,
        "customer_name": invoice.customer_name,
        "customer_tax_exempt": "none",
        "customer_tax_ids": [],
        "default_tax_rates": [],
        "discounts": [],
        "effective_at": invoice.created,
        "issuer": {"type": "self"},
        "lines": embedded_list(f"/v1/invoices/{invoice.id}/lines", invoice_lines(invoice, view)),
        "livemode": view.livemode,
        "metadata": {},
        "number": f"TALLY-{invoice.sequence:06d}",
        "parent": {
            "quote_details": None,
            "subscription_details": {"metadata": {}, "subscription": invoice.subscription},
            "type": "subscription_details",
        },
        "payment_settings": {
            "default_mandate": None,
            "payment_method_options": None,
            "payment_method_types": None,
        },
        "period_end": invoice.created,
        "period_start": invoice.created,
        "status": invoice.status,
        "status_transitions": {
            "finalized_at": invoice.created,
            "marked_uncollectible_at": invoice.given_up_at,
            "paid_at": invoice.paid_at,
            "voided_at": invoice.voided_at,
        },
        "webhooks_delivered_at": invoice.created,
    }
    return _nothing(_OF_INVOICE) | _amounts(invoice) | told


def unless_expanded(invoice: Invoice, view: View) -> JsonObject:
    """What is left out of an invoice, and so of all events, unless somebody asks for it."""
    paid = [view.find(each) for each in invoice.payments]
    shown = [invoice_payment_object(p, view) for p in paid if isinstance(p, InvoicePayment)]
    return {
        "amount_paid_off_stripe": invoice.amount_paid_off_stripe,
        "payments": embedded_list(f"/v1/invoice_payments?invoice={invoice.id}", shown),
    }


def invoice_lines(invoice: Invoice, view: View) -> list[JsonObject]:
    """All lines of an invoice; it shows the first of them itself."""
    return [_line_object(line, invoice, view) for line in invoice.lines]


def _amounts(invoice: Invoice) -> JsonObject:
    return {
        "amount_due": invoice.amount_due,
        "amount_overpaid": 0,
        "amount_paid": invoice.amount_paid,
        "amount_remaining": invoice.amount_due - invoice.amount_paid,
        "amount_shipping": 0,
        "ending_balance": invoice.ending_balance,
        "post_payment_credit_notes_amount": invoice.credited_after,
        "pre_payment_credit_notes_amount": invoice.credited_before,
        "starting_balance": invoice.starting_balance,
        "subtotal": invoice.subtotal,
        "subtotal_excluding_tax": invoice.subtotal,
        "total": invoice.total,
        "total_discount_amounts": [],
        "total_excluding_tax": invoice.subtotal,
        "total_pretax_credit_amounts": [],
        "total_taxes": _taxes(invoice.tax, invoice.subtotal),
    }


def _line_object(line: InvoiceLine, invoice: Invoice, view: View) -> JsonObject:
    return {
        "id": line.id,
        "object": "line_item",
        "amount": line.amount,
        "currency": invoice.currency,
        "description": line.description,
        "discount_amounts": [],
        "discountable": not line.is_proration,
        "discounts": [],
        "invoice": invoice.id,
        "livemode": view.livemode,
        "metadata": {},
        "parent": {
            "invoice_item_details": None,
            "subscription_item_details": {
                "invoice_item": None,
                "proration": line.is_proration,
                "proration_details": {"credited_items": None},
                "subscription": invoice.subscription,
                "subscription_item": f"si_{invoice.subscription[4:18]}",
            },
            "type": "subscription_item_details",
        },
        "period": {"end": line.until, "start": line.since},
        "pretax_credit_amounts": [],
        "pricing": {
            "price_details": {"price": "price_1SimulatedPlan", "product": "prod_SimulatedPlan"},
            "type": "price_details",
            "unit_amount_decimal": str(line.amount),
        },
        "quantity": 1,
        "quantity_decimal": "1",
        "subscription": invoice.subscription,
        "subtotal": line.amount,
        "taxes": _taxes(line.tax, line.amount),
    }


def _taxes(amount: int, taxable: int) -> list[JsonObject]:
    if amount == 0:
        return []
    return [
        {
            "amount": amount,
            "tax_behavior": "exclusive",
            "tax_rate_details": {"tax_rate": _TAX_RATE},
            "taxability_reason": "standard_rated",
            "taxable_amount": taxable,
            "type": "tax_rate_details",
        }
    ]


def invoice_payment_object(payment: InvoicePayment, view: View) -> JsonObject:
    """What a payment intent paid of an invoice."""
    return {
        "id": payment.id,
        "object": "invoice_payment",
        "amount_paid": payment.amount,
        "amount_requested": payment.amount,
        "created": payment.created,
        "currency": payment.currency,
        "invoice": payment.invoice,
        "is_default": True,
        "livemode": view.livemode,
        "payment": {"payment_intent": payment.payment_intent, "type": "payment_intent"},
        "status": "paid",
        "status_transitions": {"canceled_at": None, "paid_at": payment.created},
    }


def credit_note_object(note: CreditNote, view: View) -> JsonObject:
    """A credit note."""
    refunds: list[JsonObject] = []
    if note.refund is not None:
        refunds.append(
            {
                "amount_refunded": note.total,
                "payment_record_refund": None,
                "refund": note.refund,
                "type": "refund",
            }
        )
    return {
        "id": note.id,
        "object": "credit_note",
        "amount": note.total,
        "amount_shipping": 0,
        "created": note.created,
        "currency": note.currency,
        "customer": note.customer,
        "customer_account": None,
        "customer_balance_transaction": None
        if note.is_before_payment or note.refund
        else f"cbtxn_{note.id[3:]}",
        "discount_amount": 0,
        "discount_amounts": [],
        "effective_at": note.created,
        "invoice": note.invoice,
        "lines": embedded_list(f"/v1/credit_notes/{note.id}/lines", credit_note_lines(note, view)),
        "livemode": view.livemode,
        "memo": None,
        "metadata": {},
        "number": f"TALLY-{note.sequence:06d}-CN-01",
        "out_of_band_amount": None,
        "pdf": f"https://pay.stripe.com/credit_notes/{note.id}/pdf",
        "post_payment_amount": 0 if note.is_before_payment else note.total,
        "pre_payment_amount": note.total if note.is_before_payment else 0,
        "pretax_credit_amounts": [],
        "reason": "order_change",
        "refunds": refunds,
        "shipping_cost": None,
        "status": "issued",
        "subtotal": note.amount,
        "subtotal_excluding_tax": note.amount,
        "total": note.total,
        "total_excluding_tax": note.amount,
        "total_taxes": _taxes(note.tax, note.amount),
        "type": "pre_payment" if note.is_before_payment else "post_payment",
        "voided_at": None,
    }


def credit_note_lines(note: CreditNote, view: View) -> list[JsonObject]:
    """All lines of a credit note; it shows the first of them itself, and its tax on that one."""
    return [
        _noted_line(f"{note.id[3:]}{number or ''}", line, amount, 0 if number else note.tax, view)
        for number, (line, amount) in enumerate(note.lines)
    ]


def _noted_line(key: str, line: str, amount: int, tax: int, view: View) -> JsonObject:
    return {
        "id": f"cnli_{key}",
        "object": "credit_note_line_item",
        "amount": amount,
        "description": "Time that is not used",
        "discount_amount": 0,
        "discount_amounts": [],
        "invoice_line_item": line,
        "livemode": view.livemode,
        "metadata": {},
        "pretax_credit_amounts": [],
        "quantity": None,
        "tax_rates": [],
        "taxes": _taxes(tax, amount),
        "type": "invoice_line_item",
        "unit_amount": None,
        "unit_amount_decimal": None,
    }


def session_object(session: Session, view: View) -> JsonObject:
    """A checkout session that was paid."""
    told: JsonObject = {
        "id": session.id,
        "object": "checkout.session",
        "amount_subtotal": session.amount,
        "amount_total": session.amount,
        "automatic_tax": {**_NO_TAX_BY_STRIPE},
        "created": session.created,
        "currency": session.currency,
        "custom_fields": [],
        "customer": session.customer,
        "customer_creation": "if_required",
        "customer_details": {
            "address": None,
            "business_name": None,
            "email": session.email,
            "individual_name": None,
            "name": None,
            "phone": None,
            "tax_exempt": "none",
            "tax_ids": [],
        },
        "expires_at": session.created + 86_400,
        "livemode": view.livemode,
        "metadata": {},
        "mode": "payment",
        "payment_intent": session.payment_intent,
        "payment_method_collection": "if_required",
        "payment_method_types": ["card"],
        "payment_status": "paid",
        "shipping_options": [],
        "status": "complete",
        "success_url": "https://example.com/thanks",
        "total_details": {"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0},
        "ui_mode": "hosted",
    }
    return _nothing(_OF_SESSION) | told


def _nothing(names: str) -> JsonObject:
    """Every field of an object, none of which applies."""
    return {name: None for name in names.split()}  # noqa: C420 - keeps its type


_OF_INVOICE: Final = """
    account_tax_ids application automatically_finalizes_at confirmation_secret custom_fields
    customer_account customer_address customer_phone customer_shipping default_payment_method
    default_source description due_date footer from_invoice hosted_invoice_url invoice_pdf
    last_finalization_error latest_revision next_payment_attempt on_behalf_of receipt_number
    rendering shipping_cost shipping_details statement_descriptor status_details test_clock
    threshold_reason
"""
_OF_SESSION: Final = """
    adaptive_pricing after_expiration allow_promotion_codes allowed_payment_method_types
    billing_address_collection branding_settings cancel_url client_reference_id client_secret
    collected_information consent consent_collection currency_conversion custom_text
    customer_account customer_email discounts excluded_payment_method_types
    integration_identifier invoice invoice_creation locale managed_payments name_collection
    optional_items origin_context payment_link payment_method_configuration_details
    payment_method_options permissions phone_number_collection recovered_from
    redirect_on_completion return_url saved_payment_method_options setup_intent
    shipping_address_collection shipping_cost submit_type subscription tax_id_collection url
    wallet_options
"""
