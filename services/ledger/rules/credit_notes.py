"""Credit notes of a book on accrual basis: what is taken back of an invoice, and where it goes."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from services.ledger import accounts
from services.ledger.activation.in_force import BookInForce
from services.ledger.readers.billed import CreditNote
from services.ledger.rules.billings import Billing, billed_entry
from services.ledger.unearned import Cut
from shared.contracts import references
from shared.contracts.journal import Line, credit, debit
from shared.contracts.money import Money


def credit_note(told: CreditNote, book: BookInForce) -> Iterator[Billing]:
    """Everything that a credit note tells."""
    yield credited(told, book)
    if told.voided_at is not None:
        yield credit_voided(told, told.voided_at, book)


def credit_note_given_outside(told: CreditNote, book: BookInForce) -> Iterator[Billing]:
    """The same since version 2: all that was given back outside of Stripe is.

    Where no customer is named it is its account's.
    """
    to_balance = told.to_balance + told.out_of_band - told.outside
    customer = told.customer or told.account
    yield from credit_note(
        replace(told, out_of_band=told.outside, to_balance=to_balance, customer=customer), book
    )


def credited(told: CreditNote, book: BookInForce) -> Billing:
    """A credit note takes back a part of an invoice.

        Dr revenue:stripe                           total without tax
        Dr liabilities:tax                          tax
        Cr assets:receivable[invoice]               taken off what is still to be paid
        Cr revenue:refunds                          refunded, which the refund debited
        Cr liabilities:customer-balance[customer]   given to the customer's balance
        Cr liabilities:suspense[credit note]        given back outside of Stripe

    What it takes back of a line that is yet to be earned, the next clock tick takes from there.

    Source: Stripe API reference, "The Credit Note object".
    """
    booked = billed_entry(
        book,
        references.credit_note(told.id),
        "credit_note",
        told.created_at,
        _taken_back(told),
        about=f"Credit note {told.id} to invoice {told.invoice}",
    )
    return Billing(booked, cuts=_cuts(told))


def _cuts(told: CreditNote, *, sign: int = 1) -> tuple[Cut, ...]:
    """What it takes back of each line, a line once; undone, it is as if it had never been."""
    sums: dict[str, Money] = {}
    for each in told.lines:
        sums[each.line] = sums[each.line] + each.net if each.line in sums else each.net
    return tuple(
        Cut(line, net if sign > 0 else -net, told.created_at) for line, net in sums.items()
    )


def _taken_back(told: CreditNote) -> list[Line]:
    return [
        debit(accounts.REVENUE, told.total - told.tax),
        debit(accounts.TAX, told.tax),
        credit(accounts.RECEIVABLE, told.on_invoice, key=told.invoice),
        credit(accounts.REFUNDS, told.refunded),
        credit(accounts.CUSTOMER_BALANCE, told.to_balance, key=told.customer),
        credit(accounts.SUSPENSE, told.out_of_band, key=told.id),
    ]


def credit_voided(told: CreditNote, at: datetime, book: BookInForce) -> Billing:
    """A credit note is voided: the customer owes again what it had taken back.

    Dr assets:receivable[invoice]           what it had taken off
    Cr revenue:stripe                       total without tax
    Cr liabilities:tax                      tax
    """
    booked = billed_entry(
        book,
        references.credit_note_voided(told.id),
        "credit_note_voided",
        at,
        [line.turned() for line in reversed(_taken_back(told))],
        about=f"Credit note {told.id} voided",
        reverses=references.credit_note(told.id),
    )
    return Billing(booked, cuts=_cuts(told, sign=-1))
