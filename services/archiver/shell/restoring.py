"""The way back: an empty broker filled from a copy, and held against it byte for byte."""

import asyncio
from collections.abc import (
    AsyncGenerator,
    Awaitable,
    Callable,
    Container,
    Iterable,
    Mapping,
    Sequence,
)
from dataclasses import dataclass, field
from typing import Final

from services.archiver.manifest import SegmentName, chosen, first_shift
from services.archiver.records import CopiedRecord
from services.archiver.segments import Lineage, Segment
from services.archiver.shell.holdings import (
    Fault,
    Verification,
    held,
    segments_of,
    verify,
)
from services.archiver.shell.on_broker import BrokerRecords, raw_of
from services.archiver.shell.resuming import RestoreRefused, already_there, require_empty
from services.archiver.shell.store import ArchiveStore
from shared.contracts.errors import InvariantBroken, Unavailable
from shared.contracts.topics import Topic
from shared.runtime.kafka_admin import create_topics, offset_bounds, topic_problems
from shared.runtime.kafka_client import KafkaAddress, Partition, patiently
from shared.runtime.kafka_exact import (
    RawRecord,
    exact_reader,
    exact_writer,
    outside_timestamps,
)

PARTITIONS_AT_ONCE: Final = 4
TOPIC_SECONDS_MAX: Final = 30.0
Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """What will be written where; ``there`` is how many of its records a partition has already."""

    names: Mapping[Lineage, list[SegmentName]]
    verified: Verification
    shifts: Mapping[Lineage, int]
    there: Mapping[Lineage, int] = field(default_factory=dict[Lineage, int])


@dataclass(slots=True)
class Restored:
    """What was written, and how it compares; ``found`` records were there already."""

    records: int = 0
    found: int = 0
    segments: int = 0
    content_bytes: int = 0
    compared: int = 0
    end_offsets: dict[Partition, int] = field(default_factory=dict[Partition, int])
    shifts: dict[str, int] = field(default_factory=dict[str, int])
    differences: list[Fault] = field(default_factory=list[Fault])


async def planned(
    store: ArchiveStore,
    kafka: KafkaAddress,
    topics: Mapping[str, Topic],
    *,
    cluster_id: str = "",
    topic_ids: Iterable[str] = (),
    accept_shifted_offsets: bool = False,
    resume: bool = False,
) -> Plan:
    """Look at everything that can be looked at before the first record is written.

    With ``resume`` the broker may have what an interrupted restore of this copy has written: each
    record of it is held against the copy.

    Raises:
        RestoreRefused: The copy is ambiguous or bad, the topics are not empty, or offsets move.
        Unavailable: The store or Kafka does not answer.
    """
    everything = await held(store)
    choice = chosen(everything, cluster_id=cluster_id, topic_ids=topic_ids)
    if choice.problem:
        raise RestoreRefused(f"{store.about}: {choice.problem}")
    names = {lineage: everything[lineage] for lineage in choice.lineages}
    for lineage in names:
        topic = topics.get(lineage.topic)
        if topic is None or lineage.partition >= topic.partitions:
            raise RestoreRefused(f"the registry has no {lineage}")
    if not resume:
        await require_empty(kafka, topics)
    verified = await verify(store, names)
    if not verified.is_sound:
        raise RestoreRefused("the copy is not sound: " + "; ".join(map(str, verified.faults)))
    shifts = {
        lineage: shift
        for lineage, headers in verified.headers.items()
        if (shift := first_shift(headers)) is not None
    }
    moved = [f"{x} from offset {n}" for x, n in shifts.items() if not topics[x.topic].compacted]
    if moved and not accept_shifted_offsets:
        raise RestoreRefused(
            f"offsets would move, and entries name their causes by offset: {', '.join(moved)}"
        )
    counts = {x: sum(h.count for h in row) for x, row in verified.headers.items()}
    there = await already_there(store, kafka, topics, names, counts) if resume else {}
    return Plan(names, verified, shifts, there)


