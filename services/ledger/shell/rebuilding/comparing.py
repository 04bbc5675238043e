"""Two journals side by side: what they say in any order, and the order that was published."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from services.ledger.shell.queries import SQL
from shared.runtime.kafka import Partition
from shared.runtime.positions import Log, read_positions
from shared.runtime.postgres import Tx

DIFFERENCES_MAX: Final = 20
_PARTS: Final = ("first_part", "second_part", "third_part", "fourth_part")

# Tables that are compared in another way, or not at all: how far something has come, what is made
# from the chain later, who of several told a thing first, decisions still to be followed, what was
# open when somebody came by.
_OTHERWISE: Final = [
    "entries", "postings", "claims", "seen_events", "outcomes", "dead_letters",
    "balances", "day_buckets", "month_buckets", "open_items", "exchange_rates",
    "folded_days", "folded_months", "late_entries", "periods", "holds", "account_changes",
    "positions", "origins", "published", "published_tails",
    "tree_origins", "trees", "tree_tiles", "tree_heads",
    "generation", "schema_migrations", "journal_notes", "decisions",
    "kept", "kept_heads", "kept_items", "passed_on",
]  # fmt: skip

Place = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Content:
    """What a journal says, whatever the order.

    ``outcomes`` are how many there are, their digest, and how many records are parked;
    ``balances`` are (debits, credits) by (book, account, currency); ``sums`` are how many rows and
    their digest, of the days, the months, the exchange rates, and of each table of what commands
    left, such as periods and holds.
    """

    entries: int
    digest: str
    outcomes: tuple[int, int, int]
    balances: Mapping[Place, tuple[int, int]]
    open_items: int
    open_items_digest: int
    sums: Mapping[str, tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Since:
    """Where two journals have been found equal: entries and outcomes behind it are compared."""

    positions: Mapping[Partition, int]
    sequences: Mapping[Partition, int]


_BEGINNING: Final = Since({}, {})


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A journal at one moment: its content, how far it had read, numbered and published."""

    content: Content
    positions: Mapping[Partition, int]
    sequences: Mapping[Partition, int]
    published: Mapping[Partition, int]
    since: Since = _BEGINNING


@dataclass(frozen=True, slots=True)
class Comparison:
    """A journal and its rebuilding; each difference in a sentence, and not more than a few."""

    messages: int
    used: Content
    rebuilt: Content
    chains_compared: int
    differences: tuple[str, ...]

    @property
    def is_equal(self) -> bool:
        """Whether both say the same, in the same published order."""
        return not self.differences


async def content_of(tx: Tx, since: Since = _BEGINNING) -> Content:
    """What the journal of the search path says; its sums are those of the whole of it."""
    (row,) = await tx.fetch(SQL["content_digest"], *_columns(since.sequences))
    (said,) = await tx.fetch(SQL["outcomes_digest"], *_columns(since.positions))
    (items,) = await tx.fetch(SQL["open_items_digest"])
    balances = await tx.fetch(SQL["all_balances"])
    return Content(
        entries=row["entries"],
        digest="".join(f"{row[part] % 2**64:016x}" for part in _PARTS),
        outcomes=(said["outcomes"], said["digest"], said["parked"]),
        balances={
            (b["book"], b["account"], b["currency"]): (b["debit_minor"], b["credit_minor"])
            for b in balances
        },
        open_items=items["items"],
        open_items_digest=items["digest"],
        sums={
            row["sums"]: (row["rows"], row["digest"]) for row in await tx.fetch(SQL["sums_digest"])
        }
        | await _tables_of(tx),
    )


async def _tables_of(tx: Tx) -> dict[str, tuple[int, int]]:
    """Rows and digest of every table that is compared row by row, also of those to come."""
    found: dict[str, tuple[int, int]] = {}
    for table in await tx.fetch(SQL["tables_to_digest"], _OTHERWISE):
        (row,) = await tx.fetch(table["query"])
        found[table["name"].replace("_", " ")] = (row["rows"], row["digest"])
    return found


