"""What Stripe's objects say of money: one small function for each kind of object.

A payment is told by its charge, a refund by its refund, a movement of the balance by its balance
transaction. Every telling of an object gives the same facts, and a later state gives the earlier
ones too.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
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
from oracle.values import CannotBook, CannotRead, Fact, Leg, fact, reference, reversed_legs

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
    "transfer_cancel",
    "transfer_failure",
}
_RESERVES: Final = {
    "reserve_hold",
    "reserve_release",
    "reserved_funds",
    "payment_network_reserve_hold",
    "payment_network_reserve_release",
}
_IN_TRANSIT: Final = {"payout", "payout_failure", "payout_cancel", "topup", "topup_reversal"}
_APPLICATION_FEES: Final = {"application_fee", "application_fee_refund"}
_BILLS: Final = {"stripe_fee", "stripe_fx_fee", "tax_fee"}
_ADJUSTED_HALVES: Final = {"refund_failure", "charge_failure"}
_RESERVE_ACCOUNTS: Final = {"payments": BALANCE, "risk_reserved": "assets:stripe:reserve"}

_INSIDE: Final = {
    "charge": (
        "balance_transaction",
        "failure_balance_transaction",
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
    "transfer": ("balance_transaction", "source_transaction"),
    "transfer_reversal": ("balance_transaction", "transfer", "source_refund"),
    "balance_transaction": ("source",),
    "dispute": ("balance_transactions", "charge"),
    "payout": ("balance_transaction", "failure_balance_transaction"),
    "topup": ("balance_transaction",),
    "application_fee": ("balance_transaction",),
    "list": ("data",),
}

Attempt = Fact | CannotBook | None


def facts_of(book: str, told: Json) -> Iterator[Attempt]:
    """Each fact that a Stripe object tells, or why one of them is no money.

    An object that stands inside another in full tells itself, unless it is another account's
    (the payment that a transfer became, the charge behind an application fee).

    Raises:
        CannotRead: The object lacks what a rule needs.
    """
    kind = told.get("object")
    if kind in _INSIDE and kind != "list":
        text(told, "id")
    match kind:
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
        case _:
            pass
    yield from _inside(book, told)


def _inside(book: str, told: Json) -> Iterator[Attempt]:
    """The facts of the objects that stand in full inside another."""
    for name in _INSIDE.get(str(told.get("object")), ()):
        inside = maybe_object(told.get(name))
        for item in [inside] if inside and "data" not in inside else items(told.get(name)):
            # A movement inside a dispute is the dispute's, also where it does not say so.
            is_disputes = name == "balance_transactions" and not (
                id_of(item.get("source")) or _is_of_uncaptured_part(item)
            )
            if name == "source" and _gives_back_a_charge(told) and item.get("object") == "refund":
                # The refund item of a returned debit or of an uncaptured part books nothing.
                continue
            yield from facts_of(book, item | {"source": told["id"]} if is_disputes else item)


def _attempt(rule: Callable[[str, Json], Fact | None], book: str, told: Json) -> Attempt:
    try:
        return rule(book, told)
    except CannotBook as why:
        return why


def _charge(book: str, told: Json) -> Iterator[Attempt]:
    status, is_captured = told.get("status"), told.get("captured")
    if is_captured not in (True, False, None):
        raise CannotRead("captured is no truth value")
    came_back = status == "failed" and bool(
        id_of(told.get("balance_transaction")) or id_of(told.get("failure_balance_transaction"))
    )
    if came_back or (status == "succeeded" and is_captured is not False):
        yield _attempt(_payment, book, told)
    if came_back:
        yield _attempt(_payment_failed, book, told)
    for item in items(told.get("refunds")):
        # Stripe once gave back an uncaptured part by a refund item: of one that is just as large,
        # or of a charge that was never captured, nobody can say which it is.
        is_sure = is_captured is not False and not _may_be_uncaptured(told, item)
        for attempt in facts_of(book, item):
            if is_sure:
                yield attempt
            elif isinstance(attempt, Fact):
                yield replace(attempt, is_sure=False)


def _may_be_uncaptured(told: Json, item: Json) -> bool:
    whole, captured, given_back = (
        told.get("amount"),
        told.get("amount_captured"),
        item.get("amount"),
    )
    return type(whole) is int and type(captured) is int and 0 < whole - captured == given_back


def _payment_legs(told: Json) -> list[Leg]:
    charge = text(told, "id")
    is_known = told.get("amount_captured") is not None
    if told.get("status") == "failed" and told.get("amount_captured") == 0:
        is_known = False
    captured, currency = stripe_money(told, "amount_captured" if is_known else "amount")
    if captured < 0:
        raise CannotBook(f"{charge}: captured {captured}")
    _created(told)
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
    charge = maybe_object(told.get("charge")) or {}
    return (
        charge.get("captured") is False
        or _is_of_uncaptured_part(movement)
        or told.get("reason") == "expired_uncaptured_charge"
    )


def _gives_back_a_charge(movement: Json) -> bool:
    """Whether a movement undoes a charge itself, so that its charge is the key and no refund."""
    return _is_of_uncaptured_part(movement) or (
        movement.get("type") == "payment_failure_refund"
        or movement.get("reporting_category") == "charge_failure"
    )


def _is_of_uncaptured_part(movement: Json) -> bool:
    return movement.get("reporting_category") == "partial_capture_reversal"


def _refund_legs(told: Json) -> list[Leg]:
    refund = text(told, "id")
    amount, currency = stripe_money(told, "amount")
    if amount < 0:
        raise CannotBook(f"{refund}: {amount} refunded")
    _created(told)
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
        yield from _inside(book, item)


def _transferred(book: str, told: Json) -> Fact | None:
    transfer, account = text(told, "id"), _destination(told)
    amount, currency = stripe_money(told, "amount")
    if amount < 0 or not account:
        raise CannotBook(f"{transfer}: {amount} transferred to {account!r}")
    _created(told)
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
    _created(told)
    legs = [Leg(SETTLING, reversal, currency, amount), Leg(*account, currency, -amount)]
    return fact(book, reference("stripe", "transfer_reversal", reversal), legs)


def _balance_transaction(book: str, told: Json) -> Fact | None:
    """A movement of the balance: net into it, the fee, and the gross to where its type says."""
    txn = text(told, "id")
    (amount, currency), (net, _) = stripe_money(told, "amount"), stripe_money(told, "net")
    fee, _ = stripe_money(told, "fee")
    _created(told)
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
    if _is_of_uncaptured_part(told):
        source = _charge_behind(told.get("source"))
    elif _gives_back_a_charge(told):
        source = _charge_behind(told.get("source")) or source
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


def _created(told: Json) -> None:
    """An object without a time of its own has no effective time: it cannot be booked.

    Raises:
        CannotRead: There is none.
    """
    if type(told.get("created")) is not int:
        raise CannotRead(f"{told.get('object')} without a time")
