"""The journal once more, as it would be if something else were in force; then it is dropped.

It is a generation that is never swapped: the order in which facts were recorded is not taken from
what was published, since other entries may be booked; what was decided, is. Of two messages that
contradict each other the first stands here as it does there. What clock ticks release follows from
what is deferred, so they are the one decision that is made again where that may be otherwise.
"""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from services.ledger.activation.activations import Activation, Activations
from services.ledger.activation.rule_versions import RULES, Rules
from services.ledger.shell.booking.activated import read_activations
from services.ledger.shell.booking.deciding import Decider
from services.ledger.shell.booking.decision_records import contradicting_here
from services.ledger.shell.booking.rows import Columns, entry_of, posting_of
from services.ledger.shell.queries import SQL
from services.ledger.shell.rebuilding.comparing import Content, content_of
from services.ledger.shell.rebuilding.rebuild import decider_of, drop_beside, generation_beside
from services.ledger.shell.rebuilding.replay import Progress, Reached, await_published, silent
from services.ledger.what_if.suppositions import (
    BalanceDifference,
    EntryDifference,
    Supposed,
    balances_apart,
)
from services.ledger.what_if.telling_again import TellingAgain
from shared.contracts.books import BookMap
from shared.contracts.commands import Activated
from shared.contracts.errors import Refused
from shared.contracts.journal import Book, Entry, Reference
from shared.contracts.messages import Position
from shared.runtime.kafka import KafkaAddress, Partition
from shared.runtime.positions import read_positions
from shared.runtime.postgres import Tx

ENTRIES_AT_ONCE: Final = 500
_Place = tuple[int, int]
_NOTHING: Final = (None, None)


class SuppositionUnknown(Refused):
    """What is supposed cannot be in force here."""

    reason = "supposition_unknown"


@dataclass(slots=True)
class SupposingDecider(Decider):
    """The core, asked with what would be in force."""

    suppositions: tuple[Activation, ...] = ()

    def activations(self) -> Activations:
        """What was put in force, and what would be on top of it."""
        return Supposed.on(Decider.activations(self), self.suppositions)


def _changes_what_is_deferred(supposed: Activation, known: Activations, rules: Rules) -> bool:
    """Whether other revenue may be deferred, so that clock ticks would release something else."""
    match supposed.what:
        case Activated.BASIS:
            ever = [Activations(known.first, known.made[:n]) for n in range(1, known.number + 1)]
            return any(each.last().named(supposed.book).basis != supposed.value for each in ever)
        case Activated.BOOK_MAP:
            return True
        case Activated.RULES_VERSION:
            return len({(table.invoice, table.credit_note) for table in rules.values()}) > 1
        case Activated.CHART | Activated.GENESIS:
            return False


class ToldThere(NamedTuple):
    """A fact that would be booked, by the message at a position, and what the books say of it."""

    at: Position
    is_lacking: bool
    is_same: bool


@dataclass(frozen=True, slots=True)
class WhatIf:
    """The books as they are and as they would be, at the same positions."""

    messages: int
    entries_here: int
    entries_there: int
    balances: tuple[BalanceDifference, ...]
    again: TellingAgain = field(repr=False)
    up_to: Mapping[Partition, int] = field(repr=False)
    _here: Tx = field(repr=False)
    _there: Tx = field(repr=False)

    def entries(self) -> AsyncGenerator[EntryDifference]:
        """The entries that differ, by book and reference; while the what-if is open."""
        return entries_apart(self._here, self._there, self.up_to)

    async def told_there(
        self, book: Book, references: Sequence[Reference]
    ) -> dict[Reference, ToldThere]:
        """Those of some facts that would be booked; while the what-if is open."""
        return {
            Reference(row["reference"]): ToldThere(
                _position(row), row["is_lacking"], row["is_same"]
            )
            for row in await self._there.fetch(SQL["told_there"], book, references)
        }

    async def said_to_go_on(self, follows: Entry) -> Position | None:
        """The message that says where an entry is passed on to; while the what-if is open."""
        rows = await self._there.fetch(
            SQL["said_to_go_on"],
            follows.book,
            [posting.account for posting in follows.postings],
            [posting.key for posting in follows.postings],
        )
        return _position(rows[0]) if rows else None


