"""What is wrong, in words: expected, found, one sentence, and what to do next."""

from collections.abc import Mapping
from datetime import date
from types import MappingProxyType
from typing import Final

from services.reconciler.findings.classes import class_of
from services.reconciler.findings.found import Discrepancy
from shared.contracts.discrepancies import BreakClass, DiscrepancyKind, discrepancy_id
from shared.contracts.money import MINOR_MAX, Money, currency_of

K = DiscrepancyKind

NEXT_STEPS: Final[Mapping[DiscrepancyKind, str]] = MappingProxyType(
    {
        K.PAYOUT_OVERDUE: "Ask the bank for this amount with the trace id, then Stripe support.",
        K.TOPUP_OVERDUE: "Check at the bank whether the debit was made, then ask Stripe support.",
        K.PAYOUT_AMOUNT_MISMATCH: (
            "Ask the bank for the charges it took, or book the difference by hand."
        ),
        K.PAYOUT_FAILED: "Correct the bank account at Stripe; the funds are paid out again.",
        K.REFUND_FAILED: "Pay the customer in another way; the funds are back in the balance.",
        K.DUPLICATE_BANK_CREDIT: "Ask the bank which credit it takes back; do not spend this one.",
        K.UNIDENTIFIED_BANK_CREDIT: "Find out who paid, then book the line by hand.",
        K.UNIDENTIFIED_BANK_DEBIT: "Find out who took the money, then book the line by hand.",
        K.BALANCE_DRIFT: "Compare the bank's statement with the booked lines, day by day.",
        K.NEGATIVE_STRIPE_BALANCE: "Top up the Stripe balance, or expect Stripe to debit the bank.",
        K.EVENT_CONFLICT: "Read the object at Stripe; the telling that came first stands.",
        K.REFERENCE_CONFLICT: (
            "Compare both tellings; correct by a manual entry if the second holds."
        ),
        K.MODE_MISMATCH: "Point the endpoint of that mode at its own book.",
        K.INVALID_AMOUNT: "Read the object at Stripe; nothing was booked for it.",
        K.UNKNOWN_BALANCE_TRANSACTION: "Say how to book this type, or book it by hand.",
        K.CLEARING_OVERDUE: "Read the object and its balance transaction at Stripe again.",
        K.EVENT_MISSING: "Read why it was refused in the poller's log; resend it from Stripe.",
        K.BALANCE_TRANSACTION_MISSING: "Read why in the poller's log; its money is not booked.",
        K.EVENTS_SILENT: "Look at the endpoint at Stripe, then at the way to the door.",
        K.EVENT_LIST_EMPTY: "Check that the API key is this account's and may read the list.",
        K.WEBHOOK_ENDPOINT_MISSING: "Register the endpoint's address at Stripe, in this mode.",
        K.WEBHOOK_ENDPOINT_DISABLED: "Mend what made it fail, then switch it on at Stripe.",
        K.WEBHOOK_ENDPOINT_MISCONFIGURED: "Set it at Stripe as it is expected here.",
        K.BOOKS_DIFFER: "Keep the data; look where they part: `tallystick rebuild --keep`.",
        K.BANK_FEED_STALE: "Read why in its log and on /readyz; ask the bank, or bring its file.",
        K.STATEMENT_FILE_REFUSED: (
            "Mend what the reason says and bring the same file again; close this by hand once"
            " another file has told its lines."
        ),
        K.PENDING_CHANGED: "Ask the bank why it did not post the line; the payout is waited for.",
        K.MATCH_REFUSED: (
            "A write-off has no effect then: write it off to an account of the chart. What was"
            " matched is still open in the books: book it there by hand, as the match says. Then"
            " close this by hand."
        ),
        K.AMBIGUOUS_MATCH: "Decide which candidate the line settles, and match it by hand.",
    }
)


