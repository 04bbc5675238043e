"""The postings of entries that were read."""

from collections.abc import Sequence

from services.console.shell.readers import Row, Snapshot


async def legs_of(ledger: Snapshot, entries: Sequence[Row]) -> Sequence[Row]:
    """The postings of some entries, all of one input.

    The journal is split by when it was recorded, so that is told along: no other month is read.
    """
    if not entries:
        return ()
    recorded = [entry["recorded_at"] for entry in entries]
    return await ledger.rows(
        "postings_of_entries",
        entries[0]["topic"],
        entries[0]["partition"],
        [entry["sequence"] for entry in entries],
        min(recorded),
        max(recorded),
    )
