"""The journal read for an export: one snapshot, a stretch of an origin at a time.

Sequences have no gaps, so a stretch is found by the primary key, and memory stays flat however
long the journal is. The order is that of the chains: origin by origin, sequence by sequence.
"""

from collections import defaultdict
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

import orjson

from services.ledger.exports.journal import About, Head, Leg, Opening, Selection, Told
from services.ledger.shell.booking.rows import Columns
from services.ledger.shell.queries import SQL
from shared.contracts.errors import Refused
from shared.contracts.topics import origin as origin_name
from shared.contracts.tree_heads import TreeHead
from shared.runtime.postgres import Database, Tx

ENTRIES_AT_ONCE: Final = 5_000


class SinceUnknown(Refused):
    """An export was asked for since a place that the journal does not have."""

    reason = "since_unknown"


class AnotherJournal(Refused):
    """What a reader has is not the beginning of this journal: one of the two was made anew."""

    reason = "another_journal"


class BookUnknown(Refused):
    """An export was asked for of a book that has no entries."""

    reason = "book_unknown"


@dataclass(frozen=True, slots=True)
class Origin:
    """An input partition with the head of its chain."""

    origin_id: int
    topic: str
    partition: int
    head: Head

    @property
    def name(self) -> str:
        """Its name on topics and in exports."""
        return origin_name(self.topic, self.partition)


@dataclass(frozen=True, slots=True)
class Since:
    """A place in an origin: a sequence, or the offset of a message; the entries behind it.

    ``chain`` is the link that stood there when the reader had it; empty: not known.
    """

    origin: str
    sequence: int | None = None
    offset: int | None = None
    chain: str = ""


class Journal:
    """One snapshot of the journal, to be told."""

    def __init__(self, tx: Tx, origins: Sequence[Origin], books: tuple[str, ...]) -> None:
        self._tx = tx
        self._origins = origins
        self.books = books

    async def selected(self, selection: Selection, since: Sequence[Since]) -> Selection:
        """The selection with places found in the chains, and no book where there is but that one.

        Raises:
            SinceUnknown: The journal has no such place.
            AnotherJournal: The chain is another one there.
            BookUnknown: The journal has no such book.
        """
        by_name = {each.name: each for each in self._origins}
        found: dict[str, int] = {}
        for each in since:
            origin = by_name.get(each.origin)
            if origin is None:
                raise SinceUnknown(f"the journal has no entry of {each.origin[:200]}")
            sequence = each.sequence
            if sequence is None:
                row = await self._tx.fetch(SQL["export_sequence_at"], origin.origin_id, each.offset)
                sequence = int(row[0][0] or 0)
            if sequence > origin.head.sequence:
                raise SinceUnknown(
                    f"{each.origin} ends with entry {origin.head.sequence}, before {sequence}"
                )
            if each.chain and (await self._link_at(origin, sequence)) != each.chain:
                raise AnotherJournal(
                    f"the chain of {each.origin} at entry {sequence} is not {each.chain}:"
                    " the journal, or what was exported before, is not what it was"
                )
            found[each.origin] = sequence
        book = selection.book
        if book is not None and self.books and book not in self.books:
            raise BookUnknown(f"no entry is of book {book[:80]!r}; there are {self.books}")
        return replace(selection, book=None if self.books == (book,) else book, since=found)

    async def about(
        self, selection: Selection, *, made_at: datetime, opening_of: str | None = None
    ) -> About:
        """What stands at the beginning; ``opening_of`` asks for what stood in a book before."""
        opening: tuple[Opening, ...] = ()
        opened_at: datetime | None = None
        if opening_of is not None and selection.has_past:
            opening, opened_at = await self._opening(selection, opening_of)
        return About(
            made_at=made_at,
            selection=selection,
            books=self.books if selection.book is None else (selection.book,),
            heads={each.name: each.head for each in self._origins if each.head.sequence},
            starts=await self._starts(selection.since),
            tree_heads=await self.tree_heads(selection.book),
            opening=opening,
            opened_at=opened_at,
        )

    async def tree_heads(self, book: str | None) -> tuple[TreeHead, ...]:
        """The last published heads: of a book, or of every one."""
        rows = await self._tx.fetch(SQL["last_heads"])
        return tuple(
            TreeHead.model_validate_json(orjson.dumps(row["head"]))
            for row in rows
            if book is None or row["book"] == book
        )

    async def entries(self, selection: Selection) -> AsyncGenerator[list[Told]]:
        """The selected entries, in stretches."""
        for origin in self._origins:
            after = start = selection.since.get(origin.name, 0)
            last: Head | None = None
            while after < origin.head.sequence:
                up_to = min(after + ENTRIES_AT_ONCE, origin.head.sequence)
                rows = await self._rows(origin, selection, after, up_to)
                after = up_to
                if not rows:
                    continue
                links = await self._links(origin, rows, last, start)
                legs = await self._legs(origin, rows)
                told = [_told(origin, row, legs[row["sequence"]], links) for row in rows]
                last = Head(told[-1].sequence, told[-1].chain)
                yield told

    async def entry_at(self, topic: str, partition: int, sequence: int) -> list[Told]:
        """One entry with the link before it; none: there is no such entry."""
        for origin in self._origins:
            if (origin.topic, origin.partition) == (topic, partition):
                rows = await self._rows(origin, Selection(), sequence - 1, sequence)
                if not rows:
                    break
                legs = await self._legs(origin, rows)
                links = await self._links(origin, rows, None, 0)
                return [_told(origin, row, legs[sequence], links) for row in rows]
        return []

    async def _rows(
        self, origin: Origin, selection: Selection, after: int, up_to: int
    ) -> Sequence[Columns]:
        limits = (selection.begin, selection.until)
        nothing = (None, None)
        by_effect, by_record = (
            (limits, nothing) if selection.axis == "effective" else (nothing, limits)
        )
        return await self._tx.fetch(
            SQL["export_entries"],
            origin.origin_id,
            after,
            up_to,
            selection.book,
            *by_effect,
            *by_record,
        )

    async def _legs(self, origin: Origin, rows: Sequence[Columns]) -> Mapping[int, list[Leg]]:
        legs: defaultdict[int, list[Leg]] = defaultdict(list)
        first, last = rows[0]["sequence"], rows[-1]["sequence"]
        found = await self._tx.fetch(SQL["export_postings"], origin.origin_id, first, last)
        for sequence, account, key, direction, minor, currency, exponent in found:
            legs[sequence].append(Leg(account, key, direction, int(minor), currency, exponent))
        return legs

    async def _links(
        self, origin: Origin, rows: Sequence[Columns], last: Head | None, start: int
    ) -> Mapping[int, str]:
        """The link before each entry that is not told right behind its predecessor."""
        before = start if last is None else last.sequence
        lacking: list[int] = []
        for row in rows:
            if row["sequence"] != before + 1:
                lacking.append(row["sequence"] - 1)
            before = row["sequence"]
        if not lacking:
            return {}
        found = await self._tx.fetch(SQL["export_links"], origin.origin_id, lacking)
        return {row["sequence"] + 1: row["chain"].hex() for row in found}

    async def _starts(self, since: Mapping[str, int]) -> Mapping[str, Head]:
        starts: dict[str, Head] = {}
        for origin in self._origins:
            sequence = since.get(origin.name, 0)
            if sequence:
                starts[origin.name] = Head(sequence, await self._link_at(origin, sequence))
        return starts

    async def _link_at(self, origin: Origin, sequence: int) -> str:
        rows = await self._tx.fetch(SQL["export_links"], origin.origin_id, [sequence])
        if not rows:
            raise SinceUnknown(f"the journal has no entry {sequence} of {origin.name}")
        return str(rows[0]["chain"].hex())

    async def _opening(
        self, selection: Selection, book: str
    ) -> tuple[tuple[Opening, ...], datetime | None]:
        effective = selection.begin if selection.axis == "effective" else None
        recorded = selection.begin if selection.axis == "recorded" else None
        ids = [each.origin_id for each in self._origins if each.name in selection.since]
        ends = [selection.since[e.name] for e in self._origins if e.name in selection.since]
        rows = await self._tx.fetch(SQL["export_opening"], book, effective, recorded, ids, ends)
        opening = tuple(
            Opening(row["account"], row["currency"], row["exponent"], row["minor"]) for row in rows
        )
        if effective is not None:
            return opening, effective
        first = await self._tx.fetch(SQL["export_first_effective"], book, recorded, ids, ends)
        return opening, first[0][0]


