"""Stripe's JSON becomes our values: the only file that knows Stripe's field names.

An object proves what it shows, wherever it is shown: in an event, polled, or expanded inside
another object. ``tellings`` goes through an object and all that is told inside it and belongs to
the same Stripe account.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Final

import msgspec

from services.ledger.readers import fields as read
from services.ledger.readers.evidence import payment_behind
from services.ledger.readers.exact_json import JsonObject, as_object
from services.ledger.readers.releases import OF_ITS_MOVEMENT, apart_of, gives_back_its_charge
from services.ledger.readers.stripe_customers import customer_named
from services.ledger.readers.stripe_invoices import credit_note, invoice, invoice_payment
from services.ledger.readers.told import (
    Apart,
    BalanceTransaction,
    Charge,
    ChargeState,
    Nothing,
    Refund,
    Refusal,
    Reversal,
    Told,
    Transfer,
)
from shared.contracts.errors import Refused, Unreadable
from shared.contracts.money import Money

_SUBJECT_LENGTH_MAX: Final = 255
_OF_CHARGES: Final = ("ch_", "py_")
_CHARGE_STATES: Final = ("succeeded", "pending", "failed")
_PAYS_OUT: Final = ("bank_account", "card")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a book wants to hear of beside the money at Stripe: invoices, whose a payment is."""

    invoices: bool = False
    customers: bool = False


MONEY_ALONE: Final = Wanted()


class _Around(msgspec.Struct, frozen=True, gc=False):
    """What stands around an object: when it was told, and what it is told inside of."""

    at: datetime
    wanted: Wanted
    container: str = ""
    charge: JsonObject | None = None
    transfer: JsonObject | None = None
    is_movement: bool = False


# Where other objects of the same account stand, when they are expanded. Left out on purpose:
# what belongs to another account (destination_payment, source_transfer, the charge of an
# application fee) and what only points back.
_INSIDE: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "charge": (
            "balance_transaction",
            "failure_balance_transaction",
            "refunds",
            "transfer",
            "application_fee",
            "dispute",
        ),
        "refund": (
            "balance_transaction",
            "failure_balance_transaction",
            "charge",
            "transfer_reversal",
        ),
        "dispute": ("balance_transactions", "charge"),
        "payout": (
            "balance_transaction",
            "failure_balance_transaction",
            "original_payout",
            "reversed_by",
        ),
        "topup": ("balance_transaction",),
        "transfer": ("balance_transaction", "reversals", "source_transaction"),
        "transfer_reversal": ("balance_transaction", "source_refund", "transfer"),
        "application_fee": ("balance_transaction", "refunds"),
        "fee_refund": ("balance_transaction", "fee"),
        "balance_transaction": ("source",),
        "payment_intent": ("charges", "latest_charge"),
        "checkout.session": ("payment_intent",),
        "invoice": ("charge", "payment_intent", "payments"),
        "invoice_payment": ("invoice",),
        "credit_note": ("invoice", "refund"),
        "list": ("data",),
    }
)
_MAY_HOLD_OBJECTS: Final = (dict, list)
_MAY_BE_NAMELESS: Final = ("list", "invoice", "credit_note")


def tellings(fields: JsonObject, at: datetime, wanted: Wanted = MONEY_ALONE) -> Iterator[Told]:
    """What an object tells, itself first, then what is told inside it.

    ``at`` stands in where a fact has no time of its own: a failure, a cancellation.
    """
    return _tellings(fields, _Around(at, wanted))


def kind_of(fields: JsonObject) -> str:
    """What an object says it is.

    Raises:
        Unreadable: It does not say.
    """
    kind = read.text(fields, "object")
    if not kind:
        raise Unreadable("the object does not say what it is")
    return kind


def name_of(fields: JsonObject) -> str:
    """An object's id; what it is, where it needs none.

    A balance has none, nor have a list, settings, and an invoice that is only a forecast.

    Raises:
        Unreadable: It does not say what it is, its id cannot be one, or what moves money and
            what tells of it, which always have one, come without.
    """
    kind = kind_of(fields)
    has_always = kind == "event" or (kind in _INSIDE and kind not in _MAY_BE_NAMELESS)
    return read.ident(fields) if has_always or fields.get("id") is not None else kind


