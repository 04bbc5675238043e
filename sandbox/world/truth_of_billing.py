"""The books of invoices and of customers' credits, made of the simulator's own facts.

accrual      what is still owed, earned, yet to be earned, taxed, and on customers' balances
credits      what each customer bought, whoever said whose it was
"""

from collections.abc import Iterator
from typing import Final

from sandbox.stripe.facts import Charge, CreditNote, Invoice, InvoicePayment, Session
from sandbox.stripe.store import Store
from sandbox.world.books import Leg
from sandbox.world.calendar import DAY

RECEIVABLE: Final = "assets:receivable"
UNEARNED: Final = "liabilities:unearned"
TAX: Final = "liabilities:tax"
CUSTOMER_BALANCE: Final = "liabilities:customer-balance"
BAD_DEBT: Final = "expenses:bad-debt"
REVENUE: Final = "revenue:stripe"
REFUNDS: Final = "revenue:refunds"
CREDITS: Final = "memo:credits"
CREDITS_ISSUED: Final = "memo:credits-issued"
_A_MONTH: Final = 31 * DAY

Legs = tuple[str, tuple[Leg, ...]]


def invoices(store: Store) -> Iterator[Legs]:
    """What invoices leave on the books, each with all that became of it."""
    for invoice in store.every(Invoice):
        if invoice.status == "void":
            continue  # As if it had never been.
        yield invoice.id, tuple(_of_invoice(invoice))
    for payment in store.every(InvoicePayment):
        code = payment.currency
        yield (
            payment.id,
            (
                Leg(REVENUE, code, payment.amount),
                Leg(RECEIVABLE, code, -payment.amount, payment.invoice),
            ),
        )
    for note in store.every(CreditNote):
        yield note.id, tuple(_of_note(note))


def _of_invoice(invoice: Invoice) -> Iterator[Leg]:
    code, balance = invoice.currency, invoice.ending_balance - invoice.starting_balance
    yield Leg(RECEIVABLE, code, invoice.total - balance, invoice.id)
    yield Leg(CUSTOMER_BALANCE, code, balance, invoice.customer)
    yield Leg(TAX, code, -invoice.tax)
    later = {
        line.id: line.amount
        for line in invoice.lines
        if line.until - line.since > _A_MONTH and line.until > invoice.created
    }
    for line, amount in later.items():
        yield Leg(UNEARNED, code, -amount, line)
    yield Leg(REVENUE, code, sum(later.values()) - invoice.subtotal)
    if invoice.status == "uncollectible":
        yield Leg(BAD_DEBT, code, invoice.amount_due)
        yield Leg(RECEIVABLE, code, -invoice.amount_due, invoice.id)


def _of_note(note: CreditNote) -> Iterator[Leg]:
    code = note.currency
    yield Leg(REVENUE, code, note.amount)
    yield Leg(TAX, code, note.tax)
    if note.is_before_payment:
        yield Leg(RECEIVABLE, code, -note.total, note.invoice)
    elif note.refund is not None:
        yield Leg(REFUNDS, code, -note.total)
    else:
        yield Leg(CUSTOMER_BALANCE, code, -note.total, note.customer)


def customer_credits(store: Store) -> Iterator[Legs]:
    """What every paid charge bought, under its customer."""
    emails = {session.payment_intent: session.email for session in store.every(Session)}
    for charge in store.every(Charge):
        if charge.owner != store.account:
            continue
        intent = charge.payment_intent
        customer = charge.customer or emails.get(intent, intent)
        yield (
            charge.id,
            (
                Leg(CREDITS, charge.currency, charge.amount, customer),
                Leg(CREDITS_ISSUED, charge.currency, -charge.amount),
            ),
        )
