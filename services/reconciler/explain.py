"""What is wrong, in words: expected, found, one sentence, and what to do next."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from services.reconciler.findings import Discrepancy
from shared.contracts.discrepancies import DiscrepancyKind, discrepancy_id
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
        K.AMBIGUOUS_MATCH: "Decide which candidate the line settles and book the match by hand.",
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
) -> Discrepancy:
    """A discrepancy with its id and its next step.

    ``what`` is what the id is made of where the subject alone may stand for two things: a line's
    id is unique in its bank account only.
    """
    return Discrepancy(
        id=discrepancy_id(book, kind, what or subject),
        kind=kind,
        subject=subject,
        amount=None if amount is None else abs(amount),
        expected=expected,
        found=found,
        explanation=explanation,
        next_step=NEXT_STEPS[kind],
        evidence=evidence,
    )


def money(minor: int, currency: str) -> Money:
    """An amount in a registered currency; a sum past what money can tell stands at the limit.

    Each amount that comes in is within the limit, the sum of several need not be: a break of that
    size has to be said all the same, and nothing is booked from it.
    """
    return Money(max(-MINOR_MAX, min(minor, MINOR_MAX)), currency_of(currency))
