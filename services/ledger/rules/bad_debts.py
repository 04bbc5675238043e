"""Invoices that were given up: nothing of them stays on the receivable, all of it is a bad debt.

    given up      told by the invoice in that state, or in any that it came to later
    what posts    to its receivable, whenever it is told, goes on to bad debt by another entry
    so            what was paid or credited before, and what is after, lowers the loss by itself,
                  and once all of it is paid, or the invoice is voided, there is none

Nobody says how much was given up. What was to be paid at that moment moves with every part payment
and credit note, and no later telling of the invoice knows which of them came before.
"""

from datetime import datetime

from services.ledger import accounts
from services.ledger.activation.in_force import BookInForce
from services.ledger.passed_on import PassedOn
from shared.contracts import references
from shared.contracts.journal import Entry


def given_up(invoice_id: str, at: datetime, book: BookInForce) -> PassedOn:
    """An invoice was given up at a time."""
    return PassedOn(accounts.RECEIVABLE, invoice_id, accounts.BAD_DEBT, "", at, book.rules_version)


def bad_debt(booked: Entry, on: PassedOn) -> Entry:
    """What an entry moves on the receivable of an invoice that was given up, moved on.

        Dr expenses:bad-debt                    what it debits the receivable
        Cr assets:receivable[invoice]           the same

    What lowers the receivable turns the sides. It takes effect with its entry, and not before the
    invoice was given up. Tax stays owed: relief is claimed from the tax office by a person.

    Source: Stripe docs, "Status transitions and finalization", uncollectible; as its revenue
    reports have it, what is paid after all is no bad debt any more.
    """
    return Entry(
        book=booked.book,
        reference=references.bad_debt(booked.reference),
        kind="bad_debt",
        effective_at=on.effective_at(booked),
        postings=on.legs(booked),
        rules_version=on.rules_version,
        description=f"Of invoice {on.key}, which was given up",
    )