def _tellings(fields: JsonObject, around: _Around) -> Iterator[Told]:
    told_id = fields.get("id")
    subject = told_id if isinstance(told_id, str) and told_id else around.container
    try:
        kind = kind_of(fields)
        yield _told(kind, fields, around)
    except Refused as refused:
        yield Refusal(subject[:_SUBJECT_LENGTH_MAX], refused)
        kind = str(fields.get("object"))
    names = [name for name in _INSIDE.get(kind, ()) if type(fields.get(name)) in _MAY_HOLD_OBJECTS]
    if not names:
        return
    charge, transfer = around.charge, around.transfer
    if kind == "charge":
        charge = fields
    elif kind == "refund":
        charge = _charge_of(fields, around)
    elif kind == "transfer":
        transfer = fields
    is_movement = kind == "balance_transaction"
    inside = _Around(around.at, around.wanted, subject, charge, transfer, is_movement)
    for name in names:
        if name != "payments" or around.wanted.invoices:
            yield from _inside(fields, name, inside)


def _inside(fields: JsonObject, name: str, around: _Around) -> Iterator[Told]:
    expanded = as_object(fields.get(name))
    if expanded is None or "data" in expanded:
        for item in read.items(fields, name):
            yield from _tellings(item, around)
    elif name == "source" and expanded.get("object") == "refund" and gives_back_its_charge(fields):
        yield from _item_of(expanded, around)
    else:
        yield from _tellings(expanded, around)


def _item_of(refund: JsonObject, around: _Around) -> Iterator[Told]:
    """The refund that a movement has as its source, and that its movement says is none."""
    try:
        yield _refund(refund, around, OF_ITS_MOVEMENT)
    except Refused as refused:
        yield Refusal(around.container[:_SUBJECT_LENGTH_MAX], refused, OF_ITS_MOVEMENT)


def _told(kind: str, fields: JsonObject, around: _Around) -> Told:
    match kind:
        case "charge":
            return _charge(fields, around)
        case "refund":
            charge = _charge_of(fields, around)
            apart = apart_of(fields, charge, is_moved=around.is_movement)
            return _refund(fields, around, apart)
        case "transfer":
            return _transfer(fields)
        case "transfer_reversal":
            return _reversal(fields, around)
        case "balance_transaction":
            return _balance_transaction(fields, around)
        case "payout" | "topup":
            # Nothing is booked by it, but the bank is expected to show this amount.
            read.money(fields, "amount")
            return Nothing(read.ident(fields), f"the {kind} is booked by its balance transaction")
        case _:
            return _billed(kind, fields, around) or _evidence(kind, fields)


def _billed(kind: str, fields: JsonObject, around: _Around) -> Told | None:
    """What tells no money of itself, where the book wants to hear of it."""
    match kind:
        case "invoice" if around.wanted.invoices:
            return invoice(fields, around.at)
        case "invoice_payment" if around.wanted.invoices:
            return invoice_payment(fields, around.at)
        case "credit_note" if around.wanted.invoices:
            return credit_note(fields, around.at)
        case "payment_intent" | "checkout.session" if around.wanted.customers:
            return customer_named(kind, fields)
        case _:
            return None


def _evidence(kind: str, fields: JsonObject) -> Nothing:
    behind = payment_behind(kind, fields)
    tells = f"; its money is told by {behind}" if behind else ""
    return Nothing(name_of(fields), f"the {kind} moves no money by itself{tells}")


def _charge(fields: JsonObject, around: _Around) -> Charge | Nothing:
    told_id = read.ident(fields)
    status = read.text(fields, "status")
    failure = as_object(fields.get("failure_balance_transaction"))
    if _has_succeeded(fields, status):
        if not _is_captured(fields):
            return Nothing(told_id, "the charge is authorized and not captured")
        state, amount = ChargeState.CAPTURED, _captured_amount(fields)
    elif status == "failed" and (
        fields.get("balance_transaction") or fields.get("failure_balance_transaction")
    ):
        # A returned debit had been captured whole, whatever the failed charge says of it now.
        is_told = fields.get("amount_captured") is not None
        captured = _captured_amount(fields) if is_told else None
        state, amount = ChargeState.RETURNED, captured or read.not_negative(fields, "amount")
    else:
        return Nothing(told_id, f"a charge that is {status or 'in no known state'} moved no money")
    transfer_data = as_object(fields.get("transfer_data")) or {}
    sent_on = (
        read.not_negative({**transfer_data, "currency": fields.get("currency")}, "amount")
        if transfer_data.get("amount") is not None
        else None
    )
    return Charge(
        id=told_id,
        state=state,
        captured=amount,
        destination=read.link(transfer_data, "destination") or read.link(fields, "destination"),
        sent_on=sent_on,
        created_at=read.instant(fields),
        failed_at=around.at if failure is None else read.instant(failure),
        payment=(read.link(fields, "payment_intent") or told_id) if around.wanted.customers else "",
        customer=read.link(fields, "customer") if around.wanted.customers else "",
    )


