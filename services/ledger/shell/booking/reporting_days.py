"""What is derived, moved to the day that a closing reports it on.

The journal is not touched. The buckets are added to with both signs, and the list of late entries
says what is reported elsewhere. In a book that lives, a closing finds few of these: what was
recorded after it and read before it. A rebuild, which may read topics in any order, finds them all.
"""

from collections.abc import Sequence
from datetime import datetime
from itertools import groupby
from typing import Final
from zoneinfo import ZoneInfo

from services.ledger.periods import Closings, day_of, first_open_day, midnight
from services.ledger.shell.booking.rows import Columns
from services.ledger.shell.booking.sums import Late, Sums
from services.ledger.shell.queries import SQL
from shared.contracts.journal import Book
from shared.runtime.postgres import Tx

ENTRIES_AT_ONCE: Final = 2_000


async def report_anew(
    tx: Tx, book: Book, before: Closings, after: Closings, zone: ZoneInfo | None
) -> None:
    """Move what is reported on another day than before, as the book's closings are now."""
    new = [each for each in after.closings if each not in before.closings]
    through = [
        each.closed_through
        for each in (*before.closings, *after.closings)
        if each.closed_through is not None
    ]
    if not new or not through:
        return
    since = min(each.since for each in new)
    effective_before = midnight(first_open_day(max(through)), zone)
    place = (0, 0)
    while True:
        rows = await tx.fetch(
            SQL["read_entries_for_closing"],
            book,
            since,
            effective_before,
            *place,
            ENTRIES_AT_ONCE,
        )
        if not rows:
            return
        place = (rows[-1]["origin_id"], rows[-1]["sequence"])
        await _move(tx, book, (before, after), zone, rows)


async def _move(
    tx: Tx,
    book: Book,
    closings: tuple[Closings, Closings],
    zone: ZoneInfo | None,
    rows: Sequence[Columns],
) -> None:
    sums = Sums({})
    late: list[Late] = []
    in_time: list[tuple[int, int]] = []
    for (origin_id, sequence), group in groupby(
        rows, key=lambda row: (row["origin_id"], row["sequence"])
    ):
        legs = list(group)
        effective_at: datetime = legs[0]["effective_at"]
        recorded_at: datetime = legs[0]["recorded_at"]
        own = day_of(effective_at, zone)
        was, becomes = (each.reported_day(own, recorded_at) for each in closings)
        if was == becomes:
            continue
        for leg in legs:
            sums.move(
                (book, leg["account"], leg["currency"], leg["exponent"]),
                minor=leg["minor"],
                is_debit=leg["direction"] == "debit",
                days=(was, becomes),
                recorded_day=day_of(recorded_at, zone),
                origin_id=origin_id,
            )
        if becomes == own:
            in_time.append((origin_id, sequence))
        else:
            late.append(Late(origin_id, sequence, book, becomes, midnight(becomes, zone)))
    await tx.execute(SQL["add_sums"], *sums.columns())
    await write_late_entries(tx, late)
    if in_time:
        await tx.execute(
            SQL["drop_late_entries"],
            [origin_id for origin_id, _ in in_time],
            [sequence for _, sequence in in_time],
        )


async def write_late_entries(tx: Tx, late: Sequence[Late]) -> None:
    """Keep which entries are reported on a later day than their own."""
    if late:
        columns = [list(column) for column in zip(*late, strict=True)]
        await tx.execute(SQL["add_late_entries"], *columns)
