"""The journal checked against itself: content against digest, digest against chain, sums too."""

from collections import defaultdict
from dataclasses import dataclass
from typing import Final

from services.ledger.hash_chain import GENESIS, chain_next
from services.ledger.shell.batch import SQL
from services.ledger.shell.rows import Columns, entry_of, posting_of
from shared.contracts.errors import Refused
from shared.contracts.topics import origin as origin_name
from shared.runtime.postgres import Database, Tx

ENTRIES_AT_ONCE: Final = 2_000
PROBLEMS_MAX: Final = 20


@dataclass(frozen=True, slots=True)
class Verified:
    """How many entries were checked, and the first problems, each in a sentence."""

    entries: int
    problems: tuple[str, ...]

    @property
    def is_sound(self) -> bool:
        """Whether nothing was found."""
        return not self.problems


async def verify_journal(database: Database) -> Verified:
    """Check every entry of one snapshot, from the first of each origin on.

    Raises:
        Unavailable: Postgres is away.
    """
    problems: list[str] = []
    checked = 0
    async with database.transaction("repeatable_read") as tx:
        for head in await tx.fetch(SQL["read_origins"]):
            count, problem = await _verify_origin(tx, head)
            checked += count
            if problem:
                problems.append(problem)
        problems.extend(
            f"the balance of {row['account']} in book {row['book']} is kept as "
            f"{row['kept_minor']} {row['currency']}, and its postings sum to {row['summed_minor']}"
            for row in await tx.fetch(SQL["balances_off"], PROBLEMS_MAX)
        )
        problems.extend(
            f"the {row['span']} of {row['account']} in book {row['book']} do not sum to its "
            f"{row['currency']} balance: debits {row['summed_debit_minor']} for "
            f"{row['debit_minor']}, credits {row['summed_credit_minor']} for {row['credit_minor']}"
            for row in await tx.fetch(SQL["buckets_off"], PROBLEMS_MAX)
        )
        problems.extend(
            f"the month {row['effective_month']:%Y-%m} (recorded {row['recorded_month']:%Y-%m}) of "
            f"{row['account']} in book {row['book']} is not the sum of its days"
            for row in await tx.fetch(SQL["months_off"], PROBLEMS_MAX)
        )
    return Verified(checked, tuple(problems[:PROBLEMS_MAX]))


async def _verify_origin(tx: Tx, head: Columns) -> tuple[int, str]:
    """How many entries of an origin hold, and the first problem after them."""
    origin_id, name = head["origin_id"], origin_name(head["topic"], head["partition"])
    sequence, chain = 0, GENESIS
    while sequence < head["sequence"]:
        span = ([origin_id], [sequence], [sequence + ENTRIES_AT_ONCE])
        legs: defaultdict[int, list[Columns]] = defaultdict(list)
        for row in await tx.fetch(SQL["postings_between"], *span):
            legs[row["sequence"]].append(row)
        rows = await tx.fetch(SQL["entries_between"], *span)
        for row in rows:
            if row["sequence"] != sequence + 1:
                break
            link = _link(chain, name, row, legs[row["sequence"]])
            if link is None or link != row["chain"]:
                return sequence, f"{name}: entry {sequence + 1} does not follow from the one before"
            sequence, chain = row["sequence"], link
        if not rows or rows[-1]["sequence"] != sequence:
            return sequence, f"{name}: entry {sequence + 1} is missing"
    if chain != head["chain"] or sequence != head["sequence"]:
        return sequence, f"{name}: the head is not the chain of entry {sequence}"
    return sequence, ""


def _link(previous: bytes, name: str, row: Columns, legs: list[Columns]) -> bytes | None:
    """The link that an entry must have, from its content; ``None`` when that is no entry."""
    try:
        entry = entry_of(row, (posting_of(leg) for leg in legs))
    except (Refused, ValueError):
        return None
    if entry.digest() != row["digest"]:
        return None
    return chain_next(
        previous,
        origin=name,
        sequence=row["sequence"],
        digest=row["digest"],
        book=entry.book,
        reference=entry.reference,
        kind=entry.kind,
        effective_at=entry.effective_at,
        recorded_at=row["recorded_at"],
        offset=row["caused_offset"],
        message_id=row["message_id"],
        rules_version=entry.rules_version,
        reverses=entry.reverses,
        description=entry.description,
    )