async def restore(
    store: ArchiveStore,
    kafka: KafkaAddress,
    topics: Mapping[str, Topic],
    plan: Plan,
    *,
    progress: Progress,
) -> Restored:
    """Fill the broker, read it back, and hold it against the copy.

    Topics take outside timestamps only meanwhile, so every record has the append time that it
    had. Compacted topics are not read back: the broker may drop records of theirs at any time.

    Raises:
        Unavailable: The store or Kafka went away: the broker is half full. Plan again, to resume.
        InvariantBroken: A topic does not come out as the registry says.
    """
    await create_topics(kafka, topics.values())
    names = sorted(topics)
    found = Restored(
        found=sum(plan.there.values()), shifts={str(x): n for x, n in sorted(plan.shifts.items())}
    )
    wanted = plan.verified.records - found.found
    await outside_timestamps(kafka, names, allowed=True)
    try:
        async with exact_writer(kafka, client_id="restore") as writer:

            async def fill(lineage: Lineage) -> None:
                where = Partition(lineage.topic, lineage.partition)
                async for segment, raws in _still_to_write(store, plan, lineage):
                    offsets = await writer.write(where, raws)
                    if lineage not in plan.shifts and offsets != [raw.offset for raw in raws]:
                        raise InvariantBroken(f"{where} was written by somebody else meanwhile")
                    found.segments += 1
                    found.records += len(raws)
                    found.content_bytes += len(segment.content)
                    progress(f"written: {found.records:,} of {wanted:,} records")

            await _some_at_once(fill, plan.names)
    finally:
        await outside_timestamps(kafka, names, allowed=False)
    await patiently(
        lambda: _require_as_registered(kafka, topics),
        what="topics",
        give_up_after_seconds=TOPIC_SECONDS_MAX,
    )
    found.differences, found.compared = await compared(
        store,
        kafka,
        {x: row for x, row in plan.names.items() if not topics[x.topic].compacted},
        shifted=set(plan.shifts),
        progress=progress,
    )
    found.end_offsets = (await offset_bounds(kafka, names))[1]
    return found


async def _still_to_write(
    store: ArchiveStore, plan: Plan, lineage: Lineage
) -> AsyncGenerator[tuple[Segment, list[RawRecord]], None]:
    """The segments of a partition with what of their records the broker does not have yet."""
    there = plan.there.get(lineage, 0)
    async for segment in segments_of(store, plan.names[lineage]):
        count = segment.head.header.count
        if there < count or not count:
            yield segment, [raw_of(record) for record in segment.records()][there:]
        there = max(there - count, 0)


async def compared(
    store: ArchiveStore,
    kafka: KafkaAddress,
    names: Mapping[Lineage, list[SegmentName]],
    *,
    shifted: Container[Lineage] = (),
    progress: Progress,
) -> tuple[list[Fault], int]:
    """Hold what the broker has against the segments, record by record.

    Gives the first difference of each partition, and how many segments were compared. Of a
    shifted partition all but the offsets is compared.

    Raises:
        ArchiveBroken: A segment is not what it says.
        Unavailable: The store or Kafka does not answer.
    """
    faults: list[Fault] = []
    done = 0

    async def one(lineage: Lineage) -> None:
        nonlocal done
        where = Partition(lineage.topic, lineage.partition)
        is_shifted = lineage in shifted
        at = 0 if is_shifted else names[lineage][0].begins_at
        async with exact_reader(kafka, {where: at}, client_id="compare") as reader:
            there = BrokerRecords(reader, where)
            async for segment in segments_of(store, names[lineage]):
                header = segment.head.header
                problem = _difference(
                    segment.records(), await there.take(header.count), is_shifted=is_shifted
                )
                if problem:
                    name = SegmentName(lineage, header.begins_at)
                    faults.append(Fault(str(name), problem))
                    return
                done += 1
                progress(f"compared with the broker: {done:,} segments")

    await _some_at_once(one, names)
    return sorted(faults, key=str), done


def _difference(
    copied: Sequence[CopiedRecord], there: Sequence[RawRecord], *, is_shifted: bool
) -> str:
    if len(there) < len(copied):
        return f"the broker has {len(there)} of its {len(copied)} records"
    for record, found in zip(copied, there, strict=True):
        expected = raw_of(record)
        if expected != (found._replace(offset=record.offset) if is_shifted else found):
            return f"the broker has something else at offset {found.offset}"
    return ""


async def _require_as_registered(kafka: KafkaAddress, topics: Mapping[str, Topic]) -> None:
    if problems := await topic_problems(kafka, topics.values()):
        raise Unavailable("; ".join(problems))


async def _some_at_once(
    act: Callable[[Lineage], Awaitable[None]], lineages: Iterable[Lineage]
) -> None:
    """Do it for each, a few at a time; the first failure is raised when all have ended."""
    free = asyncio.Semaphore(PARTITIONS_AT_ONCE)
    failed = False

    async def one(lineage: Lineage) -> None:
        nonlocal failed
        async with free:
            if not failed:
                try:
                    await act(lineage)
                except BaseException:
                    failed = True
                    raise

    done = await asyncio.gather(*(one(x) for x in sorted(lineages)), return_exceptions=True)
    if failures := [each for each in done if each is not None]:
        raise failures[0]
