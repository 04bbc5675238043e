"""What a fact of billing gives: an entry, and what it says beside it."""

from dataclasses import dataclass
from datetime import datetime

from services.ledger.activation.in_force import BookInForce
from services.ledger.passed_on import PassedOn
from services.ledger.unearned import Cut, Schedule
from shared.contracts.journal import Entry, Line, Reference, entry


@dataclass(frozen=True, slots=True)
class Billing:
    """An entry, or ``None`` where every amount is zero, and what it changes of what is unearned.

    What is ``passed_on`` has no entry of its own: what it moves is known where it is booked.
    """

    entry: Entry | None
    schedules: tuple[Schedule, ...] = ()
    cuts: tuple[Cut, ...] = ()
    passed_on: PassedOn | None = None


def billed_entry(
    book: BookInForce,
    reference: Reference,
    kind: str,
    at: datetime,
    lines: list[Line],
    *,
    about: str,
    reverses: Reference | None = None,
) -> Entry | None:
    """The entry of these lines, or ``None`` when every line is zero."""
    return entry(
        book=book.name,
        reference=reference,
        kind=kind,
        effective_at=at,
        lines=lines,
        rules_version=book.rules_version,
        description=about,
        reverses=reverses,
    )
