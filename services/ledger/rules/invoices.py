"""Invoices of a book on accrual basis: what is asked for, earned, paid, given up, taken back.

On cash basis an invoice books nothing: its charge is the revenue. Every entry is made of what
stands in the object for good, so each telling of it, early or late, makes the same.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from services.ledger import accounts
from services.ledger.activation.in_force import BookInForce
from services.ledger.readers.billed import Invoice, InvoicePayment, ServedLine
from services.ledger.rules.bad_debts import given_up
from services.ledger.rules.billings import Billing, billed_entry
from services.ledger.unearned import Cut, Schedule
from shared.contracts import references
from shared.contracts.journal import Line, credit, debit
from shared.contracts.money import Money


def invoice(told: Invoice, book: BookInForce) -> Iterator[Billing]:
    """Everything that a finalized invoice tells, in the order in which it happened.

    What had been given up of one that is paid or voided by now is worked out from it.
    """
    yield from _asked_for_and_paid(told, book)
    if told.written_off is not None:
        yield uncollectible(told, told.written_off, book)
        if told.recovered_at is not None:
            yield recovered(told, told.written_off, told.recovered_at, book)
    yield from _taken_back(told, book)


def invoice_or_bad_debt(told: Invoice, book: BookInForce) -> Iterator[Billing]:
    """The same since version 2.

    It says that it was given up, and never how much, see ``bad_debts``. One that was marked as paid
    is paid by what was due. Where no customer is named it is its account's.
    """
    told = replace(told, out_of_band=told.paid_outside, customer=told.customer or told.account)
    yield from _asked_for_and_paid(told, book)
    if told.written_off is not None:
        yield Billing(None, passed_on=given_up(told.id, told.written_off_at, book))
    yield from _taken_back(told, book)


def _asked_for_and_paid(told: Invoice, book: BookInForce) -> Iterator[Billing]:
    yield finalized(told, book)
    for line in told.lines:
        yield deferred(told, line, book)
    yield balance_applied(told, book)
    if told.payment is not None:
        yield paid(told.payment, book)
    if told.out_of_band is not None:
        yield paid_out_of_band(told, told.out_of_band, book)
    if told.overpaid is not None:
        yield overpaid(told, told.overpaid, book)


def _taken_back(told: Invoice, book: BookInForce) -> Iterator[Billing]:
    if told.voided_at is not None:
        yield voided(told, told.voided_at, book)
        for line in told.lines:
            yield deferral_voided(line, told.voided_at, book)
        yield balance_returned(told, told.voided_at, book)


def finalized(told: Invoice, book: BookInForce) -> Billing:
    """An invoice is finalized: the customer owes it, and it is revenue but for its tax.

        Dr assets:receivable[invoice]           total
        Cr revenue:stripe                       total without tax
        Cr liabilities:tax                      tax

    An invoice below zero turns the sides, and its rest goes to the customer's balance.

    Source: Stripe API reference, "The Invoice object".
    """
    return Billing(
        billed_entry(
            book,
            references.invoice(told.id),
            "invoice",
            told.finalized_at,
            _asked_for(told),
            about=f"Invoice {told.id} finalized",
        )
    )


def _asked_for(told: Invoice) -> list[Line]:
    return [
        debit(accounts.RECEIVABLE, told.total, key=told.id),
        credit(accounts.REVENUE, told.total - told.tax),
        credit(accounts.TAX, told.tax),
    ]


def deferred(told: Invoice, line: ServedLine, book: BookInForce) -> Billing:
    """A line is served over more than a month: its revenue is yet to be earned.

        Dr revenue:stripe                       line
        Cr liabilities:unearned[line]           line

    An entry of its own for each line, because an event shows ten of them at most. Clock ticks
    release it. A line below zero (the unused time of what was changed) turns the sides.

    Source: Stripe API reference, "The Invoice Line Item object", ``period``.
    """
    booked = billed_entry(
        book,
        references.invoice_line(line.id),
        "revenue_deferred",
        told.finalized_at,
        [
            debit(accounts.REVENUE, line.net),
            credit(accounts.UNEARNED, line.net, key=line.id),
        ],
        about=f"Line {line.id} of {told.id}, served {line.since:%Y-%m-%d} to {line.until:%Y-%m-%d}",
    )
    return Billing(booked, schedules=(Schedule(line.id, line.net, line.since, line.until),))


def balance_applied(told: Invoice, book: BookInForce) -> Billing:
    """The customer's balance pays an invoice, or takes what it leaves over.

        Dr liabilities:customer-balance[customer]   what it paid
        Cr assets:receivable[invoice]               what it paid

    Source: Stripe docs, "Customer invoice balance"; ``starting_balance``, ``ending_balance``.
    """
    return Billing(
        billed_entry(
            book,
            references.invoice_balance(told.id),
            "invoice_balance_applied",
            told.finalized_at,
            _from_balance(told, told.from_balance),
            about=f"Invoice {told.id}, the customer's balance applied",
        )
    )


def _from_balance(told: Invoice, amount: Money) -> list[Line]:
    return [
        debit(accounts.CUSTOMER_BALANCE, amount, key=told.customer),
        credit(accounts.RECEIVABLE, amount, key=told.id),
    ]


def paid(told: InvoicePayment, book: BookInForce) -> Billing:
    """An invoice is paid through Stripe, whole or in part.

        Dr revenue:stripe                       paid
        Cr assets:receivable[invoice]           paid

    The charge has credited the revenue, which the invoice had been already.

    Source: Stripe API reference, "The Invoice Payment object"; before 2025-03-31 the invoice's
    ``payment_intent`` and ``charge``.
    """
    return Billing(
        billed_entry(
            book,
            references.invoice_paid(told.invoice, told.id),
            "invoice_paid",
            told.paid_at,
            [
                debit(accounts.REVENUE, told.amount),
                credit(accounts.RECEIVABLE, told.amount, key=told.invoice),
            ],
            about=f"Invoice {told.invoice} paid by {told.id}",
        )
    )


def paid_out_of_band(told: Invoice, amount: Money, book: BookInForce) -> Billing:
    """An invoice is paid outside of Stripe: where to, somebody has to say.

        Dr liabilities:suspense[invoice]        paid
        Cr assets:receivable[invoice]           paid

    A bank line that brings the money credits suspense too, under its own key.

    Source: Stripe API reference, "The Invoice object", ``amount_paid_off_stripe``; before
    2025-03-31 ``paid_out_of_band``.
    """
    return Billing(
        billed_entry(
            book,
            references.invoice_paid_out_of_band(told.id),
            "invoice_paid_out_of_band",
            told.paid_at,
            [
                debit(accounts.SUSPENSE, amount, key=told.id),
                credit(accounts.RECEIVABLE, amount, key=told.id),
            ],
            about=f"Invoice {told.id} paid out of band",
        )
    )


def overpaid(told: Invoice, amount: Money, book: BookInForce) -> Billing:
    """More was paid than was asked for: the rest stands to the customer's credit.

        Dr assets:receivable[invoice]               what is too much
        Cr liabilities:customer-balance[customer]   what is too much

    Source: Stripe API reference, "The Invoice object", ``amount_overpaid``.
    """
    return Billing(
        billed_entry(
            book,
            references.invoice_overpaid(told.id),
            "invoice_overpaid",
            told.paid_at,
            _from_balance(told, -amount)[::-1],
            about=f"Invoice {told.id} overpaid",
        )
    )


def uncollectible(told: Invoice, amount: Money, book: BookInForce) -> Billing:
    """An invoice is given up.

        Dr expenses:bad-debt                    what was still to be paid
        Cr assets:receivable[invoice]           the same

    Its tax stays owed: bad-debt relief is claimed from the tax office by a person.

    Source: Stripe docs, "Status transitions and finalization", uncollectible.
    """
    return Billing(
        billed_entry(
            book,
            references.invoice_uncollectible(told.id),
            "invoice_uncollectible",
            told.written_off_at,
            [
                debit(accounts.BAD_DEBT, amount),
                credit(accounts.RECEIVABLE, amount, key=told.id),
            ],
            about=f"Invoice {told.id} is uncollectible",
        )
    )


def recovered(told: Invoice, amount: Money, at: datetime, book: BookInForce) -> Billing:
    """An invoice that was given up is paid after all, or voided.

    Dr assets:receivable[invoice]           what had been given up
    Cr expenses:bad-debt                    the same
    """
    return Billing(
        billed_entry(
            book,
            references.invoice_recovered(told.id),
            "invoice_recovered",
            at,
            [
                debit(accounts.RECEIVABLE, amount, key=told.id),
                credit(accounts.BAD_DEBT, amount),
            ],
            about=f"Invoice {told.id} was given up too early",
            reverses=references.invoice_uncollectible(told.id),
        )
    )


def voided(told: Invoice, at: datetime, book: BookInForce) -> Billing:
    """An invoice is voided: it is as if it had never been asked for.

        Dr revenue:stripe                       total without tax
        Dr liabilities:tax                      tax
        Cr assets:receivable[invoice]           total

    What credit notes took off before is not taken off again: of the tax the same part, rounded
    down, as nothing in the invoice says how much of it was in them.

    Source: Stripe API reference, "Void an invoice".
    """
    left = told.total - told.credited
    tax = told.tax
    if told.credited and told.total:
        tax -= Money(told.tax.minor * told.credited.minor // told.total.minor, told.tax.currency)
    lines = [
        debit(accounts.REVENUE, left - tax),
        debit(accounts.TAX, tax),
        credit(accounts.RECEIVABLE, left, key=told.id),
    ]
    return Billing(
        billed_entry(
            book,
            references.invoice_voided(told.id),
            "invoice_voided",
            at,
            lines,
            about=f"Invoice {told.id} voided",
            reverses=references.invoice(told.id),
        )
    )


def deferral_voided(line: ServedLine, at: datetime, book: BookInForce) -> Billing:
    """A line of a voided invoice is not served any more.

        Dr liabilities:unearned[line]           line
        Cr revenue:stripe                       line

    What had been released of it leaves the line's key in debit until the next clock tick takes it
    back from revenue.
    """
    booked = billed_entry(
        book,
        references.invoice_line_voided(line.id),
        "revenue_deferral_voided",
        at,
        [
            debit(accounts.UNEARNED, line.net, key=line.id),
            credit(accounts.REVENUE, line.net),
        ],
        about=f"Line {line.id} voided",
        reverses=references.invoice_line(line.id),
    )
    return Billing(booked, cuts=(Cut(line.id, line.net, at, is_void=True),))


def balance_returned(told: Invoice, at: datetime, book: BookInForce) -> Billing:
    """What the customer's balance had paid of a voided invoice is given back to it.

        Dr assets:receivable[invoice]               what it had paid
        Cr liabilities:customer-balance[customer]   the same

    Source: Stripe changelog 2019-12-03, "Customer balances are now returned when voiding invoices".
    """
    return Billing(
        billed_entry(
            book,
            references.invoice_balance_returned(told.id),
            "invoice_balance_returned",
            at,
            _from_balance(told, -told.from_balance)[::-1],
            about=f"Invoice {told.id} voided, the customer's balance given back",
            reverses=references.invoice_balance(told.id),
        )
    )
