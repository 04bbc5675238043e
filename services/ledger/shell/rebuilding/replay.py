"""The input topics once more, into a generation that is not in use and publishes nothing.

What the own topics tell is learned before anything is booked: who booked which reference, and
what was decided. So the same messages book the same entries under the same numbers, whatever
order several topics are read in. Hence a replay goes no further than the journal in use had come
when everything that it had booked was published.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final

from services.ledger.shell.beginning import learn_what_is_in_force
from services.ledger.shell.booking.booker import BatchBooker
from services.ledger.shell.booking.books import Books
from services.ledger.shell.booking.deciding import Decided, Decider
from services.ledger.shell.queries import SQL
from services.ledger.shell.tails import learn_from_tails
from shared.contracts.commands import TickClock
from shared.contracts.errors import Unavailable
from shared.runtime.kafka import KafkaAddress, Partition, Record, scan
from shared.runtime.lifecycle import collected_seldom
from shared.runtime.positions import Log, read_positions
from shared.runtime.postgres import Database

BATCH_MESSAGES: Final = 5_000
BATCH_BYTES: Final = 16 * 1024 * 1024
DECIDED_AT_ONCE: Final = 50
PUBLISHED_SECONDS_MAX: Final = 30.0
_LOOK_SECONDS: Final = 0.05
Positions = Mapping[Partition, int]
Progress = Callable[[int, int], None]


def silent(_: int, __: int) -> None:
    """Progress that nobody is told of."""


@dataclass(frozen=True, slots=True)
class Reached:
    """How far a journal has come, in one snapshot: input positions, and entries by origin."""

    positions: Positions
    sequences: Mapping[Partition, int]


@dataclass(slots=True)
class Replay:
    """A generation that is being brought to where another stands."""

    kafka: KafkaAddress
    shadow: Database
    log: Log
    books: Books
    decider: Decider
    progress: Progress = silent
    messages: int = 0
    contradicting: frozenset[tuple[Partition, int]] = frozenset()
    are_ticks_remade: bool = False

    async def to(self, until: Positions, *, is_order_taken: bool = True) -> int:
        """Book what stands before these positions and was not booked; how many messages it was.

        Where other entries may be booked than were, no order is taken from those; but messages
        that are known to contradict others come behind them again, so that the first stands. Clock
        ticks that are made once more come last of all, for what they release must be there.

        Raises:
            Unavailable: Kafka or Postgres is away.
            InvariantBroken: The log, the rules or the own topics are not to be trusted.
        """
        async with self.shadow.transaction() as tx:
            await self.books.begin(tx, until)
            at = await read_positions(tx, self.log)
        await learn_from_tails(
            self.shadow,
            self.kafka,
            is_order_taken=is_order_taken,
            are_ticks_remade=self.are_ticks_remade,
        )
        await learn_what_is_in_force(self.shadow, self.decider, self.books)
        spans = {p: (at[p], before) for p, before in until.items() if at[p] < before}
        total = sum(before - since for since, before in spans.values())
        booker, read, last = BatchBooker(self.shadow, self.books), 0, list[Decided]()
        async with aclosing(_ahead(self._decided(spans))) as batches:
            with collected_seldom():
                async for batch in batches:
                    moves = _moves(batch, at)
                    now, later = self._in_turn(batch)
                    last += later
                    await booker.take(now, moves)
                    at |= {p: after for p, (_, after) in moves.items()}
                    read += len(batch)
                    self.progress(read, total)
        ticks = [each for each in last if _is_tick(each)]
        if rest := [each for each in last if not _is_tick(each)]:
            await booker.take(sorted(rest, key=_recorded), {})
        for tick in sorted(ticks, key=_recorded):
            await booker.take([tick], {})
        # Offsets at the end may be markers of transactions, which are no messages.
        markers = {p: (at[p], before) for p, before in until.items() if at[p] < before}
        if markers:
            await booker.take([], markers)
        self.messages += read
        return read

    def _in_turn(self, batch: list[Decided]) -> tuple[list[Decided], list[Decided]]:
        """What is booked now, and what comes last: it contradicts something, or is a tick."""
        if not self.contradicting and not self.are_ticks_remade:
            return batch, []
        now: list[Decided] = []
        later: list[Decided] = []
        for each in batch:
            record = each.record
            place = (Partition(record.topic, record.partition), record.offset)
            is_later = place in self.contradicting or (self.are_ticks_remade and _is_tick(each))
            (later if is_later else now).append(each)
        return now, later

    async def _decided(
        self, spans: Mapping[Partition, tuple[int, int]]
    ) -> AsyncGenerator[list[Decided]]:
        async with aclosing(_large(scan(self.kafka, spans, records_max=BATCH_MESSAGES))) as found:
            async for records in found:
                decided: list[Decided] = []
                for number, record in enumerate(records, 1):
                    decided.append(self.decider.decided(record))
                    if number % DECIDED_AT_ONCE == 0:
                        await asyncio.sleep(0)  # lets the transaction under way go on
                yield decided


async def _large(batches: AsyncGenerator[list[Record]]) -> AsyncGenerator[list[Record]]:
    """The same records in fewer batches: what Kafka gives at once may be little."""
    held: list[Record] = []
    size = 0
    async with aclosing(batches):
        async for batch in batches:
            held += batch
            size += sum(record.size_bytes for record in batch)
            if len(held) >= BATCH_MESSAGES or size >= BATCH_BYTES:
                yield held
                held, size = [], 0
    if held:
        yield held


async def _ahead(batches: AsyncGenerator[list[Decided]]) -> AsyncGenerator[list[Decided]]:
    """The same batches, each made ready while the database works on the one before."""
    upcoming: asyncio.Task[list[Decided]] | None = None

    async def following() -> list[Decided]:
        async for batch in batches:
            return batch
        return []

    try:
        upcoming = asyncio.create_task(following())
        while batch := await upcoming:
            upcoming = asyncio.create_task(following())
            yield batch
    finally:
        if upcoming is not None:
            upcoming.cancel()
            await asyncio.gather(upcoming, return_exceptions=True)
        await batches.aclose()


def _is_tick(each: Decided) -> bool:
    asked = each.decision.asked if each.decision is not None else None
    return asked is not None and isinstance(asked.command, TickClock)


def _recorded(each: Decided) -> tuple[int, str, int, int]:
    record = each.record
    return (record.timestamp_ms, record.topic, record.partition, record.offset)


def _moves(batch: Sequence[Decided], at: Positions) -> dict[Partition, tuple[int, int]]:
    after: dict[Partition, int] = {}
    for each in batch:
        record = each.record
        after[Partition(record.topic, record.partition)] = record.offset + 1
    return {p: (at[p], offset) for p, offset in after.items()}


async def reached(journal: Database, log: Log) -> Reached:
    """Where a journal stands now."""
    async with journal.transaction("repeatable_read") as tx:
        rows = await tx.fetch(SQL["read_origins"])
        return Reached(
            await read_positions(tx, log),
            {Partition(row["topic"], row["partition"]): row["sequence"] for row in rows},
        )


async def await_published(
    journal: Database, up_to: Reached, *, seconds_max: float = PUBLISHED_SECONDS_MAX
) -> None:
    """Wait until the journal's publisher has told all that it had booked by then.

    Raises:
        Unavailable: It does not.
    """
    places = sorted(up_to.positions.items())
    arguments = (
        [p.topic for p, _ in places],
        [p.partition for p, _ in places],
        [up_to.sequences.get(p, 0) for p, _ in places],
        [offset for _, offset in places],
    )
    deadline = time.monotonic() + seconds_max
    while True:
        async with journal.transaction() as tx:
            late = await tx.fetch(SQL["not_yet_published"], *arguments)
        if not late:
            return
        if time.monotonic() > deadline:
            raise Unavailable(
                f"{late[0]['topic']}/{late[0]['partition']}, and {len(late) - 1} more:"
                " booked, and not published yet; the order of the books is taken from"
                f" what was published, so start the ledger's publisher and try again"
            )
        await asyncio.sleep(_LOOK_SECONDS)  # bounded by the deadline above
