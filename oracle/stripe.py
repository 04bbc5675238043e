"""What Stripe's objects say of money: one small function for each kind of object.

A payment is told by its charge, a refund by its refund, a movement of the balance by its balance
transaction. Every telling of an object gives the same facts, and a later state gives the earlier
ones too.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Final

from oracle import customer_credits, invoices, refunds
from oracle.movements import (
    SETTLING,
    balance_transaction,
    created,
    gives_back_a_charge,
    is_of_uncaptured_part,
)
from oracle.reading import (
    Json,
    an_object,
    id_of,
    items,
    maybe_object,
    stripe_money,
    text,
)
from oracle.values import (
    CannotBook,
    CannotRead,
    Fact,
    Leg,
    PassedOn,
    fact,
    reference,
    reversed_legs,
)

REVENUE: Final = "revenue:stripe"
CONNECT: Final = "liabilities:connect"

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
    "payout": (
        "balance_transaction",
        "failure_balance_transaction",
        "original_payout",
        "reversed_by",
    ),
    "topup": ("balance_transaction",),
    "application_fee": ("balance_transaction", "refunds"),
    "fee_refund": ("balance_transaction", "fee"),
    "payment_intent": ("charges", "latest_charge"),
    "checkout.session": ("payment_intent",),
    "invoice": ("charge", "payment_intent", "payments"),
    "invoice_payment": ("invoice",),
    "credit_note": ("invoice", "refund"),
    "list": ("data",),
}
_MAY_BE_NAMELESS: Final = {"list", "invoice", "credit_note"}

Attempt = Fact | PassedOn | CannotBook | None
# A ledger that begins now begins with these.
LATEST_RULES: Final = 2


@dataclass(frozen=True, slots=True)
class Wants:
    """What a book takes in beside money: invoices, and credits at so many for each unit paid.

    ``rules`` is the version of the ledger's rules that it is read by.
    """

    invoices: bool = False
    credits: Fraction | None = None
    rules: int = LATEST_RULES


def facts_of(book: str, told: Json, wants: Wants, charge: Json | None = None) -> Iterator[Attempt]:
    """Each fact that a Stripe object tells, or why one of them is no money.

    An object that stands inside another in full tells itself, unless it is another account's
    (the payment that a transfer became, the charge behind an application fee). ``charge`` is the
    one around it, of which it is told.

    Raises:
        CannotRead: The object lacks what a rule needs.
    """
    kind = told.get("object")
    if kind in _INSIDE and kind not in _MAY_BE_NAMELESS:
        text(told, "id")
    match kind:
        case "charge":
            yield from _charge(book, told, wants)
        case "refund":
            charge = refunds.charge_of(told, charge)
            is_sure = not refunds.may_be_uncaptured(told, charge)
            for rule in refunds.rules_of(told, charge, wants.rules):
                attempt = _attempt(rule, book, told)
                if is_sure:
                    yield attempt
                elif isinstance(attempt, Fact):
                    yield replace(attempt, is_sure=False)
        case "transfer":
            yield from _transfer(book, told, wants, charge)
        case "transfer_reversal":
            yield from _reversal(book, told, destination=_destination(told.get("transfer")))
        case "balance_transaction":
            behind = id_of(charge)
            yield _attempt(lambda b, t: balance_transaction(b, t, behind), book, told)
        case _:
            yield from _billed(book, told, wants)
    yield from _inside(book, told, wants, told if kind == "charge" else charge)


def _billed(book: str, told: Json, wants: Wants) -> Iterator[Attempt]:
    """What an object without money of its own tells to a book that wants to hear of it."""
    kind, rate = told.get("object"), wants.credits
    if wants.invoices and kind == "invoice":
        yield from invoices.invoice(book, told, wants.rules)
    elif wants.invoices and kind == "invoice_payment":
        yield _attempt(invoices.invoice_payment, book, told)
    elif wants.invoices and kind == "credit_note":
        yield from invoices.credit_note(book, told, wants.rules)
    elif rate is not None and kind in ("payment_intent", "checkout.session"):
        yield _attempt(lambda b, t: customer_credits.whose(b, t, rate, wants.rules), book, told)


def _inside(book: str, told: Json, wants: Wants, charge: Json | None) -> Iterator[Attempt]:
    """The facts of the objects that stand in full inside another, or inside that one's charge."""
    for name in _INSIDE.get(str(told.get("object")), ()):
        if name == "payments" and not wants.invoices:
            continue
        inside = maybe_object(told.get(name))
        for item in [inside] if inside and "data" not in inside else items(told.get(name)):
            # A movement inside a dispute is the dispute's, also where it does not say so.
            is_disputes = name == "balance_transactions" and not (
                id_of(item.get("source")) or is_of_uncaptured_part(item)
            )
            if name == "source" and gives_back_a_charge(told) and item.get("object") == "refund":
                # The refund item of a returned debit or of an uncaptured part.
                for rule in refunds.undone(item) if wants.rules > 1 else ():
                    yield _attempt(rule, book, item)
                continue
            shown = item | {"source": told["id"]} if is_disputes else item
            if (
                name == "source"
                and item.get("object") == "refund"
                and not item.get("balance_transaction")
            ):
                # What a movement is about has one, whatever it says of itself.
                shown = item | {"balance_transaction": told["id"]}
            yield from facts_of(book, shown, wants, charge)


