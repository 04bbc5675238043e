"""Clock ticks: revenue is earned as time passes."""

from collections.abc import Iterable, Iterator, MutableMapping
from datetime import date, timedelta
from itertools import groupby
from typing import Final

from services.ledger import accounts
from services.ledger.activation.in_force import BookInForce
from services.ledger.periods import midnight
from services.ledger.unearned import Clock, unearned_on
from shared.contracts import references
from shared.contracts.journal import Entry, Line, credit, debit, entry
from shared.contracts.money import Money

# The kind of the entries that ticks make.
RELEASED: Final = "revenue_released"
LINES_OF_ENTRY_MAX: Final = 1_000
_LAST_SECOND: Final = timedelta(seconds=-1)


def released(
    clock: Clock,
    standing: MutableMapping[str, Money],
    days: Iterable[date],
    book: BookInForce,
    *,
    command_key: str,
) -> Iterator[Entry]:
    """Revenue is earned for each line of service, up to the beginning of each of these days.

        Dr liabilities:unearned[line]           earned since the last tick
        Cr revenue:stripe                       what all these lines have earned

    In the last second of the day before. A tick books the difference between what stands unearned
    of a line and what is to stand there, so what is to be taken back from revenue turns the sides.
    ``standing`` moves along; lines go in the order of their currencies and ids, a thousand in one
    entry.
    """
    ordered = sorted(clock.schedules.values(), key=lambda each: (each.net.currency.code, each.line))
    number = 0
    for day in days:
        for _, lines in groupby(ordered, key=lambda each: each.net.currency):
            moved: list[Line] = []
            for each in lines:
                left = unearned_on(each, clock.cuts_of(each.line), day, book.zone)
                earned = standing[each.line] - left
                if earned:
                    standing[each.line] = left
                    moved.append(debit(accounts.UNEARNED, earned, key=each.line))
            for start in range(0, len(moved), LINES_OF_ENTRY_MAX):
                part = moved[start : start + LINES_OF_ENTRY_MAX]
                number += 1
                booked = entry(
                    book=book.name,
                    reference=references.revenue_released(command_key, number),
                    kind=RELEASED,
                    effective_at=midnight(day, book.zone) + _LAST_SECOND,
                    lines=[*part, credit(accounts.REVENUE, _sum(part))],
                    rules_version=book.rules_version,
                    description=f"Served before {day}",
                )
                if booked is not None:
                    yield booked


def _sum(lines: Iterable[Line]) -> Money:
    first, *others = (line.net for line in lines)
    for amount in others:
        first += amount
    return first
