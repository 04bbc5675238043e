"""What paid charges say of customers' credits, and who is said to be the customer.

Credits wait under the payment (its intent, or the charge that has none) until it is told whose it
is; they stand off the balance sheet.
"""

from collections.abc import Iterator
from fractions import Fraction
from typing import Final

from oracle.reading import Json, id_of, maybe_object, stripe_money, text, wire_money
from oracle.values import (
    CannotBook,
    Fact,
    Leg,
    PassedOn,
    fact,
    reference,
    reversed_legs,
)

CREDITS: Final = "memo:credits"
ISSUED: Final = "memo:credits-issued"


def of_charge(
    book: str, told: Json, captured: int, rate: Fraction, *, came_back: bool, rules: int
) -> Iterator[Fact | PassedOn | None]:
    """What a charge bought, whose it is where the charge says so, and that it came back.

    Since the second rules whose it is goes by the charge: what it moves goes on to the customer.
    """
    charge = text(told, "id")
    payment, customer = id_of(told.get("payment_intent")) or charge, id_of(told.get("customer"))
    currency = stripe_money({**told, "amount": captured}, "amount")[1]
    amount = captured * rate.numerator // rate.denominator
    waiting = Leg(CREDITS, payment, currency, amount)
    bought = [waiting, Leg(ISSUED, "", currency, -amount)]
    given = [Leg(CREDITS, customer, currency, amount), *reversed_legs([waiting])]
    first = reference("stripe", "credit", charge)
    second = f"{reference('stripe', 'credit', payment)}:customer"
    yield fact(book, first, bought)
    if rules > 1:
        if came_back:
            yield fact(book, f"{first}:returned", reversed_legs(bought), reverses=first)
        if customer:
            yield PassedOn(book, CREDITS, payment, CREDITS, customer)
        return
    if customer:
        yield fact(book, second, given)
    if came_back:
        yield fact(book, f"{first}:returned", reversed_legs(bought), reverses=first)
        if customer:
            yield fact(book, f"{second}:returned", reversed_legs(given), reverses=second)


def whose(book: str, told: Json, rate: Fraction, rules: int) -> Fact | PassedOn | None:
    """Whose a payment is, as a paid session or a payment intent that succeeded says."""
    if told.get("object") == "payment_intent":
        payment, customer = text(told, "id"), id_of(told.get("customer"))
        is_paid, name = told.get("status") == "succeeded", "amount_received"
    else:
        payment = id_of(told.get("payment_intent"))
        customer = id_of(told.get("customer")) or _email(told)
        is_paid, name = told.get("payment_status") == "paid", "amount_total"
    if not (is_paid and payment and customer) or told.get(name) is None:
        return None
    paid, currency = stripe_money(told, name)
    if paid < 0:
        raise CannotBook(f"{payment}: {paid} paid")
    if rules > 1:
        return PassedOn(book, CREDITS, payment, CREDITS, customer)
    amount = paid * rate.numerator // rate.denominator
    legs = [Leg(CREDITS, customer, currency, amount), Leg(CREDITS, payment, currency, -amount)]
    return fact(book, reference("stripe", "credit", payment, "customer"), legs)


def credits_by_command(book: str, name: str, told: Json) -> Fact | None:
    """Credits that a person or an application gives or takes."""
    amount, currency = wire_money(told.get("amount"))
    if amount <= 0:
        raise CannotBook(f"{name}: {amount} credits")
    given = amount if told["kind"] == "grant_credits" else -amount
    customer = text(told, "customer")
    legs = [Leg(CREDITS, customer, currency, given), Leg(ISSUED, "", currency, -given)]
    return fact(book, name, legs)


def _email(told: Json) -> str:
    details = maybe_object(told.get("customer_details")) or {}
    email = str(details.get("email") or told.get("customer_email") or "").strip().lower()
    return email if "@" in email and len(email) <= 200 and email.isprintable() else ""
