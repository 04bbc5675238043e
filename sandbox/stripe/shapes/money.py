"""Balance transactions, payouts, top-ups, transfers, fees, reserves and balances on the wire.

Source: the typed resource classes of stripe-python 16.1 (API version 2026-10-28.endive).
"""

from collections import defaultdict
from collections.abc import Iterable

from sandbox.stripe.facts import (
    ApplicationFee,
    BalanceTransaction,
    BalanceType,
    FeeRefund,
    Payout,
    ReserveHold,
    ReserveRelease,
    Topup,
    Transfer,
    TransferReversal,
)
from sandbox.stripe.shapes.view import View, embedded_list
from sandbox.world.jsons import JsonObject

MICROS_TO_ONE = 1_000_000


def balance_transaction_object(txn: BalanceTransaction, view: View) -> JsonObject:
    """A balance transaction; its status is a function of the time at which it is read."""
    return {
        "id": txn.id,
        "object": "balance_transaction",
        "amount": txn.amount,
        "available_on": txn.available_on,
        "balance_type": txn.balance_type.value,
        "created": txn.created,
        "currency": txn.currency,
        "description": txn.description,
        # A JSON float, as at Stripe: to be shown, never to be multiplied with.
        "exchange_rate": None
        if txn.exchange_rate_micros is None
        else txn.exchange_rate_micros / MICROS_TO_ONE,
        "fee": txn.fee,
        "fee_details": [
            {
                "amount": fee.amount,
                "application": fee.application,
                "currency": fee.currency,
                "description": fee.description,
                "type": fee.type,
            }
            for fee in txn.fees
        ],
        "net": txn.net,
        "reporting_category": txn.reporting_category,
        "source": txn.source,
        "status": "available" if txn.available_on <= view.now else "pending",
        "type": txn.type,
    }


def payout_object(payout: Payout, view: View) -> JsonObject:
    """A payout in the state that it is in."""
    return {
        "id": payout.id,
        "object": "payout",
        "amount": payout.amount,
        "application_fee": None,
        "application_fee_amount": None,
        "arrival_date": payout.arrival_date,
        "automatic": payout.is_automatic,
        "balance_transaction": payout.balance_transaction,
        "created": payout.created,
        "currency": payout.currency,
        "description": "STRIPE PAYOUT",
        "destination": payout.destination,
        "failure_balance_transaction": payout.failure_balance_transaction,
        "failure_code": payout.failure_code,
        "failure_message": payout.failure_message,
        "livemode": view.livemode,
        "metadata": {},
        "method": payout.method,
        "original_payout": None,
        "payout_method": None,
        "reconciliation_status": payout.reconciliation_status,
        "reversed_by": None,
        "source_type": "card",
        "statement_descriptor": payout.statement_descriptor,
        "status": payout.status.value,
        "trace_id": {"status": payout.trace_status, "value": payout.trace_value},
        "type": "bank_account",
    }


def topup_object(topup: Topup, view: View) -> JsonObject:
    """A top-up."""
    return {
        "id": topup.id,
        "object": "topup",
        "amount": topup.amount,
        "balance_transaction": topup.balance_transaction,
        "created": topup.created,
        "currency": topup.currency,
        "description": "Top-up",
        "expected_availability_date": topup.expected_availability_date,
        "failure_code": None,
        "failure_message": None,
        "initiated_by": "user",
        "livemode": view.livemode,
        "metadata": {},
        "payment_method": None,
        "payment_method_options": None,
        "source": None,
        "statement_descriptor": "Stripe Top-up",
        "status": topup.status,
        "transfer_group": None,
    }


def transfer_object(transfer: Transfer, view: View) -> JsonObject:
    """A transfer with its reversals."""
    reversals: list[JsonObject] = []
    for reversal_id in transfer.reversals:
        found = view.find(reversal_id)
        if isinstance(found, TransferReversal):
            reversals.append(reversal_object(found, view))
    return {
        "id": transfer.id,
        "object": "transfer",
        "amount": transfer.amount,
        "amount_reversed": transfer.amount_reversed,
        "balance_transaction": transfer.balance_transaction,
        "created": transfer.created,
        "currency": transfer.currency,
        "description": None,
        "destination": transfer.destination,
        "destination_payment": transfer.destination_payment,
        "livemode": view.livemode,
        "metadata": {},
        "reversals": embedded_list(f"/v1/transfers/{transfer.id}/reversals", reversals[::-1]),
        "reversed": transfer.amount_reversed == transfer.amount,
        "source_transaction": transfer.source_transaction,
        "source_type": "card",
        "transfer_group": transfer.transfer_group,
    }


