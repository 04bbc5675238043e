"""From the journal to the topics that tell of it. The journal is the outbox.

    entries        in the order of their sequence, per origin
    all else       outcomes and dead letters of the messages before an offset
    progress       only after both: that offset, and the last sequence before it

What is published is noted in the transaction that holds the origin, after the acknowledgements.
A crash between the two repeats records and never leaves one out.
"""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from services.ledger.shell import measures
from services.ledger.shell.booking.rows import Columns
from services.ledger.shell.failpoints import Failpoint, Failpoints
from services.ledger.shell.queries import SQL
from services.ledger.shell.tails import check_published_chains
from services.ledger.shell.wire import (
    dead_letter_publication,
    entry_publication,
    outcome_publication,
    progress_publication,
)
from shared.contracts.errors import InvariantBroken, Unavailable
from shared.runtime import log
from shared.runtime.kafka import Partition, Publication, Publisher
from shared.runtime.kafka_client import RETRY_SECONDS_FIRST, RETRY_SECONDS_MAX
from shared.runtime.lifecycle import pause
from shared.runtime.metrics import Health
from shared.runtime.postgres import Database, Tx

HEALTH: Final = "publisher"
BEAT_SECONDS_MAX: Final = 120.0
ORIGINS_MAX: Final = 16
BUILT_AT_ONCE: Final = 50
# Of all origins together: what a publication holds in memory at once.
RECORDS_AT_ONCE: Final = 4_000
# Fewer in one publication are a stream, or one alone: what follows is gathered for a moment.
GATHERED_BELOW: Final = 100
GATHER_SECONDS: Final = 0.05
DEAD_LETTER_BYTES_MAX: Final = 8 * 1024 * 1024
_logger = log.get(__name__)


@dataclass(slots=True)
class _Due:
    """An origin with something to publish, and how far this publication takes it.

    ``sequence`` and ``next_offset`` begin as those of the journal, of one snapshot. Where a bound
    keeps part of it for the next time, ``next_offset`` comes back and the origin is ``partial``.
    """

    origin_id: int
    where: Partition
    published_sequence: int
    published_offset: int
    sequence: int
    next_offset: int
    has_outcomes: bool
    has_dead_letters: bool
    is_partial: bool = False
    entries: list[Columns] = field(default_factory=list[Columns])
    rest: list[tuple[int, Publication]] = field(default_factory=list[tuple[int, Publication]])

    def up_to_offset(self, before: int) -> None:
        """Leave what the messages from an offset on have caused for the next time."""
        if before < self.next_offset:
            self.next_offset = max(before, self.published_offset)
            self.is_partial = True


