"""The loop: read what the partitions have, seal what is due, put it in the store.

Where to go on is asked from the store at each start and after each failure; nothing is
remembered elsewhere. So a process that is killed at any moment leaves the copy whole.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from services.archiver.manifest import SegmentName
from services.archiver.records import CopiedRecord
from services.archiver.sealing import OpenStretch, SealingRules, due
from services.archiver.segments import GENESIS, Compression, Lineage, sealed
from services.archiver.shell import measures
from services.archiver.shell.holdings import last_heads
from services.archiver.shell.store import AlreadyThere, ArchiveStore
from shared.contracts.envelope import rfc3339
from shared.contracts.errors import InvariantBroken, Unavailable
from shared.runtime import log
from shared.runtime.kafka_admin import cluster_id, offset_bounds, topic_ids
from shared.runtime.kafka_client import (
    RETRY_SECONDS_FIRST,
    RETRY_SECONDS_MAX,
    KafkaAddress,
    Partition,
)
from shared.runtime.kafka_exact import ExactReader, exact_reader
from shared.runtime.lifecycle import pause
from shared.runtime.metrics import Health

HEALTH: Final = "copying"
BEAT_SECONDS_MAX: Final = 120.0
READ_WAIT_MS: Final = 500
READ_RECORDS_MAX: Final = 2_000
PUTS_AT_ONCE: Final = 8
_log = log.get(__name__)


def now_ms() -> int:
    """The time in milliseconds, as Kafka counts it."""
    return time.time_ns() // 1_000_000


class TopicMadeAnew(Unavailable):
    """A topic was deleted and made again while it was read: what is in hand is of neither."""


@dataclass(slots=True)
class Standing:
    """Where the copy of each partition stands while it goes on."""

    lineages: dict[Partition, Lineage]
    links: dict[Lineage, str]
    open: dict[Lineage, OpenStretch] = field(default_factory=dict[Lineage, OpenStretch])

    def positions(self) -> dict[Partition, int]:
        """The offsets to read from."""
        return {p: self.open[lineage].ends_before for p, lineage in self.lineages.items()}


@dataclass(slots=True)
class Copier:
    """Copies topics until asked to stop, and then seals what is in hand."""

    kafka: KafkaAddress
    topics: tuple[str, ...]
    store: ArchiveStore
    rules: SealingRules
    compression: Compression
    health: Health
    clock_ms: Callable[[], int] = now_ms

    async def run(self, stop: asyncio.Event) -> None:
        """The loop; a store or a broker that is away is waited for.

        Raises:
            InvariantBroken: The copy has more than the broker: records were lost there.
            ArchiveBroken: The last segment of a chain cannot be built on.
        """
        self.health.not_ready(HEALTH, "not copied yet")
        if left := await self._tidied():
            _log.info("store.tidied", files=left)
        backoff = RETRY_SECONDS_FIRST
        while not stop.is_set():
            try:
                await self._copy_until(stop)
            except (Unavailable, AlreadyThere) as error:
                if HEALTH not in self.health.reasons:
                    backoff = RETRY_SECONDS_FIRST
                self.health.not_ready(HEALTH, str(error))
                self.health.beat(HEALTH, next_within_seconds=BEAT_SECONDS_MAX)
                _log.warning("copying.waited", reason=str(error), seconds=backoff)
                await pause(stop, backoff)
                backoff = min(backoff * 2, RETRY_SECONDS_MAX)

    async def _tidied(self) -> int:
        try:
            return await self.store.tidy()
        except Unavailable:
            return 0  # the loop says it, and waits

    async def _copy_until(self, stop: asyncio.Event) -> None:
        standing = await self._standing()
        async with exact_reader(self.kafka, standing.positions(), client_id="archiver") as reader:
            while not stop.is_set():
                caught_up = await self._read(reader, standing)
                await self._seal(standing, caught_up, is_last=False)
                self.health.ready(HEALTH)
                self.health.beat(HEALTH, next_within_seconds=BEAT_SECONDS_MAX)
            await self._seal(standing, frozenset(), is_last=True)

    async def _standing(self) -> Standing:
        """Where each partition goes on, as the store tells it."""
        cluster = await cluster_id(self.kafka)
        ids = await topic_ids(self.kafka, self.topics)
        first, end = await offset_bounds(self.kafka, self.topics)
        heads = await last_heads(self.store, cluster)
        standing = Standing({}, {})
        for where in sorted(end):
            lineage = Lineage(cluster, where.topic, ids[where.topic], where.partition)
            head = heads.get(lineage)
            at = 0 if head is None else head.header.ends_before
            if at > end[where]:
                raise InvariantBroken(
                    f"{where} ends at {end[where]}, and {at} of it were copied: "
                    "the broker has lost records"
                )
            if at < first[where]:
                _log.error("offsets.lost", partition=str(where), begins_at=at, until=first[where])
                measures.LOST_OFFSETS.labels(where.topic).inc(first[where] - at)
            standing.lineages[where] = lineage
            standing.links[lineage] = GENESIS if head is None else head.link
            begins_at = max(at, first[where])
            standing.open[lineage] = OpenStretch(begins_at, begins_at)
        return standing

    async def _read(self, reader: ExactReader, standing: Standing) -> frozenset[Lineage]:
        """Take in what came; gives the partitions of which nothing more is there."""
        found = await reader.more(wait_ms=READ_WAIT_MS, records_max=READ_RECORDS_MAX)
        at = self.clock_ms()
        caught_up: set[Lineage] = set()
        for where, lineage in standing.lineages.items():
            position = await reader.position(where)
            records = [CopiedRecord(*raw) for raw in found.get(where, ())]
            if records or position > standing.open[lineage].ends_before:
                standing.open[lineage].take(records, up_to=position, now_ms=at)
            if reader.is_at_end(where, position):
                caught_up.add(lineage)
        return frozenset(caught_up)

    async def _seal(
        self, standing: Standing, caught_up: frozenset[Lineage], *, is_last: bool
    ) -> None:
        ready = due(
            standing.open,
            self.rules,
            now_ms=self.clock_ms(),
            caught_up=caught_up,
            is_last=is_last,
        )
        if ready:
            await self._require_same_topics(ready)
        free = asyncio.Semaphore(PUTS_AT_ONCE)

        async def one(lineage: Lineage) -> None:
            async with free:
                await self._put(standing, lineage)

        # All have come to their end before a failure is told: none may go on behind a new start.
        done = await asyncio.gather(*(one(lineage) for lineage in ready), return_exceptions=True)
        self._measure(standing.open)
        if failures := [each for each in done if each is not None]:
            raise failures[0]

    async def _require_same_topics(self, lineages: Iterable[Lineage]) -> None:
        there = await topic_ids(self.kafka, self.topics)
        for lineage in lineages:
            if there[lineage.topic] != lineage.topic_id:
                raise TopicMadeAnew(f"{lineage.topic} was deleted and made anew")

    async def _put(self, standing: Standing, lineage: Lineage) -> None:
        stretch = standing.open[lineage]
        # Packing takes the processor: on a thread, so that health and the broker are answered.
        head, data = await asyncio.to_thread(
            sealed,
            lineage,
            stretch.stretch(),
            previous=standing.links[lineage],
            sealed_at=rfc3339(datetime.now(UTC)),
            compression=self.compression,
        )
        await self.store.create(str(SegmentName(lineage, stretch.begins_at)), data)
        standing.links[lineage] = head.link
        standing.open[lineage] = stretch.successor()
        measures.SEGMENTS.labels(lineage.topic).inc()
        measures.RECORDS.labels(lineage.topic).inc(head.header.count)
        measures.CONTENT_BYTES.labels(lineage.topic).inc(head.header.content_bytes)
        measures.STORED_BYTES.labels(lineage.topic).inc(len(data))
        _log.info(
            "segment.sealed",
            partition=str(lineage),
            begins_at=head.header.begins_at,
            ends_before=head.header.ends_before,
            records=head.header.count,
            stored_bytes=len(data),
        )

    def _measure(self, stretches: Mapping[Lineage, OpenStretch]) -> None:
        measures.BUFFERED_BYTES.set(sum(s.size_bytes for s in stretches.values()))
        times = [s.first.timestamp_ms for s in stretches.values() if s.first is not None]
        oldest_seconds = (self.clock_ms() - min(times)) / 1000 if times else 0
        measures.OLDEST_SECONDS.set(max(0, oldest_seconds))
