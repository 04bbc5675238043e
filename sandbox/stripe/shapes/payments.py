"""Charges, payment intents, refunds and disputes on the wire.

Source: the typed resource classes of stripe-python 16.1 (API version 2026-10-28.endive).
"""

from sandbox.stripe.facts import Charge, Dispute, PaymentIntent, Refund
from sandbox.stripe.shapes.money import balance_transaction_object
from sandbox.stripe.shapes.view import View
from sandbox.world.jsons import JsonObject


def charge_object(charge: Charge, view: View) -> JsonObject:
    """A charge; ``refunds`` is left out, as it comes only when it is expanded."""
    shown: JsonObject = {
        "id": charge.id,
        "object": "charge",
        "amount": charge.amount,
        "amount_captured": charge.amount,
        "amount_refunded": charge.amount_refunded,
        "application": None,
        "application_fee": charge.application_fee,
        "application_fee_amount": charge.application_fee_amount,
        "authorization_code": None,
        "balance_transaction": charge.balance_transaction,
        "billing_details": _billing_details(charge),
        "calculated_statement_descriptor": "TALLYSTICK DEMO",
        "captured": True,
        "created": charge.created,
        "currency": charge.currency,
        "customer": charge.customer,
        "description": charge.description,
        "disputed": charge.is_disputed,
        "failure_balance_transaction": None,
        "failure_code": None,
        "failure_message": None,
        "fraud_details": {},
        "livemode": view.livemode,
        "metadata": {"order": f"order-{charge.sequence}"},
        "on_behalf_of": None,
        "outcome": _outcome(charge),
        "paid": True,
        "payment_intent": charge.payment_intent,
        "payment_method": charge.payment_method,
        "payment_method_details": _payment_method_details(charge),
        "radar_options": {},
        "receipt_email": charge.customer_email,
        "receipt_number": None,
        "receipt_url": f"https://pay.stripe.com/receipts/payment/{charge.id}",
        "refunded": charge.amount_refunded == charge.amount,
        "review": None,
        "shipping": None,
        "source": None,
        "source_transfer": None,
        "statement_descriptor": None,
        "statement_descriptor_suffix": None,
        "status": "succeeded",
        "transfer_data": None
        if charge.destination is None
        else {"amount": charge.destination_amount, "destination": charge.destination},
        "transfer_group": charge.transfer_group,
    }
    if charge.transfer is not None:
        shown["transfer"] = charge.transfer
    return shown


def _billing_details(charge: Charge) -> JsonObject:
    return {
        "address": {
            "city": None,
            "country": charge.card.country,
            "line1": None,
            "line2": None,
            "postal_code": None,
            "state": None,
        },
        "email": charge.customer_email,
        "name": charge.customer_name,
        "phone": None,
        "tax_id": None,
    }


def _outcome(charge: Charge) -> JsonObject:
    return {
        "advice_code": None,
        "network_advice_code": None,
        "network_decline_code": None,
        "network_status": "approved_by_network",
        "reason": None,
        "risk_level": "normal",
        "risk_score": charge.risk_score,
        "seller_message": "Payment complete.",
        "type": "authorized",
    }


def _payment_method_details(charge: Charge) -> JsonObject:
    card = charge.card
    return {
        "card": {
            "amount_authorized": charge.amount,
            "authorization_code": None,
            "brand": card.brand,
            "checks": {
                "address_line1_check": None,
                "address_postal_code_check": None,
                "cvc_check": "pass",
            },
            "country": card.country,
            "exp_month": card.expiry_month,
            "exp_year": card.expiry_year,
            "extended_authorization": {"status": "disabled"},
            "fingerprint": card.fingerprint,
            "funding": "credit",
            "incremental_authorization": {"status": "unavailable"},
            "installments": None,
            "last4": card.last4,
            "mandate": None,
            "multicapture": {"status": "unavailable"},
            "network": card.brand,
            "network_token": {"used": False},
            "network_transaction_id": f"{charge.sequence:015d}",
            "overcapture": {
                "maximum_amount_capturable": charge.amount,
                "status": "unavailable",
            },
            "regulated_status": "unregulated",
            "three_d_secure": None,
            "wallet": None,
        },
        "type": "card",
    }


