"""Later versions of the rules, as a person would add them: known to tests only."""

from dataclasses import replace
from types import MappingProxyType
from typing import Final

from services.ledger import accounts
from services.ledger.activation.in_force import BookInForce
from services.ledger.activation.rule_versions import LATEST, RULES, RuleTable
from services.ledger.readers.told import Refund
from services.ledger.rules.movements import own_bill
from shared.contracts import references
from shared.contracts.journal import Entry, credit, debit, entry


def refund_of_revenue(told: Refund, book: BookInForce) -> Entry | None:
    """Money goes back to a customer: it lowers the revenue itself, without a contra-account.

    Dr revenue:stripe                       amount
    Cr assets:stripe:settling[refund]       amount
    """
    return entry(
        book=book.name,
        reference=references.refund(told.id),
        kind="refund",
        effective_at=told.created_at,
        lines=(
            debit(accounts.REVENUE, told.amount),
            credit(accounts.STRIPE_SETTLING, told.amount, key=told.id),
        ),
        rules_version=book.rules_version,
        description=f"Refund {told.id} made",
    )


# The first replaces one rule; the second builds on it, and explains a type that waited in suspense.
THREE: Final = replace(LATEST, version=3, refund=refund_of_revenue)
FOUR: Final = replace(THREE, version=4, movements=THREE.movements.with_types(tax_fund=own_bill))
LATER_RULES: Final = MappingProxyType({**RULES, 3: THREE, 4: FOUR})


def version(number: int) -> RuleTable:
    """One of them."""
    return LATER_RULES[number]
