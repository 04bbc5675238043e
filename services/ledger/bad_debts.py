"""Invoices that were given up, and are no loss after all.

    given up          told while it is so, with what was still to be paid: a bad debt
    paid, or voided   told by an object that no longer says how much had been given up
    both told         what stands of the first is reversed, whichever of the two came first

An invoice that is paid may name its payments or not, and neither tells which credit notes came
before it was given up. So nobody works out again what was given up: it is looked up.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from msgspec import structs

from shared.contracts import references
from shared.contracts.journal import Entry, Reference, reversal_of

UNCOLLECTIBLE: Final = "invoice_uncollectible"
RECOVERED: Final = "invoice_recovered"


@dataclass(frozen=True, slots=True)
class Recovery:
    """That an invoice which had been given up was paid, or voided, and when."""

    invoice: str
    at: datetime
    rules_version: int

    @property
    def given_up(self) -> Reference:
        """What it reverses, where that was told."""
        return references.invoice_uncollectible(self.invoice)


def recovered_as_booked(given_up: Entry, recovery: Recovery) -> Entry:
    """An invoice that was given up is paid after all, or voided: what stands of that is reversed.

    Dr assets:receivable[invoice]           what had been given up
    Cr expenses:bad-debt                    the same
    """
    undone = reversal_of(
        given_up,
        reference=references.invoice_recovered(recovery.invoice),
        kind=RECOVERED,
        effective_at=recovery.at,
    )
    return structs.replace(
        undone, rules_version=recovery.rules_version, description=recovery_text(recovery.invoice)
    )


def recovery_text(invoice_id: str) -> str:
    """What the entry says of itself."""
    return f"Invoice {invoice_id} was given up too early"
