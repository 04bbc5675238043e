"""Invoices and customers' credits on their way through THE TABLE."""

from collections.abc import Iterable
from typing import Final, assert_never

from services.ledger.activation.in_force import BookInForce
from services.ledger.activation.rule_versions import RuleTable
from services.ledger.decisions import ZERO_AMOUNT, Findings, Remark
from services.ledger.readers.billed import CreditNote, CustomerNamed, Invoice, InvoicePayment
from services.ledger.readers.told import Billed, Charge
from services.ledger.rules.billings import Billing
from shared.contracts.messages import OutcomeKind

UNTOLD_LINES: Final = "invoice_lines_untold"
UNTOLD_NOTE_LINES: Final = "credit_note_lines_untold"


def book_billed(each: Billed, book: BookInForce, rules: RuleTable, found: Findings) -> None:
    """Book an invoice, a payment of one, a credit note, or whose a payment is."""
    match each:
        case Invoice():
            _take(rules.invoice(each, book), found, subject=each.id)
            if each.has_untold_lines:
                found.remarks.append(
                    Remark(
                        OutcomeKind.NOTED,
                        UNTOLD_LINES,
                        each.id,
                        "it has more lines than the message shows, which are expected: what of"
                        " those is served over time counts as earned until the invoice is told"
                        " with all its lines",
                        amount=abs(each.total),
                    )
                )
        case InvoicePayment():
            _take([rules.invoice_payment(each, book)], found, subject=each.invoice)
        case CreditNote():
            _take(rules.credit_note(each, book), found, subject=each.id)
            # What the first version had to say of a message stays what a rebuild says of it.
            if each.has_untold_lines and rules.version > 1:
                found.remarks.append(
                    Remark(
                        OutcomeKind.NOTED,
                        UNTOLD_NOTE_LINES,
                        each.id,
                        "it has more lines than the message shows, which are expected: what it"
                        " takes back of those goes on being earned until the note is told with all"
                        " its lines",
                        amount=each.total,
                    )
                )
        case CustomerNamed():
            _take([rules.credits_assigned(each, book)], found, subject=each.payment)
        case _:
            assert_never(each)


def book_credits(charge: Charge, book: BookInForce, rules: RuleTable, found: Findings) -> None:
    """Book the credits that a charge bought, where the book sells any."""
    if book.data.sells_credits:
        for billing in rules.credits_bought(charge, book):
            if billing.entry is not None:
                found.entries.append(billing.entry)
            if billing.passed_on is not None:
                found.passed_on.append(billing.passed_on)


def _take(billings: Iterable[Billing], found: Findings, *, subject: str) -> None:
    is_all_zero = True
    for billing in billings:
        if billing.passed_on is not None:
            is_all_zero = False
            found.passed_on.append(billing.passed_on)
        if billing.entry is None:
            continue
        is_all_zero = False
        found.entries.append(billing.entry)
        reference = billing.entry.reference
        found.unearned.extend((reference, schedule) for schedule in billing.schedules)
        found.unearned.extend((reference, cut) for cut in billing.cuts)
    if is_all_zero:
        found.nothing(ZERO_AMOUNT, subject, "every amount is zero")
