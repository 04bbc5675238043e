"""Discrepancies: kinds of the wire contract, classes, states, ids that are functions of fact."""

import hashlib
from enum import StrEnum
from typing import NewType

DiscrepancyId = NewType("DiscrepancyId", str)
MatchId = NewType("MatchId", str)


class DiscrepancyKind(StrEnum):
    """What is wrong. A kind is never renamed and never reused."""

    PAYOUT_OVERDUE = "payout_overdue"
    PAYOUT_AMOUNT_MISMATCH = "payout_amount_mismatch"
    PAYOUT_FAILED = "payout_failed"
    REFUND_FAILED = "refund_failed"
    DUPLICATE_BANK_CREDIT = "duplicate_bank_credit"
    UNIDENTIFIED_BANK_CREDIT = "unidentified_bank_credit"
    UNIDENTIFIED_BANK_DEBIT = "unidentified_bank_debit"
    BALANCE_DRIFT = "balance_drift"
    NEGATIVE_STRIPE_BALANCE = "negative_stripe_balance"
    EVENT_CONFLICT = "event_conflict"
    REFERENCE_CONFLICT = "reference_conflict"
    MODE_MISMATCH = "mode_mismatch"
    INVALID_AMOUNT = "invalid_amount"
    UNKNOWN_BALANCE_TRANSACTION = "unknown_balance_transaction"
    TOPUP_OVERDUE = "topup_overdue"
    CLEARING_OVERDUE = "clearing_overdue"
    AMBIGUOUS_MATCH = "ambiguous_match"
    EVENT_MISSING = "event_missing"
    BALANCE_TRANSACTION_MISSING = "balance_transaction_missing"
    EVENTS_SILENT = "events_silent"
    EVENT_LIST_EMPTY = "event_list_empty"
    WEBHOOK_ENDPOINT_MISSING = "webhook_endpoint_missing"
    WEBHOOK_ENDPOINT_DISABLED = "webhook_endpoint_disabled"
    WEBHOOK_ENDPOINT_MISCONFIGURED = "webhook_endpoint_misconfigured"
    BOOKS_DIFFER = "books_differ"
    BANK_FEED_STALE = "bank_feed_stale"
    STATEMENT_FILE_REFUSED = "statement_file_refused"
    PENDING_CHANGED = "pending_changed"
    MATCH_REFUSED = "match_refused"


class DiscrepancyState(StrEnum):
    """Where a discrepancy stands; a resolved one can open again."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    EXPLAINED = "explained"
    RESOLVED = "resolved"


class BreakClass(StrEnum):
    """What sort of break it is, finer than the kind in places: what the two sides show.

    ``overdrawn`` is a balance below zero, which has no other side.
    """

    TIMING_IN_TRANSIT = "timing_in_transit"
    MISSING_IN_BANK = "missing_in_bank"
    MISSING_IN_LEDGER = "missing_in_ledger"
    UNIDENTIFIED_RECEIPT = "unidentified_receipt"
    UNIDENTIFIED_DEBIT = "unidentified_debit"
    AMOUNT_MISMATCH = "amount_mismatch"
    FEE_DIFF = "fee_diff"
    FX_DIFF = "fx_diff"
    DUPLICATE_BANK = "duplicate_bank"
    DUPLICATE_LEDGER = "duplicate_ledger"
    PARTIAL = "partial"
    RETURNED = "returned"
    PENDING_CHANGED = "pending_changed"
    BALANCE_DRIFT = "balance_drift"
    STALE_FEED = "stale_feed"
    AMBIGUOUS = "ambiguous"
    OVERDRAWN = "overdrawn"


class Severity(StrEnum):
    """How much it matters, the least first: class, amount and age together."""

    INFO = "info"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """The place in the order of severities."""
        return list(Severity).index(self)


class ReasonCode(StrEnum):
    """Why a person holds a discrepancy for explained or done."""

    TIMING = "timing"
    BANK_FEE = "bank_fee"
    BANK_ERROR = "bank_error"
    STRIPE_ERROR = "stripe_error"
    DUPLICATE = "duplicate"
    CUSTOMER_PAYMENT = "customer_payment"
    SUPPLIER_PAYMENT = "supplier_payment"
    OWN_TRANSFER = "own_transfer"
    PAID_OTHERWISE = "paid_otherwise"
    CORRECTED = "corrected"
    WRITTEN_OFF = "written_off"
    ACCEPTED = "accepted"
    OTHER = "other"


class Resolution(StrEnum):
    """How a resolved one was resolved: the facts changed, or a person said so while it stood."""

    HEALED = "healed"
    BY_HAND = "by_hand"


def discrepancy_id(book: str, kind: DiscrepancyKind, subject: str) -> DiscrepancyId:
    """The id of a discrepancy: a hash of what is wrong with what, never of when it was seen."""
    return DiscrepancyId("dsc_" + _hash("discrepancy", book, kind, subject))


def match_id(book: str, kind: str, sides: list[str]) -> MatchId:
    """The id of a match: a hash of its kind and its sorted sides."""
    return MatchId("mtc_" + _hash("match", book, kind, *sorted(sides)))


def _hash(*parts: str) -> str:
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:32]
