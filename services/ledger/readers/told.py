"""What Stripe's objects tell, as our values: the only form in which rules see them."""

from datetime import datetime
from enum import StrEnum

import msgspec

from services.ledger.readers.billed import CreditNote, CustomerNamed, Invoice, InvoicePayment
from shared.contracts.errors import Refused
from shared.contracts.money import Money


class ChargeState(StrEnum):
    """How far a charge has come, as far as money is concerned."""

    CAPTURED = "captured"
    RETURNED = "returned"


class Charge(msgspec.Struct, frozen=True, gc=False):
    """A charge that took money. ``sent_on`` of it goes to ``destination``, where that is named.

    ``payment`` is its payment intent, or itself where it has none, and ``customer`` whose it is:
    both told only where that matters.
    """

    id: str
    state: ChargeState
    captured: Money
    destination: str
    sent_on: Money | None
    created_at: datetime
    failed_at: datetime
    payment: str = ""
    customer: str = ""


class Gives(StrEnum):
    """What a refund gives back to a customer, as far as it is told.

    One in form only gives nothing: it undoes a charge, or a part of it. Whether it is one is
    unclear where only its amount says so. A customer's cash balance is that customer's own money,
    which Stripe holds beside our balance.
    """

    MONEY = "money"
    NOTHING = "nothing"
    UNCLEAR = "unclear"
    CASH_BALANCE = "cash_balance"


class Apart(msgspec.Struct, frozen=True, gc=False):
    """What sets a refund apart from others: what it gives, and why it was left out.

    ``left_out`` is why version 1 of the rules books nothing of it: empty where it does not say so
    either, ``None`` where it books it.
    """

    gives: Gives
    left_out: str | None


class Refund(msgspec.Struct, frozen=True, gc=False):
    """A refund in whatever state; ``is_failed`` also where it was cancelled.

    ``apart`` is told of few: what they are beside a refund.
    """

    id: str
    amount: Money
    is_failed: bool
    created_at: datetime
    failed_at: datetime
    apart: Apart | None = None


class Transfer(msgspec.Struct, frozen=True, gc=False):
    """Money sent to a connected account."""

    id: str
    amount: Money
    destination: str
    created_at: datetime


class Reversal(msgspec.Struct, frozen=True, gc=False):
    """One reversal of a transfer; ``is_of_refund`` where a refund of the charge caused it."""

    id: str
    amount: Money
    destination: str
    is_of_refund: bool
    created_at: datetime


class BalanceTransaction(msgspec.Struct, frozen=True, gc=False):
    """A movement of one of Stripe's balances: ``net`` should be ``gross - fee``.

    ``source`` is the object that it is about, empty where Stripe names none; ``charge`` the
    charge behind that object, where it is told along. ``is_of_payout`` where that object is one,
    also by the name of a transfer that the first versions gave it.
    """

    id: str
    type: str
    category: str
    balance_type: str
    gross: Money
    fee: Money
    net: Money
    source: str
    charge: str
    is_of_payout: bool
    created_at: datetime


class Nothing(msgspec.Struct, frozen=True, gc=False):
    """An object that moves no money by what it shows, and why."""

    subject: str
    why: str


class Refusal(msgspec.Struct, frozen=True):
    """An object that cannot be booked as it stands; a refund's may be one that is left out."""

    subject: str
    error: Refused
    apart: Apart | None = None


Billed = Invoice | InvoicePayment | CreditNote | CustomerNamed
Told = Charge | Refund | Transfer | Reversal | BalanceTransaction | Billed | Nothing | Refusal
