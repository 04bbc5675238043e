"""What a refund tells of money: that it was made, and failed, or is one in form only."""

from collections.abc import Callable
from typing import Final

from oracle.movements import SETTLING, created, gives_back_a_charge, is_of_uncaptured_part
from oracle.reading import Json, id_of, items, maybe_object, stripe_money, text
from oracle.values import CannotBook, Fact, Leg, fact, reference, reversed_legs

REFUNDS: Final = "revenue:refunds"

Rule = Callable[[str, Json], Fact | None]


def rules_of(told: Json, charge: Json | None, rules: int) -> tuple[Rule, ...]:
    """Each thing that a refund says of money; ``charge`` is its own, as far as it is told.

    Version 1 of the ledger's rules has no part for what is a refund in form only. Since version 2
    that is a refund and its undoing, since nobody knows what was told before; and a customer's cash
    balance is none of ours.
    """
    known = charge or {}
    if rules == 1:
        is_none = _is_of_uncaptured_part(told, known) or known.get("status") == "failed"
        return () if is_none else _made(told)
    if charge is None and _is_of_cash_balance(told):
        return ()
    return undone(told) if is_only_in_form(told, known) else _made(told)


def _is_of_cash_balance(told: Json) -> bool:
    """Whether it gives back money that a customer left with Stripe, and that never was ours.

    Such a refund has no payment and no movement, and says so.
    """
    nowhere: Json = {"charge": None, "payment_intent": None, "balance_transaction": None}
    return {name: told[name] for name in nowhere if name in told} == nowhere


def undone(told: Json) -> tuple[Rule, ...]:
    """What a refund in form only says of money; where it failed, it is undone by that."""
    made = _made(told)
    return made if _failed in made else (*made, _released)


def is_only_in_form(told: Json, charge: Json) -> bool:
    """Whether a refund gives no customer anything back: it undoes a charge, or a part of it."""
    movement = maybe_object(told.get("balance_transaction")) or {}
    taken_back_by = id_of(charge.get("failure_balance_transaction"))
    return (
        _is_of_uncaptured_part(told, charge)
        or gives_back_a_charge(movement)
        or (
            charge.get("status") == "failed"
            and bool(taken_back_by)
            and taken_back_by == id_of(told.get("balance_transaction"))
        )
    )


def _made(told: Json) -> tuple[Rule, ...]:
    return (_refunded, _failed) if told.get("status") in ("failed", "canceled") else (_refunded,)


def charge_of(told: Json, around: Json | None) -> Json | None:
    """The charge of a refund: expanded in it, or around it where it names no other."""
    named = told.get("charge")
    expanded = maybe_object(named)
    if expanded is not None:
        return expanded
    if around is not None and named in (None, around.get("id")):
        return around
    return {"id": named} if isinstance(named, str) else None


def may_be_uncaptured(told: Json, charge: Json | None) -> bool:
    """Whether a refund is just as large as what of its charge was never captured.

    Stripe gives that part back by a refund item, the oldest in the charge's list. By its amount
    nobody can say which it is; its movement does.
    """
    movement = maybe_object(told.get("balance_transaction")) or {}
    if charge is None or isinstance(movement.get("reporting_category"), str):
        return False
    whole, captured = charge.get("amount"), charge.get("amount_captured")
    if type(whole) is not int or type(captured) is not int or not items(charge.get("refunds")):
        return False
    return 0 < whole - captured == told.get("amount")


def _is_of_uncaptured_part(told: Json, charge: Json) -> bool:
    """Whether a refund only gives back what was authorized and never captured."""
    movement = maybe_object(told.get("balance_transaction")) or {}
    if isinstance(movement.get("reporting_category"), str):
        return is_of_uncaptured_part(movement)
    return told.get("reason") == "expired_uncaptured_charge" or (
        charge.get("captured") is False and charge.get("status") != "failed"
    )


def _legs(told: Json) -> list[Leg]:
    refund = text(told, "id")
    amount, currency = stripe_money(told, "amount")
    if amount < 0:
        raise CannotBook(f"{refund}: {amount} refunded")
    created(told)
    return [Leg(REFUNDS, "", currency, amount), Leg(SETTLING, refund, currency, -amount)]


def _refunded(book: str, told: Json) -> Fact | None:
    return fact(book, reference("stripe", "refund", text(told, "id")), _legs(told))


def _failed(book: str, told: Json) -> Fact | None:
    name = reference("stripe", "refund", text(told, "id"))
    return fact(book, f"{name}:failed", reversed_legs(_legs(told)))


def _released(book: str, told: Json) -> Fact | None:
    name = reference("stripe", "refund", text(told, "id"))
    return fact(book, f"{name}:released", reversed_legs(_legs(told)))
