"""How old the copy of the topics is: what of each partition is not in it yet, and since when."""

import asyncio
import time
from dataclasses import dataclass
from typing import Final

from services.archiver.segments import Head, Lineage
from services.archiver.shell.holdings import last_heads
from services.archiver.shell.store import ArchiveStore
from shared.contracts.topics import TOPICS
from shared.runtime.kafka_admin import cluster_id, offset_bounds, topic_ids
from shared.runtime.kafka_client import KafkaAddress, Partition
from shared.runtime.kafka_exact import exact_reader

AGE_SECONDS_MAX: Final = 3_600
FIRST_RECORDS_SECONDS_MAX: Final = 10.0
READ_WAIT_MS: Final = 200


@dataclass(frozen=True, slots=True)
class PartitionCopy:
    """One partition: what the copy has of it, and what the broker has.

    Attributes:
        copied: The copy has everything before this offset.
        begins_at: The first offset that the broker still has.
        sealed_at: When its last segment was sealed; empty without one.
        oldest_seconds: The age of the oldest record that is not in the copy; ``None`` without one.
    """

    where: Partition
    copied: int
    begins_at: int
    ends_before: int
    sealed_at: str
    oldest_seconds: float | None

    @property
    def uncopied(self) -> int:
        """How many offsets the copy does not have yet."""
        return max(0, self.ends_before - max(self.copied, self.begins_at))

    @property
    def lost(self) -> int:
        """How many offsets the broker has dropped before they were copied."""
        return max(0, self.begins_at - self.copied)

    @property
    def is_ahead(self) -> bool:
        """Whether the copy has what the broker has not: records were lost there."""
        return self.copied > self.ends_before


@dataclass(frozen=True, slots=True)
class CopyStatus:
    """The copy of one cluster."""

    place: str
    cluster_id: str
    partitions: tuple[PartitionCopy, ...]

    @property
    def uncopied(self) -> int:
        """How many offsets of all partitions the copy does not have yet."""
        return sum(each.uncopied for each in self.partitions)

    @property
    def oldest_seconds(self) -> float:
        """The age of the oldest record that is not in the copy; 0 when all are."""
        return max((each.oldest_seconds or 0.0 for each in self.partitions), default=0.0)

    @property
    def has_any(self) -> bool:
        """Whether there is a copy at all."""
        return any(each.sealed_at for each in self.partitions)

    def problems(self, *, age_seconds_max: float = AGE_SECONDS_MAX) -> list[str]:
        """What is wrong, one sentence each."""
        found = [
            f"{each.where}: the broker dropped {each.lost} offsets before they were copied"
            for each in self.partitions
            if each.lost
        ]
        found += [
            f"{each.where}: the copy goes to {each.copied}, the broker only to {each.ends_before}"
            for each in self.partitions
            if each.is_ahead
        ]
        if self.oldest_seconds > age_seconds_max:
            found.append(
                f"{self.uncopied:,} records are not copied, the oldest for"
                f" {self.oldest_seconds / 60:,.0f} minutes"
            )
        return found


async def copy_status(store: ArchiveStore, kafka: KafkaAddress) -> CopyStatus:
    """How the copy stands to the broker now.

    Raises:
        ArchiveBroken: The last segment of a chain is not what it says.
        Unavailable: The store or Kafka does not answer, or topics are missing.
    """
    cluster = await cluster_id(kafka)
    ids = await topic_ids(kafka, TOPICS)
    first, end = await offset_bounds(kafka, TOPICS)
    heads = await last_heads(store, cluster)
    at: dict[Partition, Head | None] = {
        p: heads.get(Lineage(cluster, p.topic, ids[p.topic], p.partition)) for p in sorted(end)
    }
    copied = {p: 0 if head is None else head.header.ends_before for p, head in at.items()}
    oldest = await _first_timestamps(
        kafka, {p: max(copied[p], first[p]) for p in at if max(copied[p], first[p]) < end[p]}
    )
    now_ms = time.time() * 1000
    return CopyStatus(
        store.about,
        cluster,
        tuple(
            PartitionCopy(
                where=p,
                copied=copied[p],
                begins_at=first[p],
                ends_before=end[p],
                sealed_at="" if head is None else head.header.sealed_at,
                oldest_seconds=max(0.0, (now_ms - oldest[p]) / 1000) if p in oldest else None,
            )
            for p, head in at.items()
        ),
    )


async def _first_timestamps(
    kafka: KafkaAddress, positions: dict[Partition, int]
) -> dict[Partition, int]:
    """The timestamp of the first record from each position, where one comes in good time."""
    found: dict[Partition, int] = {}
    if not positions:
        return found
    async with exact_reader(kafka, positions, client_id="archive-status") as reader:
        clock = asyncio.get_running_loop()
        deadline = clock.time() + FIRST_RECORDS_SECONDS_MAX
        asked = set(positions)
        while asked and clock.time() < deadline:
            for where, raws in (await reader.more(wait_ms=READ_WAIT_MS, records_max=500)).items():
                found.setdefault(where, raws[0].timestamp_ms)
                reader.leave(where)
                asked.discard(where)
            # What is left may be a transaction's marker alone, which is no record.
            for where in sorted(asked):
                if reader.is_at_end(where, await reader.position(where)):
                    asked.discard(where)
    return found
