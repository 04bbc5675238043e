"""What Stripe's objects say of money: one small function for each kind of object.

A payment is told by its charge, a refund by its refund, a movement of the balance by its balance
transaction. Every telling of an object gives the same facts, and a later state gives the earlier
ones too.
"""

from collections.abc import Callable, Iterator
from typing import Final

from oracle.reading import (
    Json,
    an_object,
    id_of,
    items,
    maybe_object,
    optional_text,
    stripe_money,
    text,
)
from oracle.values import CannotBook, Fact, Leg, fact, reference, reversed_legs

BALANCE: Final = "assets:stripe:balance"
SETTLING: Final = "assets:stripe:settling"
IN_TRANSIT: Final = "assets:stripe:in-transit"
FEES: Final = "expenses:stripe-fees"
DISPUTES: Final = "expenses:disputes"
REVENUE: Final = "revenue:stripe"
REFUNDS: Final = "revenue:refunds"
APPLICATION_FEES: Final = "revenue:application-fees"
CONNECT: Final = "liabilities:connect"
SUSPENSE: Final = "liabilities:suspense"

_HALVES: Final = {
    "charge",
    "payment",
    "refund",
    "payment_refund",
    "refund_failure",
    "payment_failure_refund",
    "transfer",
    "transfer_refund",
}
_RESERVES: Final = {"reserve_hold", "reserve_release"}
_IN_TRANSIT: Final = {"payout", "payout_failure", "payout_cancel", "topup", "topup_reversal"}
_APPLICATION_FEES: Final = {"application_fee", "application_fee_refund"}
_BILLS: Final = {"stripe_fee", "stripe_fx_fee", "tax_fee"}
_ADJUSTED_HALVES: Final = {"refund_failure", "charge_failure"}
_RESERVE_ACCOUNTS: Final = {"payments": BALANCE, "risk_reserved": "assets:stripe:reserve"}

Attempt = Fact | CannotBook | None


def facts_of(book: str, told: Json) -> Iterator[Attempt]:
    """Each fact that a Stripe object tells, or why one of them is no money.

    Raises:
        CannotRead: The object lacks what a rule needs.
    """
    match told.get("object"):
        case "charge":
            yield from _charge(book, told)
        case "refund":
            yield from _refund(book, told)
        case "transfer":
            yield from _transfer(book, told)
        case "transfer_reversal":
            yield from _reversal(book, told, destination=_destination(told.get("transfer")))
        case "balance_transaction":
            yield _attempt(_balance_transaction, book, told)
        case "dispute":
            for movement in items(told.get("balance_transactions")):
                yield _attempt(_balance_transaction, book, movement)
        case _:
            return


def _attempt(rule: Callable[[str, Json], Fact | None], book: str, told: Json) -> Attempt:
    try:
        return rule(book, told)
    except CannotBook as why:
        return why


def _charge(book: str, told: Json) -> Iterator[Attempt]:
    is_captured = told.get("captured") is True
    status = told.get("status")
    came_back = status == "failed" and bool(
        id_of(told.get("balance_transaction")) or id_of(told.get("failure_balance_transaction"))
    )
    if is_captured and (status == "succeeded" or came_back):
        yield _attempt(_payment, book, told)
        if came_back:
            yield _attempt(_payment_failed, book, told)
    if is_captured:
        for item in items(told.get("refunds")):
            yield from _refund(book, item)


def _payment_legs(told: Json) -> list[Leg]:
    charge = text(told, "id")
    captured, currency = stripe_money(
        told, "amount" if told.get("amount_captured") is None else "amount_captured"
    )
    if captured < 0:
        raise CannotBook(f"{charge}: captured {captured}")
    sent_on, account = 0, ""
    if told.get("transfer_data") is not None:
        transfer_data = an_object(told["transfer_data"], "transfer_data")
        account = id_of(transfer_data.get("destination"))
        sent_on = captured
        if transfer_data.get("amount") is not None:
            sent_on, _ = stripe_money({**transfer_data, "currency": currency}, "amount")
    return [
        Leg(SETTLING, charge, currency, captured),
        Leg(REVENUE, "", currency, sent_on - captured),
        Leg(CONNECT, account, currency, -sent_on),
    ]


def _payment(book: str, told: Json) -> Fact | None:
    return fact(book, reference("stripe", "payment", text(told, "id")), _payment_legs(told))


def _payment_failed(book: str, told: Json) -> Fact | None:
    name = reference("stripe", "payment", text(told, "id"))
    return fact(book, f"{name}:failed", reversed_legs(_payment_legs(told)))


def _refund(book: str, told: Json) -> Iterator[Attempt]:
    if _is_uncaptured_part(told):
        return
    yield _attempt(_refunded, book, told)
    if told.get("status") in ("failed", "canceled"):
        yield _attempt(_refund_failed, book, told)


