"""What a refund tells of money: nothing, where it is one in form only."""

from collections.abc import Callable
from typing import Final

from oracle.movements import SETTLING, created, is_of_uncaptured_part
from oracle.reading import Json, maybe_object, stripe_money, text
from oracle.values import CannotBook, Fact, Leg, fact, reference, reversed_legs

REFUNDS: Final = "revenue:refunds"

Rule = Callable[[str, Json], Fact | None]


def rules_of(told: Json, charge: Json | None) -> tuple[Rule, ...]:
    """Each thing that a refund says of money; ``charge`` is its own, as far as it is told."""
    if _is_of_uncaptured_part(told, charge or {}) or (charge or {}).get("status") == "failed":
        return ()
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


def may_be_uncaptured(item: Json, charge: Json) -> bool:
    """Whether a refund is just as large as what of its charge was never captured.

    Stripe gives that part back by a refund item. By its amount alone nobody can say which it is.
    """
    whole, captured = charge.get("amount"), charge.get("amount_captured")
    if type(whole) is not int or type(captured) is not int:
        return False
    return 0 < whole - captured == item.get("amount")


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
