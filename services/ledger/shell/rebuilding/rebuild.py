"""The journal once more from the topics, in a generation of its own, beside the one in use.

It reads the input topics from their beginning to where the journal in use stands, takes the order
of what was published from ``ledger.entries``, publishes nothing, and is laid beside the other.
Where both say the same it may take the other's place:

    replay        to where the journal in use stands, again and again, until that is close
    compare       all of it, at the same positions
    stop booking  batches wait; reading and publishing go on
    replay        the rest
    compare       what has come since, and all sums
    swap          names and views, in the transaction that stopped the booking
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Final

from services.ledger.activation.in_force import InForce
from services.ledger.shell.booking.books import INPUT_TOPICS, Books
from services.ledger.shell.booking.deciding import Decider
from services.ledger.shell.proof.head_tails import learn_heads
from services.ledger.shell.proof.trees import grow_trees
from services.ledger.shell.rebuilding.comparing import (
    Comparison,
    Since,
    Snapshot,
    compare,
    snapshot_of,
)
from services.ledger.shell.rebuilding.generations import (
    GenerationBusy,
    GenerationUnknown,
    drop_generation,
    generations,
    hold_generations,
    make_generation,
    owner_at,
    require_same_migrations,
    stop_booking,
    swap_generation,
    tables_left_empty,
)
from services.ledger.shell.rebuilding.replay import (
    PUBLISHED_SECONDS_MAX,
    Progress,
    Reached,
    Replay,
    await_published,
    reached,
    silent,
)
from services.ledger.shell.service import charts_of
from services.ledger.shell.store import SCHEMA, bring_up_to_date, open_journal
from shared.contracts.books import BookMap
from shared.contracts.errors import Unavailable
from shared.runtime.kafka import KafkaAddress, end_offsets
from shared.runtime.positions import Log
from shared.runtime.postgres import Connection, Database

CLOSE_MESSAGES: Final = 5_000
ROUNDS_MAX: Final = 20
BATCH_SECONDS_MAX: Final = 10.0
STOPPED_SECONDS_MAX: Final = 20.0
READERS_WAIT_SECONDS: Final = 0.3
_BETWEEN_ATTEMPTS_SECONDS: Final = 0.3


def _nothing_reached(_: str) -> None:
    """No fault test listens."""


@dataclass(frozen=True, slots=True)
class Swapped:
    """What became of a rebuilding that was to take the place of the journal in use.

    ``kept`` is the schema of the generation from before; empty where they were not equal, and
    nothing was swapped. Booking stood still for ``stopped_seconds``.
    """

    comparison: Comparison
    kept: str
    messages: int
    stopped_seconds: float


@dataclass(slots=True)
class Beside:
    """The journal in use, and a generation beside it."""

    kafka: KafkaAddress
    owner: Connection
    in_use: Database
    schema: str
    replay: Replay

    async def compared(
        self, since: Since | None = None, *, published_seconds_max: float = PUBLISHED_SECONDS_MAX
    ) -> tuple[Comparison, Snapshot]:
        """Bring the generation to where the journal in use stands, and lay them side by side.

        Raises:
            Unavailable: Kafka or Postgres is away, the topics end before the journal does, or its
                publisher does not tell what it has booked.
            InvariantBroken: The journal was made from other topics than those that answer.
        """
        async with self.in_use.transaction("repeatable_read") as tx:
            used = await snapshot_of(tx, self.replay.log, since or Since({}, {}))
        await _require(self.kafka, used)
        await await_published(
            self.in_use,
            Reached(used.positions, used.sequences),
            seconds_max=published_seconds_max,
        )
        # So whatever the journal had booked has been published.
        used = replace(used, published=used.sequences)
        await self.replay.to(used.positions)
        async with self.in_use.transaction() as here, self.replay.shadow.transaction() as there:
            return await compare(used, here, there, messages=self.replay.messages), used

    async def come_close(self) -> None:
        """Replay until little is left to be read."""
        for _ in range(ROUNDS_MAX):
            now = await reached(self.in_use, self.replay.log)
            await await_published(self.in_use, now)
            if await self.replay.to(now.positions) < CLOSE_MESSAGES:
                break
        await self.follow_up()

    async def follow_up(self) -> None:
        """What is made from the journal after it was booked: its trees, and the heads told."""
        shadow = self.replay.shadow
        while await grow_trees(shadow):
            pass
        await learn_heads(shadow, self.kafka)


@asynccontextmanager
async def generation_beside(
    kafka: KafkaAddress,
    dsn: str,
    decider: Decider,
    *,
    onto: str = "",
    progress: Progress = silent,
) -> AsyncGenerator[Beside]:
    """A generation beside the one in use: a new one, or one that is there.

    Raises:
        GenerationBusy: Another process builds or swaps one.
        GenerationUnknown: There is no such generation.
        Unavailable: Kafka or Postgres is away.
    """
    async with AsyncExitStack() as held:
        in_use = await open_journal(dsn, connections_max=2, is_shadow=True)
        held.push_async_callback(in_use.close)
        owner = await held.enter_async_context(owner_at(dsn))
        await hold_generations(owner)
        log = await Log.ask(kafka, INPUT_TOPICS)
        if onto:
            known = {each.schema for each in await generations(owner)} - {SCHEMA}
            if onto not in known:
                raise GenerationUnknown(f"there is no generation {onto} beside the one in use")
            await bring_up_to_date(dsn, schema=onto)
        schema = onto or await make_generation(owner, dsn)
        shadow = await open_journal(dsn, schema=schema, connections_max=2, is_shadow=True)
        held.push_async_callback(shadow.close)
        books = Books(log, decider.in_force.book_map)
        replay = Replay(kafka, shadow, log, books, decider, progress)
        yield Beside(kafka, owner, in_use, schema, replay)


def decider_of(book_map: BookMap) -> Decider:
    """What the ledger in use is asked with."""
    return Decider(InForce(book_map, charts_of(book_map)))


async def rebuild_and_compare(
    kafka: KafkaAddress,
    dsn: str,
    book_map: BookMap,
    *,
    keep: bool = False,
    progress: Progress = silent,
) -> tuple[Comparison, str]:
    """Rebuild the journal and lay it beside the one in use; gives the schema's name as well.

    The schema is dropped at the end unless it is to be kept. ``progress`` is told how many
    messages were read, and of how many.

    Raises:
        GenerationBusy: Another process builds or swaps one.
        Unavailable: Kafka or Postgres is away, or the topics end before the journal does.
        InvariantBroken: The journal was made from other topics than those that answer.
    """
    async with generation_beside(kafka, dsn, decider_of(book_map), progress=progress) as beside:
        try:
            comparison, _ = await beside.compared()
            return comparison, beside.schema
        finally:
            if not keep:
                await drop_beside(beside)


async def rebuild_and_swap(
    kafka: KafkaAddress,
    dsn: str,
    book_map: BookMap,
    *,
    onto: str = "",
    keep: bool = False,
    progress: Progress = silent,
    passed: Callable[[str], None] = _nothing_reached,
) -> Swapped:
    """Rebuild the journal and, where it says the same, put it in the place of the one in use.

    ``onto`` names a generation that is there already: one from before, to go back to, or one whose
    building was broken off. One that was made and is not equal is dropped unless it is to be kept.

    Raises:
        GenerationBusy: Another process builds or swaps one, or the journal is read for too long;
            the journal in use stays.
        Unavailable: Kafka or Postgres is away; the journal in use stays.
        InvariantBroken: The journal, the log or what was published contradict one another.
    """
    async with generation_beside(
        kafka, dsn, decider_of(book_map), onto=onto, progress=progress
    ) as beside:
        swapped = None
        try:
            await require_same_migrations(beside.owner, beside.schema)
            await beside.come_close()
            passed("rebuilt")
            comparison, used = await beside.compared()
            if not comparison.is_equal:
                return Swapped(comparison, "", beside.replay.messages, 0.0)
            passed("compared")
            swapped = await _swap(beside, comparison, used, passed)
            return swapped
        finally:
            if not (onto or keep or (swapped and swapped.kept)):
                await drop_beside(beside)


async def _swap(
    beside: Beside, whole: Comparison, used: Snapshot, passed: Callable[[str], None]
) -> Swapped:
    """The last stretch, with the booking stopped: replay, compare what is new, swap."""
    owner, began = beside.owner, time.monotonic()
    async with owner.transaction():
        await stop_booking(owner, within_seconds=BATCH_SECONDS_MAX)
        stopped_at = time.monotonic()
        passed("swap_stopped")
        comparison, _ = await beside.compared(
            Since(used.positions, used.sequences), published_seconds_max=BATCH_SECONDS_MAX
        )
        await beside.follow_up()
        if left := await tables_left_empty(owner, beside.schema):
            told = f"not rebuilt: {', '.join(left)}"
            comparison = replace(comparison, differences=(*comparison.differences, told))
        if not comparison.is_equal:
            return Swapped(comparison, "", beside.replay.messages, time.monotonic() - stopped_at)
        passed("swap_compared")
        while True:
            try:
                kept = await swap_generation(
                    owner, beside.schema, readers_wait_seconds=READERS_WAIT_SECONDS
                )
                break
            except GenerationBusy:
                if time.monotonic() - began > STOPPED_SECONDS_MAX:
                    raise
            await asyncio.sleep(_BETWEEN_ATTEMPTS_SECONDS)  # bounded by the seconds above
        passed("swap_renamed")
    passed("swap_committed")
    stopped = time.monotonic() - stopped_at
    return Swapped(
        replace(whole, messages=beside.replay.messages), kept, beside.replay.messages, stopped
    )


async def drop_beside(beside: Beside) -> None:
    """Leave nothing of what was built."""
    await beside.replay.shadow.close()
    await drop_generation(beside.owner, beside.schema)


async def _require(kafka: KafkaAddress, used: Snapshot) -> None:
    end = await end_offsets(kafka, INPUT_TOPICS)
    short = [str(p) for p, at in sorted(used.positions.items()) if end.get(p, 0) < at]
    if short:
        raise Unavailable(f"the log ends before the journal does: {', '.join(short)}")
