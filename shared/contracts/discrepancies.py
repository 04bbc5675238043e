"""Discrepancies: kinds of the wire contract, states, ids that are functions of fact."""

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


class DiscrepancyState(StrEnum):
    """Where a discrepancy stands; a resolved one can open again."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    EXPLAINED = "explained"
    RESOLVED = "resolved"


def discrepancy_id(book: str, kind: DiscrepancyKind, subject: str) -> DiscrepancyId:
    """The id of a discrepancy: a hash of what is wrong with what, never of when it was seen."""
    return DiscrepancyId("dsc_" + _hash("discrepancy", book, kind, subject))


def match_id(book: str, kind: str, sides: list[str]) -> MatchId:
    """The id of a match: a hash of its kind and its sorted sides."""
    return MatchId("mtc_" + _hash("match", book, kind, *sorted(sides)))


def _hash(*parts: str) -> str:
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:32]