PROBABLE_CAUSES: Final[Mapping[DiscrepancyKind, str]] = MappingProxyType(
    {
        K.PAYOUT_OVERDUE: "the bank is late, or the money went to another account",
        K.TOPUP_OVERDUE: "the bank has not carried out the debit",
        K.PAYOUT_AMOUNT_MISMATCH: "a bank on the way took a charge, or paid in parts",
        K.PAYOUT_FAILED: "the bank account at Stripe is closed or wrong",
        K.REFUND_FAILED: "the customer's card or account is closed",
        K.DUPLICATE_BANK_CREDIT: "the bank booked one payment twice",
        K.UNIDENTIFIED_BANK_CREDIT: "somebody other than Stripe paid",
        K.UNIDENTIFIED_BANK_DEBIT: "a direct debit, a bank charge, or fraud",
        K.BALANCE_DRIFT: "lines are missing on one side, or are of another day",
        K.NEGATIVE_STRIPE_BALANCE: "refunds, disputes or fees came before new charges",
        K.EVENT_CONFLICT: "one event was told with two contents",
        K.REFERENCE_CONFLICT: "one fact was told with two amounts",
        K.MODE_MISMATCH: "an endpoint gets messages of the other mode",
        K.INVALID_AMOUNT: "a currency that is not registered, or a damaged message",
        K.UNKNOWN_BALANCE_TRANSACTION: "Stripe has a new type of movement",
        K.CLEARING_OVERDUE: "a webhook was lost, or the poller has not come so far",
        K.EVENT_MISSING: "a webhook was lost on the way",
        K.BALANCE_TRANSACTION_MISSING: "the poller was refused it",
        K.EVENTS_SILENT: "the endpoint is off, or does not reach us",
        K.EVENT_LIST_EMPTY: "the API key is of another account or mode",
        K.WEBHOOK_ENDPOINT_MISSING: "it was deleted at Stripe, or never made there",
        K.WEBHOOK_ENDPOINT_DISABLED: "Stripe switched it off after many failures",
        K.WEBHOOK_ENDPOINT_MISCONFIGURED: "it was changed at Stripe",
        K.BOOKS_DIFFER: "a row was changed past the ledger, or its rules were",
        K.BANK_FEED_STALE: "the bank's API is away or refuses the key, or no file came",
        K.STATEMENT_FILE_REFUSED: "it is cut off or changed, or nobody said whose account it is",
        K.PENDING_CHANGED: "the bank refused the credit, or posts it under another line",
        K.MATCH_REFUSED: (
            "it names an account that the chart lacks or that is closed, or does not sum to zero"
        ),
        K.AMBIGUOUS_MATCH: "several payments are alike and no reference tells them apart",
    }
)


def discrepancy(
    book: str,
    kind: DiscrepancyKind,
    subject: str,
    amount: Money | None,
    *,
    expected: str,
    found: str,
    explanation: str,
    evidence: tuple[str, ...] = (),
    what: str = "",
    where: str = "",
    break_class: BreakClass | None = None,
    probable_cause: str = "",
    next_step: str = "",
    since: date | None = None,
) -> Discrepancy:
    """A discrepancy with its id, class, cause and next step.

    ``where`` is what those of one cause have in common beside their class: a bank account with a
    day, a Stripe account. ``since`` is the day that its age counts from; without it, from its
    opening.

    ``what`` is what the id is made of where the subject alone may stand for two things: a line's
    id is unique in its bank account only.
    """
    found_class = break_class or class_of(kind)
    return Discrepancy(
        id=discrepancy_id(book, kind, what or subject),
        kind=kind,
        subject=subject,
        amount=None if amount is None else abs(amount),
        expected=expected,
        found=found,
        explanation=explanation,
        next_step=next_step or NEXT_STEPS[kind],
        evidence=evidence,
        break_class=found_class,
        cause=f"{found_class}:{where}" if where else f"{found_class}",
        probable_cause=probable_cause or PROBABLE_CAUSES.get(kind, ""),
        since=since,
    )


def sentence_of(found: Discrepancy) -> str:
    """All of it in one sentence: expected, found, difference, probable cause, next step."""
    difference = f", {found.amount} apart" if found.amount is not None else ""
    cause = f"; probably {found.probable_cause}" if found.probable_cause else ""
    step = found.next_step.rstrip(".")
    next_step = f"; next: {step[:1].lower()}{step[1:]}" if step else ""
    return f"Expected {found.expected}; found {found.found}{difference}{cause}{next_step}."


def money(minor: int, currency: str) -> Money:
    """An amount in a registered currency; a sum past what money can tell stands at the limit.

    Each amount that comes in is within the limit, the sum of several need not be: a break of that
    size has to be said all the same, and nothing is booked from it.
    """
    return Money(max(-MINOR_MAX, min(minor, MINOR_MAX)), currency_of(currency))