def reversal_object(reversal: TransferReversal, _view: View) -> JsonObject:
    """A transfer reversal."""
    return {
        "id": reversal.id,
        "object": "transfer_reversal",
        "amount": reversal.amount,
        "balance_transaction": reversal.balance_transaction,
        "created": reversal.created,
        "currency": reversal.currency,
        "destination_payment_refund": reversal.destination_payment_refund,
        "metadata": {},
        "source_refund": reversal.source_refund,
        "transfer": reversal.transfer,
    }


def application_fee_object(fee: ApplicationFee, view: View) -> JsonObject:
    """An application fee with its refunds."""
    refunds: list[JsonObject] = []
    for refund_id in fee.refunds:
        found = view.find(refund_id)
        if isinstance(found, FeeRefund):
            refunds.append(fee_refund_object(found, view))
    return {
        "id": fee.id,
        "object": "application_fee",
        "account": fee.account,
        "amount": fee.amount,
        "amount_refunded": fee.amount_refunded,
        "application": "ca_SimulatedApplication",
        "balance_transaction": fee.balance_transaction,
        "charge": fee.charge,
        "created": fee.created,
        "currency": fee.currency,
        "fee_source": {"charge": fee.charge, "type": "charge"},
        "livemode": view.livemode,
        "originating_transaction": None,
        "refunded": fee.amount_refunded == fee.amount,
        "refunds": embedded_list(f"/v1/application_fees/{fee.id}/refunds", refunds[::-1]),
    }


def fee_refund_object(refund: FeeRefund, _view: View) -> JsonObject:
    """A refund of an application fee."""
    return {
        "id": refund.id,
        "object": "fee_refund",
        "amount": refund.amount,
        "balance_transaction": refund.balance_transaction,
        "created": refund.created,
        "currency": refund.currency,
        "fee": refund.fee,
        "metadata": {},
    }


def reserve_hold_object(hold: ReserveHold, view: View) -> JsonObject:
    """Funds held in a reserve."""
    return {
        "id": hold.id,
        "object": "reserve.hold",
        "amount": hold.amount,
        "amount_releasable": hold.amount_releasable,
        "created": hold.created,
        "created_by": "stripe",
        "currency": hold.currency,
        "destination": "risk_reserved",
        "is_releasable": hold.amount_releasable > 0,
        "livemode": view.livemode,
        "metadata": {},
        "reason": "standalone",
        "release_details": [
            {"amount": amount, "reserve_release": release} for release, amount in hold.releases
        ],
        "release_schedule": {"release_after": hold.release_after, "scheduled_release": None},
        "reserve_plan": None,
        "source_charge": None,
        "source_type": "card",
    }


def reserve_release_object(release: ReserveRelease, view: View) -> JsonObject:
    """Funds given back from a reserve."""
    return {
        "id": release.id,
        "object": "reserve.release",
        "amount": release.amount,
        "created": release.created,
        "created_by": "stripe",
        "currency": release.currency,
        "destination": "payments",
        "livemode": view.livemode,
        "metadata": {},
        "reason": "hold_released_early",
        "released_at": release.created,
        "reserve_hold": release.hold,
        "reserve_plan": None,
        "source_transaction": None,
    }


def balance_object(txns: Iterable[BalanceTransaction], view: View) -> JsonObject:
    """An account's balance now: per currency what is available and what is pending."""
    available: dict[str, int] = defaultdict(int)
    pending: dict[str, int] = defaultdict(int)
    others: dict[BalanceType, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for txn in txns:
        if txn.balance_type is not BalanceType.PAYMENTS:
            others[txn.balance_type][txn.currency] += txn.net
            continue
        available[txn.currency] += txn.net if txn.available_on <= view.now else 0
        pending[txn.currency] += 0 if txn.available_on <= view.now else txn.net
    prefunded = dict.fromkeys(available, 0) | others[BalanceType.PREFUNDING]
    shown: JsonObject = {
        "object": "balance",
        "available": _amounts(available),
        "connect_reserved": _amounts(dict.fromkeys(available, 0)),
        "livemode": view.livemode,
        "pending": _amounts(pending),
        "refund_and_dispute_prefunding": {
            "available": _amounts(prefunded),
            "pending": _amounts(dict.fromkeys(available, 0)),
        },
    }
    if others[BalanceType.ISSUING]:
        shown["issuing"] = {"available": _amounts(others[BalanceType.ISSUING])}
    return shown


def _amounts(by_currency: dict[str, int]) -> list[JsonObject]:
    return [
        {"amount": amount, "currency": currency, "source_types": {"card": amount}}
        for currency, amount in sorted(by_currency.items())
    ]
