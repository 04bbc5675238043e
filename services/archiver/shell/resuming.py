"""A restore that was interrupted: what of it the broker has, each record held against the copy.

A restore writes each partition from its beginning, in order, and nobody else writes meanwhile; so
what is there is the beginning of the copy, or it is somebody else's and nothing is touched.
"""

from collections.abc import Mapping
from typing import Final

from services.archiver.manifest import SegmentName
from services.archiver.segments import Lineage
from services.archiver.shell.holdings import segments_of
from services.archiver.shell.on_broker import BrokerRecords, raw_of
from services.archiver.shell.store import ArchiveStore
from shared.contracts.errors import Refused
from shared.contracts.topics import Topic
from shared.runtime.kafka_admin import cluster_id, offset_bounds
from shared.runtime.kafka_client import KafkaAddress, Partition
from shared.runtime.kafka_exact import exact_reader

_AT_ONCE: Final = 500


class RestoreRefused(Refused):
    """The copy or the broker is not one that a restore may work with."""

    reason = "nothing was written"


async def require_empty(kafka: KafkaAddress, topics: Mapping[str, Topic]) -> None:
    """Refuse a broker that has a record in one of the topics.

    Raises:
        RestoreRefused: It has one.
    """
    _, end = await offset_bounds(kafka, topics)
    if full := sorted({where.topic for where, offset in end.items() if offset > 0}):
        raise RestoreRefused(
            f"the broker is not empty: {', '.join(full)}; what an interrupted restore of this copy"
            " left there is gone on with by --resume"
        )


async def already_there(
    store: ArchiveStore,
    kafka: KafkaAddress,
    topics: Mapping[str, Topic],
    names: Mapping[Lineage, list[SegmentName]],
    counts: Mapping[Lineage, int],
) -> dict[Lineage, int]:
    """How many of the copy's records each partition has, from its beginning; all were looked at.

    Where every partition has all of them, others may stand behind: services have been started.

    Raises:
        RestoreRefused: The broker is the one that was copied, or has what no restore has written.
        Unavailable: The store or Kafka does not answer.
    """
    first, end = await offset_bounds(kafka, topics)
    if not any(end.values()):
        return {}
    if await cluster_id(kafka) in {lineage.cluster_id for lineage in names}:
        raise RestoreRefused("the broker is the one that the copy was made of")
    by_place = {Partition(x.topic, x.partition): x for x in names}
    if strange := sorted(str(p) for p, at in end.items() if at and p not in by_place):
        raise RestoreRefused(f"the copy has nothing of {', '.join(strange)}, and the broker has")
    is_whole = all(end[p] >= counts.get(x, 0) for p, x in by_place.items())
    found: dict[Lineage, int] = {}
    for place, lineage in sorted(by_place.items()):
        copied = counts.get(lineage, 0)
        if end[place] > copied and not is_whole:
            raise RestoreRefused(f"{place} has {end[place]} records, and the copy {copied} of it")
        found[lineage] = min(end[place], copied)
        await _require_the_same(
            store,
            kafka,
            names[lineage],
            span=(first[place], found[lineage]),
            may_lack=topics[place.topic].compacted,
        )
    return found


async def _require_the_same(
    store: ArchiveStore,
    kafka: KafkaAddress,
    names: list[SegmentName],
    *,
    span: tuple[int, int],
    may_lack: bool,
) -> None:
    """Hold the first records of a partition against the first of its copy.

    A restore gives out offsets from 0 on without a gap, so the offset is the place in the copy,
    also where it was another one before. The broker may drop records of a compacted topic.
    """
    lineage = names[0].lineage
    place = Partition(lineage.topic, lineage.partition)
    begin, end = span
    if begin and not may_lack:
        raise RestoreRefused(f"{place} begins at offset {begin}")
    if begin >= end:
        return
    async with exact_reader(kafka, {place: begin}, client_id="resume") as reader:
        there = BrokerRecords(reader, place)
        upcoming = await there.take(1)
        at = 0
        async for segment in segments_of(store, names):
            for record in segment.records():
                if at >= end:
                    return
                expected = raw_of(record)
                if upcoming and upcoming[0].offset == at:
                    if upcoming[0]._replace(offset=expected.offset) != expected:
                        raise RestoreRefused(f"{place} has something else at offset {at}")
                    upcoming = upcoming[1:] or await there.take(_AT_ONCE)
                elif not may_lack:
                    raise RestoreRefused(f"{place} has nothing at offset {at}")
                at += 1
