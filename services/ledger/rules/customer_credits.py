"""Customers' credits: what a paid charge buys, whose it is, and what of it is spent.

They stand off the balance sheet (``memo:``), per customer and currency. A charge tells how many,
and the charge, its payment intent or its checkout session whose they are, in any order: until
then they wait under the payment itself.
"""

from collections.abc import Iterator
from datetime import datetime

from services.ledger import accounts
from services.ledger.activation.in_force import BookInForce
from services.ledger.passed_on import PassedOn
from services.ledger.readers.billed import CustomerNamed
from services.ledger.readers.told import Charge, ChargeState
from services.ledger.rules.billings import Billing
from services.ledger.rules.refusals import CommandRefused
from shared.contracts import references
from shared.contracts.commands import GrantCredits, SpendCredits
from shared.contracts.journal import Entry, Line, credit, debit, entry
from shared.contracts.money import Money


def bought(told: Charge, book: BookInForce) -> Iterator[Billing]:
    """What a charge says of credits: those it bought, whose they are, and that it failed after all.

    A refund or a dispute takes none back by itself: which of them were spent, and whether they are
    to be given back, is the seller's to say, by a command.
    """
    yield Billing(issued(told, book))
    named = CustomerNamed(told.payment, told.customer, told.captured, told.created_at)
    if told.customer:
        yield Billing(assigned(named, book))
    if told.state is ChargeState.RETURNED:
        yield Billing(returned(told, book))
        if told.customer:
            yield Billing(unassigned(told, book))


def assigned_at_once(told: CustomerNamed, book: BookInForce) -> Billing:
    """What names the customer of a payment gives him its credits."""
    return Billing(assigned(told, book))


def issued(told: Charge, book: BookInForce) -> Entry | None:
    """A paid charge buys credits, which wait under its payment until a customer is named.

    Dr memo:credits[payment]                credits
    Cr memo:credits-issued                  credits
    """
    amount = _credits(told.captured, book)
    return entry(
        book=book.name,
        reference=references.credits_issued(told.id),
        kind="credits_issued",
        effective_at=told.created_at,
        lines=[
            debit(accounts.CREDITS, amount, key=told.payment),
            credit(accounts.CREDITS_ISSUED, amount),
        ],
        rules_version=book.rules_version,
        description=f"Credits of charge {told.id}",
    )


def assigned(told: CustomerNamed, book: BookInForce) -> Entry | None:
    """The credits of a payment are this customer's.

        Dr memo:credits[customer]               credits
        Cr memo:credits[payment]                credits

    Whoever tells it first stands; somebody else told later of the same payment is a conflict, so
    that no payment's credits are given twice.
    """
    return entry(
        book=book.name,
        reference=references.credits_assigned(told.payment),
        kind="credits_assigned",
        effective_at=told.at,
        lines=_assignment(told, book),
        rules_version=book.rules_version,
        description=f"Credits of {told.payment} to {told.customer}",
    )


def _assignment(told: CustomerNamed, book: BookInForce) -> list[Line]:
    amount = _credits(told.amount, book)
    return [
        debit(accounts.CREDITS, amount, key=told.customer),
        credit(accounts.CREDITS, amount, key=told.payment),
    ]


def returned(told: Charge, book: BookInForce) -> Entry | None:
    """A charge failed after it had succeeded: what it bought is taken back.

        Dr memo:credits-issued                  credits
        Cr memo:credits[payment]                credits

    Where only a session had named the customer, the payment's key is left below zero by it.
    """
    amount = _credits(told.captured, book)
    return entry(
        book=book.name,
        reference=references.credits_returned(told.id),
        kind="credits_returned",
        effective_at=told.failed_at,
        lines=[
            debit(accounts.CREDITS_ISSUED, amount),
            credit(accounts.CREDITS, amount, key=told.payment),
        ],
        rules_version=book.rules_version,
        description=f"Credits of charge {told.id}, which failed",
        reverses=references.credits_issued(told.id),
    )