@asynccontextmanager
async def journal_snapshot(database: Database) -> AsyncGenerator[Journal]:
    """The journal as it stands now, whatever is booked meanwhile.

    Raises:
        Unavailable: Postgres is away.
    """
    async with database.transaction("repeatable_read") as tx:
        yield await journal_in(tx)


async def journal_in(tx: Tx) -> Journal:
    """The journal as a transaction sees it, from which on nothing can be written in it."""
    await tx.execute(SQL["export_reads_only"])
    rows = await tx.fetch(SQL["read_origins"])
    origins = [
        Origin(
            row["origin_id"],
            row["topic"],
            row["partition"],
            Head(row["sequence"], row["chain"].hex()),
        )
        for row in rows
    ]
    origins.sort(key=lambda each: (each.topic, each.partition))
    books = tuple(row["book"] for row in await tx.fetch(SQL["export_books"]))
    return Journal(tx, origins, books)


def _told(origin: Origin, row: Columns, legs: Sequence[Leg], links: Mapping[int, str]) -> Told:
    sequence: int = row["sequence"]
    return Told(
        origin=origin.name,
        sequence=sequence,
        book=row["book"],
        reference=row["reference"],
        kind=row["kind"],
        effective_at=row["effective_at"],
        recorded_at=row["recorded_at"],
        topic=origin.topic,
        partition=origin.partition,
        offset=row["caused_offset"],
        message_id=row["message_id"],
        rules_version=row["rules_version"],
        description=row["description"],
        reverses=row["reverses"],
        digest=row["digest"].hex(),
        chain=row["chain"].hex(),
        previous=links.get(sequence, ""),
        legs=tuple(legs),
        reported_day=row["reported_day"],
    )