def _attempt(rule: Callable[[str, Json], Fact | PassedOn | None], book: str, told: Json) -> Attempt:
    try:
        return rule(book, told)
    except CannotBook as why:
        return why


def _charge(book: str, told: Json, wants: Wants) -> Iterator[Attempt]:
    status, is_captured = told.get("status"), told.get("captured")
    if is_captured not in (True, False, None):
        raise CannotRead("captured is no truth value")
    has_succeeded = status == "succeeded"
    if status not in ("succeeded", "pending", "failed"):
        # Without a status, or with one that nobody knows, it is paid or it is nothing.
        if told.get("paid") not in (True, False, None):
            raise CannotRead("paid is no truth value")
        has_succeeded = told.get("paid") is True
    came_back = status == "failed" and bool(
        id_of(told.get("balance_transaction")) or id_of(told.get("failure_balance_transaction"))
    )
    if came_back or (has_succeeded and is_captured is not False):
        yield from _paid(book, told, wants, came_back=came_back)
    for item in items(told.get("refunds")):
        yield from facts_of(book, item, wants, told)


def _paid(book: str, told: Json, wants: Wants, *, came_back: bool) -> Iterator[Attempt]:
    yield _attempt(_payment, book, told)
    if came_back:
        yield _attempt(_payment_failed, book, told)
    if wants.credits is not None:
        try:
            captured, _ = _captured(told)
            yield from customer_credits.of_charge(
                book, told, captured, wants.credits, came_back=came_back, rules=wants.rules
            )
        except CannotBook:
            return  # The payment itself has said why.


def _captured(told: Json) -> tuple[int, str]:
    is_known = told.get("amount_captured") is not None
    if told.get("status") == "failed" and told.get("amount_captured") == 0:
        is_known = False
    captured, currency = stripe_money(told, "amount_captured" if is_known else "amount")
    if captured < 0:
        raise CannotBook(f"{told['id']}: captured {captured}")
    return captured, currency


def _payment_legs(told: Json) -> list[Leg]:
    charge = text(told, "id")
    captured, currency = _captured(told)
    created(told)
    sent_on, account = 0, id_of(told.get("destination"))
    if account:
        sent_on = captured
    if told.get("transfer_data") is not None:
        transfer_data = an_object(told["transfer_data"], "transfer_data")
        account = id_of(transfer_data.get("destination")) or account
        sent_on = captured if account else 0
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


def _destination(transfer: object) -> str:
    return id_of((maybe_object(transfer) or {}).get("destination"))


def _transfer(book: str, told: Json, wants: Wants, charge: Json | None) -> Iterator[Attempt]:
    if told.get("type") not in ("bank_account", "card"):  # What versions before 2017 call a payout.
        yield _attempt(_transferred, book, told)
    for item in items(told.get("reversals")):
        yield from _reversal(book, item, destination=_destination(told))
        yield from _inside(book, item, wants, charge)


def _transferred(book: str, told: Json) -> Fact | None:
    transfer, account = text(told, "id"), _destination(told)
    amount, currency = stripe_money(told, "amount")
    if amount < 0 or not account:
        raise CannotBook(f"{transfer}: {amount} transferred to {account!r}")
    created(told)
    legs = [Leg(CONNECT, account, currency, amount), Leg(SETTLING, transfer, currency, -amount)]
    return fact(book, reference("stripe", "transfer", transfer), legs)


def _reversal(book: str, told: Json, *, destination: str) -> Iterator[Attempt]:
    """One item of a transfer's reversals; alone it may not say whose money came back."""
    is_refund = bool(id_of(told.get("source_refund")))
    if not is_refund and not destination:
        return
    account = (refunds.REFUNDS, "") if is_refund else (CONNECT, destination)
    yield _attempt(lambda book, told: _came_back(book, told, account), book, told)


def _came_back(book: str, told: Json, account: tuple[str, str]) -> Fact | None:
    reversal = text(told, "id")
    amount, currency = stripe_money(told, "amount")
    if amount < 0:
        raise CannotBook(f"{reversal}: {amount} reversed")
    created(told)
    legs = [Leg(SETTLING, reversal, currency, amount), Leg(*account, currency, -amount)]
    return fact(book, reference("stripe", "transfer_reversal", reversal), legs)
