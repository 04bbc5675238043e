"""The topic ``stripe.events`` read by place, by time, and as it comes."""

from collections import defaultdict
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import aclosing
from datetime import datetime, timedelta
from typing import Final

from services.ingest.stored_events import StoredEvent, stored_event
from shared.contracts.errors import Unreadable
from shared.contracts.topics import STRIPE_EVENTS
from shared.runtime.kafka import KafkaAddress, Partition, Record, offset_bounds, scan
from shared.runtime.kafka_live import offsets_at
from tallystick.events.selection import Place, Selection
from tallystick.spans import Span, newest_spans

# Records so near each other are read in one go rather than asked for one by one.
_GAP_MAX: Final = 200
# How far back each look goes when nobody says since when: most questions are about today.
_LOOKS: Final = (timedelta(hours=1), timedelta(days=1), timedelta(days=7), timedelta(days=30))


def event_of(record: Record) -> StoredEvent | None:
    """What a record tells of its delivery, as the index has it; ``None``: nobody's event."""
    try:
        envelope = record.envelope()
    except Unreadable:
        return None
    return stored_event(
        envelope,
        partition=record.partition,
        offset=record.offset,
        appended_at=record.appended_at,
    )


async def records_in(
    kafka: KafkaAddress, spans: Mapping[Partition, Span]
) -> AsyncGenerator[Record, None]:
    """The records of spans, in order within a partition.

    Raises:
        Unavailable: Kafka does not answer.
    """
    async with aclosing(scan(kafka, spans)) as batches:
        async for batch in batches:
            for record in batch:
                yield record


async def records_at(kafka: KafkaAddress, places: Iterable[Place]) -> dict[Place, Record]:
    """The records that stand at places; one that is not there is left out.

    Raises:
        Unavailable: Kafka does not answer.
    """
    wanted = set(places)
    first, end = await offset_bounds(kafka, [STRIPE_EVENTS])
    found: dict[Place, Record] = {}
    for spans in _rounds(wanted, first, end):
        async with aclosing(records_in(kafka, spans)) as records:
            async for record in records:
                place = Place(record.partition, record.offset)
                if place in wanted:
                    found[place] = record
    return found


def _rounds(
    wanted: Iterable[Place], first: Mapping[Partition, int], end: Mapping[Partition, int]
) -> list[dict[Partition, Span]]:
    """Spans around all places, each round with at most one span of a partition."""
    runs: dict[Partition, list[Span]] = defaultdict(list)
    for place in sorted(wanted):
        partition = Partition(STRIPE_EVENTS, place.partition)
        if not first.get(partition, 0) <= place.offset < end.get(partition, 0):
            continue
        known = runs[partition]
        if known and place.offset - known[-1][1] <= _GAP_MAX:
            known[-1] = (known[-1][0], place.offset + 1)
        else:
            known.append((place.offset, place.offset + 1))
    count = max((len(known) for known in runs.values()), default=0)
    return [{p: known[n] for p, known in runs.items() if n < len(known)} for n in range(count)]


async def spans_since(kafka: KafkaAddress, since: datetime | None) -> dict[Partition, Span]:
    """From a moment, or the beginning, to the end that the topic has now.

    Raises:
        Unavailable: Kafka does not answer.
    """
    first, end = await offset_bounds(kafka, [STRIPE_EVENTS])
    begin = first if since is None else await offsets_at(kafka, [STRIPE_EVENTS], since)
    return {p: (max(begin.get(p, 0), first[p]), end[p]) for p in end}


async def newest_of_topic(
    kafka: KafkaAddress, selection: Selection, *, now: datetime, records_max: int = 0
) -> tuple[tuple[StoredEvent, ...], int]:
    """The deliveries asked for, found by reading the topic backwards in stretches of time.

    Of the topic no more than ``records_max`` records are read, the newest of each partition (0:
    all of them); how many older ones were left unread is said beside what was found.

    Raises:
        Unavailable: Kafka does not answer.
    """
    first, end = await offset_bounds(kafka, [STRIPE_EVENTS])
    before, found = dict(end), list[StoredEvent]()
    room = records_max or sum(end.values())
    for since in _looks(selection, now):
        begin = dict(first)
        if since is not None:
            begin |= await offsets_at(kafka, [STRIPE_EVENTS], since)
        wanted = {p: (min(begin[p], before[p]), before[p]) for p in end}
        spans, unread = newest_spans(wanted, room)
        room -= sum(to - at for at, to in spans.values())
        async with aclosing(records_in(kafka, spans)) as records:
            async for record in records:
                event = event_of(record)
                if event is not None and selection.takes(event):
                    found.append(event)
        before = {p: at for p, (at, _) in spans.items()}
        if unread:
            return selection.newest(found), sum(before[p] - first[p] for p in end)
        # Of one id all deliveries are wanted, however long ago the first of them came.
        if selection.limit and not selection.event_id and len(found) >= selection.limit:
            break
    return selection.newest(found), 0


def _looks(selection: Selection, now: datetime) -> list[datetime | None]:
    if selection.since is not None:
        return [selection.since]
    return [now - look for look in _LOOKS] + [None]