def payment_intent_object(intent: PaymentIntent, view: View) -> JsonObject:
    """A payment intent, before or after it has succeeded."""
    succeeded = intent.charge is not None
    return {
        "id": intent.id,
        "object": "payment_intent",
        "allowed_payment_method_types": None,
        "amount": intent.amount,
        "amount_capturable": 0,
        "amount_details": {"tip": {}},
        "amount_received": intent.amount if succeeded else 0,
        "application": None,
        "application_fee_amount": None,
        "automatic_payment_methods": {"allow_redirects": "always", "enabled": True},
        "canceled_at": None,
        "cancellation_reason": None,
        "capture_method": "automatic_async",
        "client_secret": intent.client_secret,
        "confirmation_method": "automatic",
        "created": intent.created,
        "currency": intent.currency,
        "customer": intent.customer,
        "customer_account": None,
        "description": intent.description,
        "excluded_payment_method_types": None,
        "last_payment_error": None,
        "latest_charge": intent.charge,
        "livemode": view.livemode,
        "managed_payments": {"enabled": False},
        "metadata": {},
        "next_action": None,
        "on_behalf_of": None,
        "payment_method": intent.payment_method if succeeded else None,
        "payment_method_configuration_details": None,
        "payment_method_options": {
            "card": {
                "installments": None,
                "mandate_options": None,
                "network": None,
                "request_three_d_secure": "automatic",
            }
        },
        "payment_method_types": ["card"],
        "processing": None,
        "receipt_email": intent.customer_email,
        "review": None,
        "setup_future_usage": None,
        "shipping": None,
        "source": None,
        "statement_descriptor": None,
        "statement_descriptor_suffix": None,
        "status": "succeeded" if succeeded else "requires_payment_method",
        "transfer_data": None,
        "transfer_group": None,
    }


def refund_object(refund: Refund, _view: View) -> JsonObject:
    """A refund; its failure fields are there only when it has failed."""
    shown: JsonObject = {
        "id": refund.id,
        "object": "refund",
        "amount": refund.amount,
        "balance_transaction": refund.balance_transaction,
        "charge": refund.charge,
        "created": refund.created,
        "currency": refund.currency,
        "customer": None,
        "customer_account": None,
        "destination_details": _refund_destination(refund),
        "metadata": {},
        "payment_intent": refund.payment_intent,
        "payment_method": None,
        "pending_reason": None,
        "reason": refund.reason,
        "receipt_number": None,
        "source_transfer_reversal": None,
        "status": refund.status,
        "transfer_reversal": None,
    }
    if refund.failure_reason is not None:
        shown["failure_balance_transaction"] = refund.failure_balance_transaction
        shown["failure_reason"] = refund.failure_reason
    return shown


def _refund_destination(refund: Refund) -> JsonObject:
    card: JsonObject = {
        "reference_status": "pending" if refund.card_reference is None else "available",
        "reference_type": "acquirer_reference_number",
        "type": "refund",
    }
    if refund.card_reference is not None:
        card["reference"] = refund.card_reference
    return {"card": card, "type": "card"}


_EVIDENCE = (
    "access_activity_log",
    "billing_address",
    "cancellation_policy",
    "cancellation_policy_disclosure",
    "cancellation_rebuttal",
    "customer_communication",
    "customer_email_address",
    "customer_name",
    "customer_purchase_ip",
    "customer_signature",
    "duplicate_charge_documentation",
    "duplicate_charge_explanation",
    "duplicate_charge_id",
    "product_description",
    "receipt",
    "refund_policy",
    "refund_policy_disclosure",
    "refund_refusal_explanation",
    "service_date",
    "service_documentation",
    "shipping_address",
    "shipping_carrier",
    "shipping_date",
    "shipping_documentation",
    "shipping_tracking_number",
    "uncategorized_file",
    "uncategorized_text",
)


def dispute_object(dispute: Dispute, view: View) -> JsonObject:
    """A dispute with the balance transactions that it has caused so far, in full."""
    evidence: JsonObject = {name: None for name in _EVIDENCE}  # noqa: C420 - keeps its type
    evidence["enhanced_evidence"] = {}
    return {
        "id": dispute.id,
        "object": "dispute",
        "amount": dispute.amount,
        "balance_transactions": [
            balance_transaction_object(view.balance_transaction(txn), view)
            for txn in dispute.balance_transactions
        ],
        "charge": dispute.charge,
        "created": dispute.created,
        "currency": dispute.currency,
        "enhanced_eligibility_types": [],
        "evidence": evidence,
        "evidence_details": {
            "due_by": dispute.due_by,
            "enhanced_eligibility": {},
            "has_evidence": dispute.submissions > 0,
            "past_due": False,
            "submission_count": dispute.submissions,
            "submission_method": "manual" if dispute.submissions else "not_submitted",
        },
        "is_charge_refundable": False,
        "livemode": view.livemode,
        "metadata": {},
        "network_reason_code": dispute.network_reason_code,
        "payment_intent": dispute.payment_intent,
        "payment_method_details": {
            "card": {
                "brand": dispute.card_brand,
                "case_type": "chargeback",
                "network": dispute.card_brand,
                "network_reason_code": dispute.network_reason_code,
            },
            "type": "card",
        },
        "reason": dispute.reason,
        "status": dispute.status,
    }
