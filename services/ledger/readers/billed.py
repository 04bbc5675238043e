"""What invoices, their payments and credit notes tell, as our values."""

from dataclasses import dataclass
from datetime import datetime

from shared.contracts.money import Money


@dataclass(frozen=True, slots=True)
class ServedLine:
    """A line of an invoice that is served over time: its part of the revenue, from when to when.

    ``net`` is without discounts and without tax; below zero where a line gives something back.
    """

    id: str
    net: Money
    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class InvoicePayment:
    """What one payment intent, or one charge that has none, paid of an invoice."""

    id: str
    invoice: str
    amount: Money
    paid_at: datetime


@dataclass(frozen=True, slots=True)
class Invoice:
    """A finalized invoice, and how far it has come.

    ``total`` is with ``tax``. ``from_balance`` is what the customer's balance paid of it: below
    zero where the invoice left something to it. ``credited`` is what credit notes took off before
    it was paid, as far as the object shows. ``written_off`` is what was given up, and
    ``recovered_at`` when that was no loss after all. ``payment`` is the one that old shapes name.

    What later versions of the rules read otherwise has fields of its own: ``paid_outside`` is what
    was paid outside of Stripe, also where an old shape only says that it was; ``account`` whose it
    is where no customer is named.
    """

    id: str
    customer: str
    total: Money
    tax: Money
    from_balance: Money
    credited: Money
    lines: tuple[ServedLine, ...]
    has_untold_lines: bool
    finalized_at: datetime
    voided_at: datetime | None
    payment: InvoicePayment | None
    out_of_band: Money | None
    overpaid: Money | None
    paid_at: datetime
    written_off: Money | None
    written_off_at: datetime
    recovered_at: datetime | None
    paid_outside: Money | None
    account: str


@dataclass(frozen=True, slots=True)
class CreditedLine:
    """What a credit note takes back of an invoice's line, without discounts and without tax."""

    line: str
    net: Money


@dataclass(frozen=True, slots=True)
class CreditNote:
    """A credit note: what it takes back, and where that goes.

    ``on_invoice`` lowers what the invoice still asks for; ``refunded`` went back to the customer
    by refunds, ``to_balance`` to the customer's balance, ``out_of_band`` outside of Stripe. Of what
    later versions of the rules read otherwise, ``outside`` is all that was given back outside of
    Stripe, ``account`` whose it is where no customer is named.
    """

    id: str
    invoice: str
    customer: str
    total: Money
    tax: Money
    on_invoice: Money
    refunded: Money
    to_balance: Money
    out_of_band: Money
    lines: tuple[CreditedLine, ...]
    has_untold_lines: bool
    created_at: datetime
    voided_at: datetime | None
    outside: Money
    account: str


@dataclass(frozen=True, slots=True)
class CustomerNamed:
    """Whose a payment is: told by its charge, its payment intent, or the checkout session."""

    payment: str
    customer: str
    amount: Money
    at: datetime


Billed = Invoice | InvoicePayment | CreditNote
