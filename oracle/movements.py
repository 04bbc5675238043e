"""Movements of Stripe's balances: which account stands against each, and under which key."""

from typing import Final

from oracle.reading import Json, id_of, maybe_object, optional_text, stripe_money, text
from oracle.values import CannotBook, CannotRead, Fact, Leg, fact, reference

BALANCE: Final = "assets:stripe:balance"
SETTLING: Final = "assets:stripe:settling"
IN_TRANSIT: Final = "assets:stripe:in-transit"
FEES: Final = "expenses:stripe-fees"
DISPUTES: Final = "expenses:disputes"
APPLICATION_FEES: Final = "revenue:application-fees"
SUSPENSE: Final = "liabilities:suspense"
LOANS: Final = "liabilities:stripe-loans"

# What takes the gross of a balance transaction: an account alone, or one that is kept by key.
_BY_SOURCE: Final = {
    SETTLING: """
        charge payment refund payment_refund refund_failure transfer transfer_refund
        transfer_cancel transfer_failure reserve_hold reserve_release
    """,
    IN_TRANSIT: """
        payout payout_failure payout_cancel topup topup_reversal
        inbound_transfer inbound_transfer_reversal
    """,
}
_ALONE: Final = {
    APPLICATION_FEES: "application_fee application_fee_refund",
    FEES: "stripe_fee stripe_fx_fee tax_fee",
    LOANS: "advance advance_funding anticipation_repayment",
    "liabilities:customer-funds": "payment_unreconciled",
    "expenses:bad-debt": "connect_collection_transfer",
    "expenses:climate": "climate_order_purchase climate_order_refund contribution",
    "expenses:issuing": """
        issuing_transaction issuing_dispute issuing_dispute_provisional_credit
        issuing_dispute_provisional_credit_reversal
    """,
    "expenses:platform-fees": """
        stripe_balance_payment_debit stripe_balance_payment_debit_reversal
    """,
    "assets:stripe:issuing-held": "issuing_authorization_hold issuing_authorization_release",
    "assets:stripe:connect-reserved": "reserve_transaction",
    "assets:stripe:reserve": "reserved_funds",
    "assets:stripe:payment-network-reserve": """
        payment_network_reserve_hold payment_network_reserve_release
    """,
    "assets:stripe:minimum-balance": """
        payout_minimum_balance_hold payout_minimum_balance_release
    """,
}
# Adjustments: the categories that are named like a type, and what the others are a case of.
_ADJUSTED_LIKE_A_TYPE: Final = {
    "advance",
    "advance_funding",
    "anticipation_repayment",
    "charge",
    "climate_order_purchase",
    "climate_order_refund",
    "connect_collection_transfer",
    "contribution",
    "issuing_authorization_hold",
    "issuing_authorization_release",
    "issuing_dispute",
    "issuing_transaction",
    "payout",
    "refund",
    "refund_failure",
    "topup",
    "topup_reversal",
    "transfer",
}
_ADJUSTED_LIKE: Final = {
    "connect_reserved_funds": "reserve_transaction",
    "fee": "stripe_fee",
    "network_cost": "stripe_fee",
    "payout_reversal": "payout",
    "platform_earning": "application_fee",
    "platform_earning_refund": "application_fee_refund",
    "risk_reserved_funds": "reserved_funds",
    "tax": "tax_fee",
    "transfer_reversal": "transfer_refund",
    "unreconciled_customer_funds": "payment_unreconciled",
}
_KEYED: Final = {kind: to for to, kinds in _BY_SOURCE.items() for kind in kinds.split()}
_UNKEYED: Final = {kind: to for to, kinds in _ALONE.items() for kind in kinds.split()}
_LOAN_CATEGORIES: Final = {
    f"financing_{what}{way}" for what in ("payout", "paydown") for way in ("", "_reversal")
}
_OF_A_REFUND_ITEM: Final = {"adjustment", "refund", "payment_refund"}
_NO_BALANCES: Final = {"balance", "settling", "in-transit"}


