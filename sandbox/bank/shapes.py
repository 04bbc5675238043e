"""The bank's objects on the wire, complete as in Increase's API, plus the bank's own ``date``.

Source: the models of Increase's Python library (``Transaction``, ``PendingTransaction``,
``Account``, ``BalanceLookup``).
"""

from typing import Final

from sandbox.bank.facts import BankAccount, Line, PendingLine, Rail
from sandbox.world.calendar import text_of
from sandbox.world.jsons import JsonObject

_SOURCES: Final = (
    "account_revenue_payment",
    "account_transfer_intention",
    "ach_transfer_intention",
    "ach_transfer_rejection",
    "ach_transfer_return",
    "blockchain_offramp_transfer_settlement",
    "blockchain_onramp_transfer_intention",
    "card_dispute_acceptance",
    "card_dispute_financial",
    "card_dispute_loss",
    "card_financial",
    "card_push_transfer_acceptance",
    "card_refund",
    "card_revenue_payment",
    "card_settlement",
    "cashback_payment",
    "check_deposit_acceptance",
    "check_deposit_return",
    "check_transfer_deposit",
    "fednow_transfer_acknowledgement",
    "fee_payment",
    "inbound_ach_transfer",
    "inbound_ach_transfer_return_intention",
    "inbound_check_adjustment",
    "inbound_check_deposit_return_intention",
    "inbound_fednow_transfer_confirmation",
    "inbound_real_time_payments_transfer_confirmation",
    "inbound_wire_reversal",
    "inbound_wire_transfer",
    "inbound_wire_transfer_reversal",
    "interest_payment",
    "internal_source",
    "other",
    "real_time_payments_transfer_acknowledgement",
    "sample_funds",
    "swift_transfer_intention",
    "swift_transfer_return",
    "wire_transfer_intention",
)

_PENDING_SOURCES: Final = (
    "account_transfer_instruction",
    "ach_transfer_instruction",
    "blockchain_offramp_transfer",
    "blockchain_onramp_transfer_instruction",
    "card_authorization",
    "card_push_transfer_instruction",
    "check_deposit_instruction",
    "check_transfer_instruction",
    "fednow_transfer_instruction",
    "inbound_funds_hold",
    "inbound_wire_transfer_reversal",
    "other",
    "real_time_payments_transfer_instruction",
    "swift_transfer_instruction",
    "user_initiated_hold",
    "wire_transfer_instruction",
)


def account_object(account: BankAccount) -> JsonObject:
    """An account."""
    return {
        "id": account.id,
        "account_revenue_rate": None,
        "bank": "first_internet_bank",
        "closed_at": None,
        "created_at": text_of(account.created),
        "currency": account.currency.upper(),
        "entity_id": "entity_simulated",
        "funding": "deposits",
        "idempotency_key": None,
        "informational_entity_id": None,
        "interest_rate": "0.00",
        "loan": None,
        "name": account.name,
        "program_id": "program_simulated",
        "status": "open",
        "type": "account",
    }


def balance_object(account: BankAccount, *, posted: int, available: int) -> JsonObject:
    """What the bank says an account holds."""
    return {
        "account_id": account.id,
        "available_balance": available,
        "current_balance": posted,
        "loan": None,
        "type": "balance_lookup",
    }


def line_object(line: Line, account: BankAccount) -> JsonObject:
    """A posted line."""
    source: JsonObject = {name: None for name in _SOURCES}  # noqa: C420 - keeps its type
    source["category"] = line.wording.rail.value
    source[line.wording.rail.value] = _rail_object(line)
    return {
        "id": line.id,
        "account_id": line.account_id,
        "amount": line.amount,
        "created_at": text_of(line.created),
        "currency": line.currency.upper(),
        "date": line.booked_on.isoformat(),
        "description": line.wording.description,
        "route_id": account.number_id,
        "route_type": "account_number",
        "source": source,
        "type": "transaction",
    }


def _rail_object(line: Line) -> JsonObject:
    wording = line.wording
    transfer = f"{wording.rail.value}_{line.id.rsplit('_', 1)[1]}"
    if wording.rail is Rail.FEE:
        return {
            "amount": line.amount,
            "currency": line.currency.upper(),
            "fee_period_start": line.booked_on.replace(day=1).isoformat(),
            "program_id": "program_simulated",
        }
    if wording.rail is Rail.WIRE:
        return {
            "amount": line.amount,
            "creditor_name": "Tallystick Demo",
            "debtor_name": wording.payer or None,
            "description": wording.description,
            "end_to_end_identification": wording.trace or None,
            "input_message_accountability_data": None,
            "instructing_agent_routing_number": None,
            "instruction_identification": None,
            "purpose": None,
            "transfer_id": transfer,
            "unique_end_to_end_transaction_reference": None,
            "unstructured_remittance_information": wording.remittance,
        }
    addenda: JsonObject | None = None
    if wording.remittance is not None:
        entries = [{"payment_related_information": wording.remittance}]
        addenda = {"category": "freeform", "freeform": {"entries": entries}}
    return {
        "addenda": addenda,
        "amount": line.amount,
        "originator_company_descriptive_date": f"{line.booked_on:%y%m%d}",
        "originator_company_discretionary_data": None,
        "originator_company_entry_description": wording.entry,
        "originator_company_id": "1800948598",
        "originator_company_name": wording.payer,
        "receiver_id_number": None,
        "receiver_name": "TALLYSTICK DEMO",
        "trace_number": wording.trace,
        "transfer_id": transfer,
    }


def pending_object(pending: PendingLine, account: BankAccount) -> JsonObject:
    """An announced line."""
    source: JsonObject = {name: None for name in _PENDING_SOURCES}  # noqa: C420 - keeps its type
    source["category"] = "user_initiated_hold"
    source["user_initiated_hold"] = {}
    is_open = pending.completed is None
    return {
        "id": pending.id,
        "account_id": pending.account_id,
        "amount": pending.amount,
        "completed_at": None if pending.completed is None else text_of(pending.completed),
        "created_at": text_of(pending.created),
        "currency": pending.currency.upper(),
        "description": pending.description,
        "held_amount": max(-pending.amount, 0) if is_open else 0,
        "route_id": account.number_id,
        "route_type": "account_number",
        "source": source,
        "status": "pending" if is_open else "complete",
        "type": "pending_transaction",
    }
