"""Clock ticks: revenue is earned as time passes.

A tick books the difference between what stands unearned of a line and what is to stand there by
then (``services/ledger/unearned.py``). So it may come at any time and any number of times, and a
credit note or a void that comes after a release is made good by the next one.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime

from services.ledger import accounts
from services.ledger.in_force import BookInForce
from services.ledger.unearned import Unearned, unearned_at
from shared.contracts import references
from shared.contracts.journal import Entry, credit, debit, entry


def releases(
    lines: Iterable[Unearned], until: datetime, book: BookInForce, command_key: str
) -> Iterator[Entry]:
    """Revenue is earned as time passes: one entry for each line that a clock tick moves.

        Dr liabilities:unearned[line]           earned since the last tick
        Cr revenue:stripe                       earned since the last tick

    In the order of the lines' ids. What is to be taken back from revenue turns the sides.
    """
    for each in sorted(lines, key=lambda each: each.schedule.line):
        line = each.schedule.line
        earned = each.standing - unearned_at(each.schedule, each.cuts, until, book.zone)
        booked = entry(
            book=book.name,
            reference=references.invoice_line_released(line, command_key),
            kind="revenue_released",
            effective_at=until,
            lines=(debit(accounts.UNEARNED, earned, key=line), credit(accounts.REVENUE, earned)),
            rules_version=book.rules_version,
            description=f"Line {line} served until {until.astimezone(book.zone):%Y-%m-%d}",
        )
        if booked is not None:
            yield booked