def balance_transaction(book: str, told: Json, charge: str = "") -> Fact | None:
    """A movement of the balance: net into it, the fee, and the gross to where its type says.

    ``charge`` is the one that it is told with: of its refund, or itself the charge that failed.
    """
    txn = text(told, "id")
    (amount, currency), (net, _) = stripe_money(told, "amount"), stripe_money(told, "net")
    fee, _ = stripe_money(told, "fee")
    created(told)
    if net != amount - fee:
        raise CannotBook(f"{txn}: net {net} is not {amount} - {fee}")
    balance = _balance_account(optional_text(told, "balance_type") or "payments")
    name = reference("stripe", "balance_transaction", txn)
    other = _other_side(told, charge)
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
    if balance_type in ("payments", "risk_reserved"):
        return BALANCE if balance_type == "payments" else "assets:stripe:reserve"
    name = balance_type.replace("_", "-")
    if name in _NO_BALANCES:
        raise CannotBook(f"a balance {balance_type!r} would be an account of something else")
    return f"assets:stripe:{name}"


def _other_side(told: Json, around: str) -> tuple[str, str] | None:
    """Account and key that take the gross; ``None`` where there is no rule, or no key for one."""
    kind, category = optional_text(told, "type"), optional_text(told, "reporting_category")
    source = id_of(told.get("source"))
    if category in _LOAN_CATEGORIES:
        return LOANS, ""
    if _is_of_charge_failure(kind, category) or (
        category == "partial_capture_reversal" and kind in _OF_A_REFUND_ITEM
    ):
        charge = _charge_behind(told.get("source"), around)
        return (SETTLING, charge) if charge else None
    if _is_of_payout(kind, category, told.get("source")):
        kind = "payout"
    if kind == "adjustment":
        if category in ("dispute", "dispute_reversal") or (
            not category and source.startswith(("dp_", "du_"))
        ):
            return (DISPUTES, source) if source else None
        if not category and source.startswith(("re_", "pyr_")):
            kind = "refund_failure"
        elif category in _ADJUSTED_LIKE_A_TYPE:
            kind = category
        else:
            kind = _ADJUSTED_LIKE.get(category, "")
    if kind in _UNKEYED:
        return _UNKEYED[kind], ""
    return (_KEYED[kind], source) if source and kind in _KEYED else None


def _is_of_payout(kind: str, category: str, source: object) -> bool:
    """Whether what is called a transfer is a payout, as versions before 2017-04-06 call it."""
    if kind not in ("transfer", "transfer_cancel", "transfer_failure"):
        return False
    shown = maybe_object(source) or {}
    return (
        category in ("payout", "payout_reversal")
        or id_of(source).startswith("po_")
        or shown.get("object") == "payout"
        or (shown.get("object") == "transfer" and shown.get("type") in ("bank_account", "card"))
    )


def _charge_behind(source: object, around: str) -> str:
    """The charge that came back, whole or in part: the source, what it names, or the one around."""
    told = maybe_object(source)
    if told is not None and told.get("object") != "charge":
        return id_of(told.get("charge"))
    charge = id_of(source)
    return charge if charge.startswith(("ch_", "py_")) else around


def gives_back_a_charge(movement: Json) -> bool:
    """Whether a movement undoes a charge itself, so that its charge is the key and no refund."""
    return is_of_uncaptured_part(movement) or (
        movement.get("type") == "payment_failure_refund"
        or movement.get("reporting_category") == "charge_failure"
    )


def is_of_uncaptured_part(movement: Json) -> bool:
    """Whether a movement gives back what was authorized and never captured."""
    return movement.get("reporting_category") == "partial_capture_reversal"


def _is_of_charge_failure(kind: str, category: str) -> bool:
    return kind == "payment_failure_refund" or (
        category == "charge_failure" and kind in _OF_A_REFUND_ITEM | {"payment_reversal"}
    )


def created(told: Json) -> None:
    """An object without a time of its own has no effective time: it cannot be booked.

    Raises:
        CannotRead: There is none.
    """
    if type(told.get("created")) is not int:
        raise CannotRead(f"{told.get('object')} without a time")