def _has_succeeded(fields: JsonObject, status: str) -> bool:
    # Old charges tell no status, and a new state is none that is known here: paid is or is not.
    if status in _CHARGE_STATES:
        return status == "succeeded"
    return read.flag(fields, "paid") is True


def _is_captured(fields: JsonObject) -> bool:
    # Versions that knew no authorization alone do not say it: all their charges were captured.
    return read.flag(fields, "captured") is not False


def _captured_amount(fields: JsonObject) -> Money:
    # Versions before amount_captured tell the whole amount only.
    name = "amount_captured" if "amount_captured" in fields else "amount"
    return read.not_negative(fields, name)


def _refund(fields: JsonObject, around: _Around, apart: Apart | None) -> Refund | Refusal:
    told_id = read.ident(fields)
    failure = as_object(fields.get("failure_balance_transaction"))
    try:
        return Refund(
            id=told_id,
            amount=read.not_negative(fields, "amount"),
            is_failed=read.text(fields, "status") in {"failed", "canceled"},
            created_at=read.instant(fields),
            failed_at=around.at if failure is None else read.instant(failure),
            apart=apart,
        )
    except Refused as refused:
        if apart is None:
            raise
        return Refusal(told_id, refused, apart)


def _charge_of(refund: JsonObject, around: _Around) -> JsonObject | None:
    """The refund's charge, where it is told: around the refund, or expanded in it."""
    expanded = as_object(refund.get("charge"))
    if expanded is not None:
        return expanded
    if around.charge is not None and refund.get("charge") in (None, around.charge.get("id")):
        return around.charge
    told_id = refund.get("charge")
    return {"id": told_id} if isinstance(told_id, str) else None


def _transfer(fields: JsonObject) -> Transfer | Nothing:
    told_id = read.ident(fields)
    if _pays_out(fields):
        return Nothing(told_id, "versions before 2017-04-06 call a payout a transfer")
    destination = read.link(fields, "destination")
    if not destination:
        raise Unreadable("the transfer names no destination")
    return Transfer(
        id=told_id,
        amount=read.not_negative(fields, "amount"),
        destination=destination,
        created_at=read.instant(fields),
    )


def _reversal(fields: JsonObject, around: _Around) -> Reversal | Nothing:
    told_id = read.ident(fields)
    transfer = as_object(fields.get("transfer")) or around.transfer or {}
    is_of_refund = bool(read.link(fields, "source_refund"))
    destination = read.link(transfer, "destination")
    if not is_of_refund and not destination:
        return Nothing(told_id, "whose transfer it reverses is told by the transfer itself")
    return Reversal(
        id=told_id,
        amount=read.not_negative(fields, "amount"),
        destination=destination,
        is_of_refund=is_of_refund,
        created_at=read.instant(fields),
    )


def _balance_transaction(fields: JsonObject, around: _Around) -> BalanceTransaction:
    told_id = read.ident(fields)
    told_type = read.text(fields, "type")
    if not told_type:
        raise Unreadable("the balance transaction does not say its type")
    source = read.link(fields, "source") or around.container
    return BalanceTransaction(
        id=told_id,
        type=told_type,
        category=read.text(fields, "reporting_category"),
        balance_type=read.text(fields, "balance_type") or "payments",
        gross=read.money(fields, "amount"),
        fee=read.money(fields, "fee"),
        net=read.money(fields, "net"),
        source=source,
        charge=_charge_behind(fields, source, around),
        is_of_payout=_is_of_payout(fields, source),
        created_at=read.instant(fields),
    )


def _charge_behind(fields: JsonObject, source: str, around: _Around) -> str:
    if source.startswith(_OF_CHARGES):
        return source
    expanded = as_object(fields.get("source"))
    if expanded is not None:
        return read.link(expanded, "charge")
    return "" if around.charge is None else read.link({"charge": around.charge}, "charge")


def _is_of_payout(fields: JsonObject, source: str) -> bool:
    shown = as_object(fields.get("source"))
    if shown is None:
        return source.startswith("po_")
    return source.startswith("po_") or shown.get("object") == "payout" or _pays_out(shown)


def _pays_out(transfer: JsonObject) -> bool:
    """Whether a transfer is what versions from 2017-04-06 on call a payout."""
    return transfer.get("object") == "transfer" and transfer.get("type") in _PAYS_OUT