def unassigned(told: Charge, book: BookInForce) -> Entry | None:
    """The customer of a charge that failed after all gives back what it bought.

    Dr memo:credits[payment]                credits
    Cr memo:credits[customer]               credits
    """
    named = CustomerNamed(told.payment, told.customer, told.captured, told.failed_at)
    return entry(
        book=book.name,
        reference=references.credits_unassigned(told.payment),
        kind="credits_unassigned",
        effective_at=told.failed_at,
        lines=[line.turned() for line in reversed(_assignment(named, book))],
        rules_version=book.rules_version,
        description=f"Credits of {told.payment} back from {told.customer}",
        reverses=references.credits_assigned(told.payment),
    )


def bought_by_whom(told: Charge, book: BookInForce) -> Iterator[Billing]:
    """The same since version 2: who has them is passed on, charge by charge.

    A payment may be tried again after its debit failed: each charge buys and gives back its own.
    """
    yield Billing(issued(told, book))
    if told.state is ChargeState.RETURNED:
        yield Billing(returned(told, book))
    if told.customer:
        named = CustomerNamed(told.payment, told.customer, told.captured, told.created_at)
        yield assigned_to_whom(named, book)


def assigned_to_whom(told: CustomerNamed, book: BookInForce) -> Billing:
    """The same since version 2: the credits of a payment go on to its customer, whoever told first.

    How many those are is told by the payment's charges.
    """
    key, at, version = told.payment, told.at, book.rules_version
    to = (accounts.CREDITS, told.customer)
    return Billing(None, passed_on=PassedOn(accounts.CREDITS, key, *to, at, version))


def passed_to_customer(booked: Entry, on: PassedOn) -> Entry:
    """The credits that a charge bought are this customer's; those it gave back are no longer.

    Dr memo:credits[customer]               credits
    Cr memo:credits[payment]                credits
    """
    is_returned = booked.kind == "credits_returned"
    return Entry(
        book=booked.book,
        reference=references.credits_passed_on(booked.reference),
        kind="credits_unassigned" if is_returned else "credits_assigned",
        effective_at=on.effective_at(booked),
        postings=on.legs(booked),
        rules_version=on.rules_version,
        description=f"Credits of {on.key} {'back from' if is_returned else 'to'} {on.to_key}",
    )


def granted(
    command: GrantCredits, amount: Money, book: BookInForce, *, effective_at: datetime
) -> Entry:
    """Credits that no charge paid for.

    Dr memo:credits[customer]               amount
    Cr memo:credits-issued                  amount
    """
    return _by_command(command, amount, book, effective_at, kind="credits_granted")


def spent(
    command: SpendCredits, amount: Money, book: BookInForce, *, effective_at: datetime
) -> Entry:
    """A customer uses credits, or has them taken back.

    Dr memo:credits-issued                  amount
    Cr memo:credits[customer]               amount
    """
    return _by_command(command, -amount, book, effective_at, kind="credits_spent")


def _by_command(
    command: GrantCredits | SpendCredits,
    amount: Money,
    book: BookInForce,
    effective_at: datetime,
    *,
    kind: str,
) -> Entry:
    lines = [
        debit(accounts.CREDITS, amount, key=command.customer),
        credit(accounts.CREDITS_ISSUED, amount),
    ]
    booked = entry(
        book=book.name,
        reference=references.command(command.idempotency_key),
        kind=kind,
        effective_at=effective_at,
        lines=lines if amount.minor > 0 else lines[::-1],
        rules_version=book.rules_version,
        description=command.description or command.reason,
    )
    if booked is None:
        raise CommandRefused(
            "an entry moves credits: the amount is not above zero",
            rule="positive",
            values={"minor": str(amount.minor)},
        )
    return booked


def _credits(paid: Money, book: BookInForce) -> Money:
    """The credits that an amount buys, rounded down; as much as was paid, unless the book says."""
    above, below = book.data.credits_per_money.as_integer_ratio()
    return Money(paid.minor * above // below, paid.currency)