@asynccontextmanager
async def what_if(
    kafka: KafkaAddress,
    dsn: str,
    book_map: BookMap,
    suppositions: Sequence[Activation],
    *,
    rules: Rules = RULES,
    progress: Progress = silent,
) -> AsyncGenerator[WhatIf]:
    """The books as they would be; nothing of it is published, and nothing stays of it.

    Raises:
        GenerationBusy: Another process builds or swaps a generation.
        Unavailable: Kafka or Postgres is away.
        SuppositionUnknown: A rules version is supposed that this program does not have.
    """
    for each in suppositions:
        if isinstance(each.value, int) and each.value not in rules:
            known = ", ".join(map(str, sorted(rules)))
            raise SuppositionUnknown(
                f"there is no rules version {each.value}; this program has {known}"
            )
    decider = SupposingDecider(
        decider_of(book_map).in_force, rules, suppositions=tuple(suppositions)
    )
    async with generation_beside(kafka, dsn, decider, progress=progress) as beside:
        try:
            async with beside.in_use.transaction("repeatable_read") as tx:
                here = await content_of(tx)
                rows = await tx.fetch(SQL["read_origins"])
                positions = await read_positions(tx, beside.replay.log)
                beside.replay.contradicting = await contradicting_here(tx)
                activations = Activations(decider.in_force, await read_activations(tx))
            beside.replay.are_ticks_remade = any(
                _changes_what_is_deferred(each, activations, rules) for each in suppositions
            )
            up_to = {Partition(row["topic"], row["partition"]): row["sequence"] for row in rows}
            await await_published(beside.in_use, Reached(positions, up_to))
            await beside.replay.to(positions, is_order_taken=False)
            again = TellingAgain(
                Supposed.on(activations, suppositions),
                activations,
                {(p.topic, p.partition): offset for p, offset in positions.items()},
            )
            async with (
                beside.in_use.transaction() as in_use,
                beside.replay.shadow.transaction() as shadow,
            ):
                yield await _laid_beside(
                    in_use, shadow, here, up_to, again, messages=beside.replay.messages
                )
        finally:
            await drop_beside(beside)


async def _laid_beside(
    in_use: Tx,
    shadow: Tx,
    here: Content,
    up_to: Mapping[Partition, int],
    again: TellingAgain,
    *,
    messages: int,
) -> WhatIf:
    there = await content_of(shadow)
    exponents = {
        row["currency"]: row["exponent"]
        for tx in (in_use, shadow)
        for row in await tx.fetch(SQL["exponents"])
    }
    return WhatIf(
        messages=messages,
        entries_here=here.entries,
        entries_there=there.entries,
        balances=balances_apart(here.balances, there.balances, exponents),
        again=again,
        up_to=up_to,
        _here=in_use,
        _there=shadow,
    )


async def entries_apart(
    here: Tx, there: Tx, up_to: Mapping[Partition, int]
) -> AsyncGenerator[EntryDifference]:
    """Entries of the journal in use, up to sequences, that another tells otherwise, or not.

    Each side is asked in a transaction of its own schema. Memory stays flat however many differ.
    """
    places = sorted(up_to.items())
    found = there.cursor(
        SQL["entries_apart"],
        [p.topic for p, _ in places],
        [p.partition for p, _ in places],
        [sequence for _, sequence in places],
        prefetch=ENTRIES_AT_ONCE,
    )
    rows: list[Columns] = []
    async for row in found:
        rows.append(row)
        if len(rows) == ENTRIES_AT_ONCE:
            for told in await _told(here, there, rows):
                yield told
            rows = []
    for told in await _told(here, there, rows):
        yield told


async def _told(here: Tx, there: Tx, rows: Sequence[Columns]) -> list[EntryDifference]:
    sides: list[list[_Place | None]] = [
        [
            (row[f"{side}_origin_id"], row[f"{side}_sequence"])
            if row[f"{side}_origin_id"] is not None
            else None
            for row in rows
        ]
        for side in ("here", "there")
    ]
    entries = [
        await _entries_at(tx, [place for place in places if place is not None])
        for tx, places in zip((here, there), sides, strict=True)
    ]
    found: list[EntryDifference] = []
    for one, other in zip(*sides, strict=True):
        is_, _ = entries[0][one] if one is not None else _NOTHING
        would_be, told_at = entries[1][other] if other is not None else _NOTHING
        found.append(EntryDifference(is_, would_be, told_at))
    return found


async def _entries_at(
    tx: Tx, places: Sequence[_Place]
) -> dict[_Place, tuple[Entry | None, Position | None]]:
    """The entries at places that are there, each with where its message stands."""
    arguments = ([origin_id for origin_id, _ in places], [sequence for _, sequence in places])
    legs: dict[_Place, list[Columns]] = {place: [] for place in places}
    for row in await tx.fetch(SQL["postings_at"], *arguments):
        legs[row["origin_id"], row["sequence"]].append(row)
    return {
        place: (entry_of(row, map(posting_of, legs[place])), _position(row))
        for row in await tx.fetch(SQL["entries_at"], *arguments)
        for place in ((row["origin_id"], row["sequence"]),)
    }


def _position(row: Columns) -> Position:
    return Position(topic=row["topic"], partition=row["partition"], offset=row["caused_offset"])
