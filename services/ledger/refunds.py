"""Refunds on their way through THE TABLE: booked, left out, or booked with what undoes them."""

from services.ledger.activation.in_force import BookInForce
from services.ledger.activation.rule_versions import RuleTable
from services.ledger.decisions import NO_BOOKING, Findings
from services.ledger.readers.told import Apart, Gives, Refund


def book_refund(each: Refund, book: BookInForce, rules: RuleTable, found: Findings) -> None:
    """Book a refund and its failure; one that is apart as a version of the rules has it."""
    apart = each.apart
    if apart is not None and is_left_out(apart, each.id, rules, found):
        return
    found.book(rules.refund(each, book), subject=each.id)
    if each.is_failed:
        found.book(rules.refund_failed(each, book), subject=each.id)
    elif apart is not None and apart.gives is Gives.NOTHING and rules.refund_released is not None:
        # One that failed is undone by its failure: undone twice it would be wrong again.
        found.book(rules.refund_released(each, book), subject=each.id)


def is_left_out(apart: Apart, subject: str, rules: RuleTable, found: Findings) -> bool:
    """Whether a version of the rules books nothing of such a refund, which is then remarked."""
    why = rules.refund_left_out(apart)
    if why:
        found.nothing(NO_BOOKING, subject, why)
    return why is not None