@dataclass(slots=True)
class JournalPublisher:
    """Publishes what stands in the journal and has not been published."""

    database: Database
    publisher: Publisher
    health: Health
    failpoints: Failpoints
    booked: asyncio.Event
    records_max: int = 1_000
    interval_seconds: float = 0.5
    timeout_seconds: float = 20.0
    is_chain_checked: bool = False
    _turn: int = 0

    async def run(self, stop: asyncio.Event) -> None:
        """Publish until asked to stop; then what is committed is published once more.

        Raises:
            InvariantBroken: The journal has no entry that it must have.
        """
        backoff = RETRY_SECONDS_FIRST
        while True:
            self.health.beat(HEALTH, next_within_seconds=BEAT_SECONDS_MAX)
            is_last = stop.is_set()
            self.booked.clear()
            try:
                published = await self.publish_due()
            except Unavailable as error:
                if is_last:
                    return
                self.health.not_ready(HEALTH, str(error))
                _logger.warning("publisher.waited", reason=str(error), seconds=backoff)
                await pause(stop, backoff)
                backoff = min(backoff * 2, RETRY_SECONDS_MAX)
                continue
            self.health.ready(HEALTH)
            backoff = RETRY_SECONDS_FIRST
            if is_last:
                return
            if not published:
                await self._wait(stop)
            elif published < GATHERED_BELOW:
                # One that stands alone is out by now. Of a stream, each publication would else
                # hold few, and what they cost is taken from whoever books.
                await pause(stop, GATHER_SECONDS)

    async def _wait(self, stop: asyncio.Event) -> None:
        """Until something is booked here, or it is time to look for what others have booked."""
        waits = [asyncio.create_task(e.wait()) for e in (self.booked, stop)]
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self.interval_seconds):
                    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    async def publish_due(self) -> int:
        """Publish what is due, up to a bound, and give how many records went out.

        Raises:
            Unavailable: Kafka or Postgres is away; nothing is noted as published.
        """
        async with self.database.transaction() as tx:
            if not self.is_chain_checked:
                self.is_chain_checked = await check_published_chains(tx)
            due = [_due(row) for row in await tx.fetch(SQL["due_origins"], ORIGINS_MAX, self._turn)]
            if not due:
                return 0
            self._turn = due[-1].origin_id
            entries = await self._entries(tx, due)
            rest = await self._rest(tx, due)
            self.failpoints.reached(Failpoint.BEFORE_PUBLISH)
            await self._publish(entries)
            await self._publish(rest)
            self.failpoints.reached(Failpoint.AFTER_PUBLISH)
            await _note(tx, due)
        return len(entries) + len(rest)

    async def _publish(self, records: Sequence[Publication]) -> None:
        await self.publisher.publish_all(records, self.timeout_seconds)
        for record in records:
            measures.PUBLISHED.labels(record.topic).inc()

    async def _entries(self, tx: Tx, due: Sequence[_Due]) -> list[Publication]:
        share = min(self.records_max, max(1, RECORDS_AT_ONCE // len(due)))
        spans = {
            each.origin_id: min(each.sequence, each.published_sequence + share) for each in due
        }
        arguments = (
            [each.origin_id for each in due],
            [each.published_sequence for each in due],
            list(spans.values()),
        )
        by_origin = {each.origin_id: each for each in due}
        for row in await tx.fetch(SQL["entries_between"], *arguments):
            by_origin[row["origin_id"]].entries.append(row)
        legs: defaultdict[tuple[int, int], list[Columns]] = defaultdict(list)
        for row in await tx.fetch(SQL["postings_between"], *arguments):
            legs[row["origin_id"], row["sequence"]].append(row)
        found: list[Publication] = []
        for each in due:
            up_to = spans[each.origin_id]
            if len(each.entries) != max(0, up_to - each.published_sequence):
                raise InvariantBroken(
                    f"{each.where}: the journal has {len(each.entries)} entries after sequence "
                    f"{each.published_sequence} and up to {up_to}"
                )
            _check_passed(each)
            if up_to < each.sequence:
                # The last one's message may have more entries.
                each.up_to_offset(each.entries[-1]["caused_offset"])
            for booked in each.entries:
                postings = legs[each.origin_id, booked["sequence"]]
                found.append(entry_publication(booked, postings, each.where))
                if len(found) % BUILT_AT_ONCE == 0:
                    # The projector, health and the group's heartbeat live on the same loop.
                    await asyncio.sleep(0)  # lets them go first
        return found

    async def _rest(self, tx: Tx, due: Sequence[_Due]) -> list[Publication]:
        """Outcomes, dead letters, and the progress that all of them make."""
        by_origin = {each.origin_id: each for each in due}
        if outspoken := [each for each in due if each.has_outcomes]:
            await self._outcomes(tx, by_origin, self._span(outspoken))
        if parking := [each for each in due if each.has_dead_letters]:
            await self._dead_letters(tx, by_origin, self._span(parking))
        return await _with_progress(tx, due)

    def _span(self, due: Sequence[_Due]) -> tuple[object, ...]:
        return (
            [each.origin_id for each in due],
            [each.published_offset for each in due],
            [each.next_offset for each in due],
            self.records_max,
        )

    async def _outcomes(
        self, tx: Tx, by_origin: Mapping[int, _Due], arguments: tuple[object, ...]
    ) -> None:
        """What was not simply booked, bounded in number."""
        last: dict[int, tuple[int, int]] = {}
        for row in await tx.fetch(SQL["outcomes_between"], *arguments):
            each, offset = by_origin[row["origin_id"]], row["caused_offset"]
            each.rest.append((offset, outcome_publication(row, each.where)))
            last[each.origin_id] = (last.get(each.origin_id, (0, 0))[0] + 1, offset)
        for origin_id, (count, offset) in last.items():
            if count >= self.records_max:
                by_origin[origin_id].up_to_offset(offset + 1)

    async def _dead_letters(
        self, tx: Tx, by_origin: Mapping[int, _Due], arguments: tuple[object, ...]
    ) -> None:
        """Parked records, bounded in number and, since each may be large, in bytes."""
        last: dict[int, tuple[int, int, int]] = {}
        for row in await tx.fetch(SQL["dead_letters_between"], *arguments, DEAD_LETTER_BYTES_MAX):
            each, offset = by_origin[row["origin_id"]], row["caused_offset"]
            each.rest.append((offset, dead_letter_publication(row, each.where)))
            count, size, _ = last.get(each.origin_id, (0, 0, 0))
            last[each.origin_id] = (count + 1, size + len(row["record_value"]), offset)
        for origin_id, (count, size, offset) in last.items():
            if count >= self.records_max or size >= DEAD_LETTER_BYTES_MAX:
                by_origin[origin_id].up_to_offset(offset + 1)


def _check_passed(each: _Due) -> None:
    """An entry of a message whose entries were all published before was put in by somebody else.

    Raises:
        InvariantBroken: The next entry is such a one; it must never be published, nor signed.
    """
    if each.entries and each.entries[0]["caused_offset"] < each.published_offset:
        raise InvariantBroken(
            f"{each.where}: entry {each.entries[0]['sequence']} is of offset"
            f" {each.entries[0]['caused_offset']}, and all entries of the messages before"
            f" {each.published_offset} were published without it"
        )


async def _with_progress(tx: Tx, due: Sequence[_Due]) -> list[Publication]:
    partial = [each for each in due if each.is_partial]
    sequences: dict[int, int] = {each.origin_id: 0 for each in partial}
    if partial:
        for row in await tx.fetch(
            SQL["sequences_before"],
            [each.origin_id for each in partial],
            [each.next_offset for each in partial],
        ):
            sequences[row["origin_id"]] = row["sequence"]
    found: list[Publication] = []
    at = datetime.now(UTC)
    for each in due:
        found.extend(record for offset, record in each.rest if offset < each.next_offset)
        if each.next_offset > each.published_offset:
            sequence = sequences[each.origin_id] if each.is_partial else each.sequence
            found.append(
                progress_publication(
                    each.where, next_offset=each.next_offset, sequence=sequence, at=at
                )
            )
    return found


def _due(row: Columns) -> _Due:
    return _Due(
        origin_id=row["origin_id"],
        where=Partition(row["topic"], row["partition"]),
        published_sequence=row["published_sequence"],
        published_offset=row["published_offset"],
        sequence=row["sequence"],
        next_offset=row["next_offset"],
        has_outcomes=row["has_outcomes"],
        has_dead_letters=row["has_dead_letters"],
    )


async def _note(tx: Tx, due: Sequence[_Due]) -> None:
    """Write down how far each origin has been published."""
    await tx.execute(
        SQL["move_published"],
        [each.origin_id for each in due],
        [each.published_sequence + len(each.entries) for each in due],
        [each.entries[-1]["chain"] if each.entries else None for each in due],
        [max(each.next_offset, each.published_offset) for each in due],
    )
