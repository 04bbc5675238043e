"""Entries into the journal, and what they add up to.

The journal is split into months, which are opened before the first entry. Many entries are copied
into their month, as Postgres takes them fastest; a few go with all that they add up to in one
question.
"""

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any, Final

from services.ledger.shell.booking.rows import ENTRY_COLUMNS, POSTING_COLUMNS, Row
from services.ledger.shell.queries import SQL
from shared.runtime.postgres import Tx

# More entries of a batch are copied, which Postgres takes fastest but asks for by itself.
WRITTEN_AT_ONCE_MAX: Final = 100
_TABLES: Final = (("entries", ENTRY_COLUMNS), ("postings", POSTING_COLUMNS))
_RECORDED_AT: Final = ENTRY_COLUMNS.index("recorded_at")


async def write_journal(
    tx: Tx,
    entries: Sequence[Row],
    postings: Sequence[Row],
    added: Sequence[Sequence[Any]],  # Any: as the columns' types have it
    *,
    known: frozenset[date],
) -> frozenset[date]:
    """Add entries and their postings to the months in which they were recorded; gives those.

    ``added`` are the columns for ``add_up``. Months that are known to be open, by a commit and not
    only by a transaction, are not opened.

    Many of one month, as nearly always, go straight into its part: Postgres takes rows for a table
    that is split one by one, and those for a part many at a time.
    """
    months = months_of(entries)
    if not known.issuperset(months):
        await tx.execute(SQL["open_months"], months)
    if len(entries) <= WRITTEN_AT_ONCE_MAX:
        await tx.execute(SQL["write_few"], *_columns(entries), *_columns(postings), *added)
        return frozenset(months)
    part = f"_{months[0]:%Y_%m}" if len(months) == 1 else ""
    for (table, columns), rows in zip(_TABLES, (entries, postings), strict=True):
        await tx.copy_records_to_table(f"{table}{part}", records=rows, columns=columns)
    await tx.execute(SQL["add_up"], *added)
    return frozenset(months)


def _columns(rows: Iterable[Row]) -> list[list[object]]:
    return [list(column) for column in zip(*rows, strict=True)]


def months_of(entries: Iterable[Row]) -> list[date]:
    """The months, by UTC, in which entries were recorded: the first day of each, in order."""
    found: dict[tuple[int, int], date] = {}
    for row in entries:
        at = row[_RECORDED_AT]
        if isinstance(at, date) and (at.year, at.month) not in found:
            found[at.year, at.month] = date(at.year, at.month, 1)
    return sorted(found.values())