def _is_uncaptured_part(told: Json) -> bool:
    """Whether a refund item only gives back what was authorized and never captured."""
    movement = maybe_object(told.get("balance_transaction")) or {}
    return (
        movement.get("reporting_category") == "partial_capture_reversal"
        or told.get("reason") == "expired_uncaptured_charge"
    )


def _refund_legs(told: Json) -> list[Leg]:
    refund = text(told, "id")
    amount, currency = stripe_money(told, "amount")
    if amount < 0:
        raise CannotBook(f"{refund}: {amount} refunded")
    return [Leg(REFUNDS, "", currency, amount), Leg(SETTLING, refund, currency, -amount)]


def _refunded(book: str, told: Json) -> Fact | None:
    return fact(book, reference("stripe", "refund", text(told, "id")), _refund_legs(told))


def _refund_failed(book: str, told: Json) -> Fact | None:
    name = reference("stripe", "refund", text(told, "id"))
    return fact(book, f"{name}:failed", reversed_legs(_refund_legs(told)))


def _destination(transfer: object) -> str:
    return id_of((maybe_object(transfer) or {}).get("destination"))


def _transfer(book: str, told: Json) -> Iterator[Attempt]:
    yield _attempt(_transferred, book, told)
    for item in items(told.get("reversals")):
        yield from _reversal(book, item, destination=_destination(told))


def _transferred(book: str, told: Json) -> Fact | None:
    transfer, account = text(told, "id"), _destination(told)
    amount, currency = stripe_money(told, "amount")
    if amount < 0 or not account:
        raise CannotBook(f"{transfer}: {amount} transferred to {account!r}")
    legs = [Leg(CONNECT, account, currency, amount), Leg(SETTLING, transfer, currency, -amount)]
    return fact(book, reference("stripe", "transfer", transfer), legs)


def _reversal(book: str, told: Json, *, destination: str) -> Iterator[Attempt]:
    """One item of a transfer's reversals; alone it may not say whose money came back."""
    is_refund = bool(id_of(told.get("source_refund")))
    if not is_refund and not destination:
        return
    account = (REFUNDS, "") if is_refund else (CONNECT, destination)
    yield _attempt(lambda book, told: _came_back(book, told, account), book, told)


def _came_back(book: str, told: Json, account: tuple[str, str]) -> Fact | None:
    reversal = text(told, "id")
    amount, currency = stripe_money(told, "amount")
    if amount < 0:
        raise CannotBook(f"{reversal}: {amount} reversed")
    legs = [Leg(SETTLING, reversal, currency, amount), Leg(*account, currency, -amount)]
    return fact(book, reference("stripe", "transfer_reversal", reversal), legs)


def _balance_transaction(book: str, told: Json) -> Fact | None:
    """A movement of the balance: net into it, the fee, and the gross to where its type says."""
    txn = text(told, "id")
    (amount, currency), (net, _) = stripe_money(told, "amount"), stripe_money(told, "net")
    fee, _ = stripe_money(told, "fee")
    if net != amount - fee:
        raise CannotBook(f"{txn}: net {net} is not {amount} - {fee}")
    balance = _balance_account(optional_text(told, "balance_type") or "payments")
    name = reference("stripe", "balance_transaction", txn)
    other = _other_side(told)
    if other is None:
        return fact(
            book, name, [Leg(balance, "", currency, net), Leg(SUSPENSE, txn, currency, -net)]
        )
    account, key = other
    legs = [
        Leg(balance, "", currency, net),
        Leg(FEES, "", currency, fee),
        Leg(account, key, currency, -amount),
    ]
    return fact(book, name, legs)


def _balance_account(balance_type: str) -> str:
    return _RESERVE_ACCOUNTS.get(balance_type) or "assets:stripe:" + balance_type.replace("_", "-")


def _other_side(told: Json) -> tuple[str, str] | None:
    """Account and key that take the gross; ``None`` where there is no rule, or no key for one."""
    kind, category = optional_text(told, "type"), optional_text(told, "reporting_category")
    source = id_of(told.get("source"))
    if kind in _APPLICATION_FEES:
        return APPLICATION_FEES, ""
    if kind in _BILLS:
        return FEES, ""
    if category == "partial_capture_reversal":
        source = _charge_behind(told.get("source"))
    if not source:
        return None
    if kind in _HALVES | _RESERVES:
        return SETTLING, source
    if kind in _IN_TRANSIT:
        return IN_TRANSIT, source
    if kind == "adjustment" and category in ("dispute", "dispute_reversal"):
        return DISPUTES, source
    if kind == "adjustment" and category in _ADJUSTED_HALVES:
        return SETTLING, source
    return None


def _charge_behind(source: object) -> str:
    """The charge whose uncaptured part came back: the source, or the charge that it names."""
    told = maybe_object(source)
    if told is not None and told.get("object") != "charge":
        return id_of(told.get("charge"))
    charge = id_of(source)
    return charge if charge.startswith(("ch_", "py_")) else ""