def _columns(places: Mapping[Partition, int]) -> tuple[list[str], list[int], list[int]]:
    """Numbers by partition as the columns that a statement takes."""
    rows = sorted(places.items())
    return [p.topic for p, _ in rows], [p.partition for p, _ in rows], [at for _, at in rows]


async def snapshot_of(tx: Tx, log: Log, since: Since = _BEGINNING) -> Snapshot:
    """The journal of the search path as it stands; in a transaction that sees one moment."""
    rows = await tx.fetch(SQL["read_published"])
    return Snapshot(
        content=await content_of(tx, since),
        positions=await read_positions(tx, log),
        sequences={Partition(r["topic"], r["partition"]): r["journal_sequence"] for r in rows},
        published={
            Partition(r["topic"], r["partition"]): min(r["sequence"], r["journal_sequence"])
            for r in rows
        },
        since=since,
    )


async def compare(used: Snapshot, in_use: Tx, rebuilt: Tx, *, messages: int) -> Comparison:
    """Lay a rebuilt journal beside the one in use, as it stood in ``used``."""
    content = await content_of(rebuilt, used.since)
    differences: list[str] = []
    if content.digest != used.content.digest or content.entries != used.content.entries:
        differences.extend(
            await _references_apart(used, rebuilt) or ["the digests of the contents differ"]
        )
    differences.extend(_balances_apart(used.content, content))
    if (content.open_items, content.open_items_digest) != (
        used.content.open_items,
        used.content.open_items_digest,
    ):
        differences.append(
            f"open items differ: {used.content.open_items} in use, {content.open_items} rebuilt"
        )
    if content.outcomes != used.content.outcomes:
        (said, _, parked), (said_again, _, parked_again) = used.content.outcomes, content.outcomes
        differences.append(
            f"outcomes differ: {said} in use, {said_again} rebuilt"
            f" ({parked} and {parked_again} records parked)"
        )
    differences.extend(
        f"{sums} differ: {rows} in use, {content.sums.get(sums, (0, 0))[0]} rebuilt"
        for sums, (rows, digest) in sorted(used.content.sums.items())
        if (rows, digest) != content.sums.get(sums)
    )
    chains = await _chains_apart(used, in_use, rebuilt)
    differences.extend(chains)
    compared = sum(sequence > 0 for sequence in used.published.values())
    return Comparison(
        messages, used.content, content, compared, tuple(differences[: 2 * DIFFERENCES_MAX])
    )


async def _references_apart(used: Snapshot, rebuilt: Tx) -> list[str]:
    rows = await rebuilt.fetch(SQL["references_apart"], *_columns(used.sequences), DIFFERENCES_MAX)
    said = {
        (True, False): "is in use and was not rebuilt",
        (False, True): "was rebuilt and is not in use",
        (True, True): "was rebuilt with other content",
    }
    return [
        f"{row['reference']} of book {row['book']} {said[row['is_in_use'], row['is_rebuilt']]}"
        for row in rows
    ]


def _balances_apart(used: Content, rebuilt: Content) -> list[str]:
    zero = (0, 0)
    return [
        f"{account} of book {book}: {_net(used.balances.get(place, zero))} {currency} in use, "
        f"{_net(rebuilt.balances.get(place, zero))} rebuilt"
        for place in sorted(used.balances.keys() | rebuilt.balances.keys())
        for book, account, currency in (place,)
        if used.balances.get(place, zero) != rebuilt.balances.get(place, zero)
    ][:DIFFERENCES_MAX]


def _net(sums: tuple[int, int]) -> str:
    debits, credits_ = sums
    return f"{debits - credits_} (debits {debits}, credits {credits_})"


async def _chains_apart(used: Snapshot, in_use: Tx, rebuilt: Tx) -> list[str]:
    """Where the chains part at the last published entry of an origin."""
    places = sorted((p, sequence) for p, sequence in used.published.items() if sequence)
    chains = [
        {
            Partition(row["topic"], row["partition"]): row["chain"]
            for row in await tx.fetch(SQL["chains_by_name"], *_columns(dict(places)))
        }
        for tx in (in_use, rebuilt)
    ]
    return [
        f"{place}: the chains part at or before entry {sequence}"
        for place, sequence in places
        if chains[0].get(place) != chains[1].get(place)
    ]
