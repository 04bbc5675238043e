"""What the simulated Stripe knows: its objects as plain values.

An object that changes is replaced by a changed copy, so an event keeps the form it told of.
``owner`` is the account whose object it is: the platform's or a connected one's.
"""

from dataclasses import dataclass, field
from enum import StrEnum


class BalanceType(StrEnum):
    """Which of an account's balances a transaction moves."""

    PAYMENTS = "payments"
    ISSUING = "issuing"
    PREFUNDING = "refund_and_dispute_prefunding"
    RISK_RESERVED = "risk_reserved"


class PayoutStatus(StrEnum):
    """How far a payout has come."""

    PENDING = "pending"
    IN_TRANSIT = "in_transit"
    PAID = "paid"
    FAILED = "failed"
    CANCELED = "canceled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """What every object has: an id, a time, a place in the order of making, an owner."""

    id: str
    created: int
    sequence: int
    owner: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """The card that paid."""

    brand: str
    last4: str
    country: str
    expiry_month: int
    expiry_year: int
    fingerprint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge(Fact):
    """A captured card payment."""

    amount: int
    currency: str
    payment_intent: str
    payment_method: str
    customer: str | None
    customer_name: str
    customer_email: str
    card: Card
    description: str
    balance_transaction: str | None = None
    amount_refunded: int = 0
    is_disputed: bool = False
    risk_score: int = 0
    application_fee: str | None = None
    application_fee_amount: int | None = None
    destination: str | None = None
    destination_amount: int | None = None
    transfer: str | None = None
    transfer_group: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentIntent(Fact):
    """The intent that a charge fulfils."""

    amount: int
    currency: str
    customer: str | None
    customer_email: str
    payment_method: str
    description: str
    client_secret: str
    charge: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Refund(Fact):
    """Money given back for a charge, whole or in part."""

    amount: int
    currency: str
    charge: str
    payment_intent: str
    reason: str
    status: str = "succeeded"
    balance_transaction: str | None = None
    failure_balance_transaction: str | None = None
    failure_reason: str | None = None
    card_reference: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispute(Fact):
    """A cardholder's claim against a charge."""

    amount: int
    currency: str
    charge: str
    payment_intent: str
    reason: str
    network_reason_code: str
    card_brand: str
    due_by: int
    status: str = "needs_response"
    submissions: int = 0
    balance_transactions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Payout(Fact):
    """Money sent to a bank account."""

    amount: int
    currency: str
    destination: str
    arrival_date: int
    is_automatic: bool
    method: str = "standard"
    status: PayoutStatus = PayoutStatus.PENDING
    reconciliation_status: str = "in_progress"
    balance_transaction: str | None = None
    failure_balance_transaction: str | None = None
    failure_code: str | None = None
    failure_message: str | None = None
    trace_status: str = "pending"
    trace_value: str | None = None
    statement_descriptor: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Topup(Fact):
    """Money drawn from a bank account into the balance."""

    amount: int
    currency: str
    expected_availability_date: int
    status: str = "pending"
    balance_transaction: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer(Fact):
    """Money passed on to a connected account."""

    amount: int
    currency: str
    destination: str
    destination_payment: str
    amount_reversed: int = 0
    balance_transaction: str | None = None
    source_transaction: str | None = None
    transfer_group: str | None = None
    reversals: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferReversal(Fact):
    """A part of a transfer taken back."""

    amount: int
    currency: str
    transfer: str
    balance_transaction: str | None = None
    source_refund: str | None = None
    destination_payment_refund: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplicationFee(Fact):
    """The platform's share of a connected account's direct charge."""

    amount: int
    currency: str
    account: str
    charge: str
    amount_refunded: int = 0
    balance_transaction: str | None = None
    refunds: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FeeRefund(Fact):
    """A part of an application fee given back."""

    amount: int
    currency: str
    fee: str
    balance_transaction: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceLine:
    """A line of an invoice: its amount without the tax on top, and when it is served."""

    id: str
    description: str
    amount: int
    tax: int
    since: int
    until: int
    is_proration: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Invoice(Fact):
    """A finalized invoice. Balances are Stripe's: below zero is to the customer's credit."""

    currency: str
    customer: str
    customer_name: str
    customer_email: str
    subscription: str
    lines: tuple[InvoiceLine, ...]
    starting_balance: int
    ending_balance: int
    status: str = "open"
    paid_at: int | None = None
    voided_at: int | None = None
    given_up_at: int | None = None
    amount_paid: int = 0
    amount_paid_off_stripe: int = 0
    credited_before: int = 0
    credited_after: int = 0
    payments: tuple[str, ...] = ()

    @property
    def subtotal(self) -> int:
        """All lines without the tax on top."""
        return sum(line.amount for line in self.lines)

    @property
    def tax(self) -> int:
        """All tax."""
        return sum(line.tax for line in self.lines)

    @property
    def total(self) -> int:
        """What is asked for in all."""
        return self.subtotal + self.tax

    @property
    def amount_due(self) -> int:
        """What is to be paid beside the customer's balance and credit notes."""
        return self.total + self.starting_balance - self.ending_balance - self.credited_before


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoicePayment(Fact):
    """What a payment intent paid of an invoice."""

    amount: int
    currency: str
    invoice: str
    payment_intent: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditNote(Fact):
    """Parts of lines taken back, with their part of the tax: each line's id and its amount."""

    currency: str
    customer: str
    invoice: str
    lines: tuple[tuple[str, int], ...]
    tax: int
    is_before_payment: bool
    refund: str | None = None

    @property
    def amount(self) -> int:
        """What is taken back of all lines without the tax."""
        return sum(amount for _, amount in self.lines)

    @property
    def total(self) -> int:
        """What is taken back in all."""
        return self.amount + self.tax


@dataclass(frozen=True, slots=True, kw_only=True)
class Session(Fact):
    """A checkout that was paid, by a customer or by a guest with an email address."""

    amount: int
    currency: str
    payment_intent: str
    customer: str | None
    email: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReserveHold(Fact):
    """Funds that Stripe sets aside against risk."""

    amount: int
    currency: str
    amount_releasable: int
    release_after: int
    releases: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReserveRelease(Fact):
    """Funds given back from a reserve."""

    amount: int
    currency: str
    hold: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Fee:
    """One part of a balance transaction's fee."""

    amount: int
    currency: str
    type: str
    description: str
    application: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BalanceTransaction(Fact):
    """One movement of a balance: ``net`` is ``amount - fee``, above zero is money in.

    ``exchange_rate_micros`` is the rate in millionths, where a currency was exchanged. ``payout``
    is the automatic payout that paid it out; the wire shows it only through the list's filter.
    """

    amount: int
    currency: str
    fee: int
    net: int
    type: str
    reporting_category: str
    available_on: int
    description: str | None
    source: str | None
    balance_type: BalanceType = BalanceType.PAYMENTS
    fees: tuple[Fee, ...] = ()
    exchange_rate_micros: int | None = None
    payout: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Event(Fact):
    """What Stripe tells: a type and the object's form at that moment."""

    type: str
    data: dict[str, object] = field(default_factory=dict[str, object])
    previous: dict[str, object] | None = None
    request_id: str | None = None
    livemode: bool = False


AnyFact = (
    Charge
    | PaymentIntent
    | Refund
    | Dispute
    | Payout
    | Topup
    | Transfer
    | TransferReversal
    | ApplicationFee
    | FeeRefund
    | Invoice
    | InvoicePayment
    | CreditNote
    | Session
    | ReserveHold
    | ReserveRelease
    | BalanceTransaction
    | Event
)
