"""Invoices that were given up: nothing of them stays on the receivable, all of it is a bad debt.

    given up      told by the invoice in that state, or in any that it came to later
    what posts    to its receivable, whenever it is told, moves on to bad debt by another entry
    so            what was paid or credited before, and what is after, lowers the loss by itself,
                  and once all of it is paid, or the invoice is voided, there is none

Nobody says how much was given up. What was to be paid at that moment moves with every part payment
and credit note, and no later telling of the invoice knows which of them came before.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from services.ledger import accounts
from shared.contracts import references
from shared.contracts.journal import Direction, Entry, Posting

BAD_DEBT: Final = "bad_debt"
# What invoices and credit notes book. The last two are those of version 1, which told the loss
# itself: of an invoice that version 2 hears of later they count for nothing.
ON_RECEIVABLE: Final = frozenset(
    {
        "invoice",
        "invoice_balance_applied",
        "invoice_paid",
        "invoice_paid_out_of_band",
        "invoice_overpaid",
        "invoice_voided",
        "invoice_balance_returned",
        "credit_note",
        "credit_note_voided",
        "invoice_uncollectible",
        "invoice_recovered",
    }
)


@dataclass(frozen=True, slots=True)
class GivenUp:
    """That an invoice was given up, and when."""

    invoice: str
    at: datetime
    rules_version: int


def invoices_of(booked: Entry) -> frozenset[str]:
    """The invoices to whose receivables an entry of a rule posts."""
    if booked.kind not in ON_RECEIVABLE:
        return frozenset()
    return frozenset(p.key for p in booked.postings if p.account == accounts.RECEIVABLE)


def bad_debt_of(booked: Entry, given_up: GivenUp) -> Entry:
    """What an entry moves on the receivable of an invoice that was given up, moved on.

        Dr expenses:bad-debt                    what it debits the receivable
        Cr assets:receivable[invoice]           the same

    What lowers the receivable turns the sides. It takes effect with its entry, and not before the
    invoice was given up. Tax stays owed: relief is claimed from the tax office by a person.

    Source: Stripe docs, "Status transitions and finalization", uncollectible; as its revenue
    reports have it, what is paid after all is no bad debt any more.
    """
    moved = [
        posting
        for posting in booked.postings
        if posting.account == accounts.RECEIVABLE and posting.key == given_up.invoice
    ]
    legs: list[Posting] = []
    for leg in moved:
        other = Direction.CREDIT if leg.direction is Direction.DEBIT else Direction.DEBIT
        legs.append(Posting(accounts.BAD_DEBT, "", leg.direction, leg.amount))
        legs.append(Posting(accounts.RECEIVABLE, leg.key, other, leg.amount))
    return Entry(
        book=booked.book,
        reference=references.bad_debt(booked.reference),
        kind=BAD_DEBT,
        effective_at=max(booked.effective_at, given_up.at),
        postings=tuple(legs),
        rules_version=given_up.rules_version,
        description=f"Of invoice {given_up.invoice}, which was given up",
    )
