"""Deliveries found by the index, its lag filled up from the topic; by the topic alone without."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import asyncpg

from services.ingest.stored_events import Form, StoredEvent, Via
from shared.contracts.errors import Unavailable
from shared.contracts.topics import STRIPE_EVENTS
from shared.runtime.kafka import Partition, offset_bounds
from shared.runtime.positions import Log
from shared.runtime.postgres import Tx, load_queries
from shared.runtime.settings import Settings
from tallystick.events.selection import Selection
from tallystick.events.topic import event_of, newest_of_topic, records_in
from tallystick.published_views import published_views
from tallystick.spans import newest_spans

SCHEMA: Final = "ingest_read"
ROLE: Final = "ingest_reader"
# So much that the index has not read yet is read from the topic; above that, only the newest.
LAG_RECORDS_MAX: Final = 20_000
# So much of the topic is read where there is no index, unless all of it is asked for.
TOPIC_RECORDS_MAX: Final = 100_000
_SQL: Final = load_queries(Path(__file__).parent / "sql")
_ALL: Final = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Found:
    """Deliveries, the newest first, and what a reader must know about how they were found.

    ``unread`` records of the topic nobody has looked at: more of what is asked for may be there.
    """

    events: tuple[StoredEvent, ...]
    notes: tuple[str, ...] = ()
    unread: int = 0


@dataclass(frozen=True, slots=True)
class _Indexed:
    events: tuple[StoredEvent, ...]
    next_offsets: Mapping[Partition, int]
    made_from: frozenset[tuple[str, str]]


async def found(
    settings: Settings, selection: Selection, *, now: datetime, is_bounded: bool = True
) -> Found:
    """The deliveries asked for; what the index has not read yet is read from the topic.

    Without an index the topic itself is read backwards: no further than to its newest 100,000
    records where that ``is_bounded`` and nobody says since when.

    Raises:
        Unavailable: Neither the index nor the topic can be read.
    """
    try:
        indexed = await _indexed(settings, selection)
    except Unavailable as error:
        why = f"the index cannot be read ({error})"
        return await _of_the_topic(settings, selection, why, now=now, is_bounded=is_bounded)
    try:
        log = await Log.ask(settings.kafka, [STRIPE_EVENTS])
        first, end = await offset_bounds(settings.kafka, [STRIPE_EVENTS])
    except Unavailable as error:
        note = f"how far the index is behind the topic is not known: {error}"
        return Found(indexed.events, (note,))
    if indexed.made_from - {(log.cluster_id, log.topic_ids[STRIPE_EVENTS])}:
        why = "the index was made from another cluster or topic"
        return await _of_the_topic(settings, selection, why, now=now, is_bounded=is_bounded)
    spans = {p: (max(indexed.next_offsets.get(p, 0), first[p]), end[p]) for p in end}
    return await _with_lag(settings, selection, indexed.events, spans)


async def _of_the_topic(
    settings: Settings, selection: Selection, why: str, *, now: datetime, is_bounded: bool
) -> Found:
    """What is found without an index."""
    records_max = TOPIC_RECORDS_MAX if is_bounded and selection.since is None else 0
    events, unread = await newest_of_topic(
        settings.kafka, selection, now=now, records_max=records_max
    )
    note = f"{why}: the topic itself was read"
    if unread:
        note += (
            f", its newest {records_max} records; the {unread} before them were left out"
            " (--since reads as far back as you say)"
        )
    return Found(events, (note,), unread)


async def _with_lag(
    settings: Settings,
    selection: Selection,
    events: tuple[StoredEvent, ...],
    spans: Mapping[Partition, tuple[int, int]],
) -> Found:
    behind = sum(max(end - at, 0) for at, end in spans.values())
    if behind == 0:
        return Found(events)
    read, unread = newest_spans(spans, LAG_RECORDS_MAX)
    fresh = [event_of(record) async for record in records_in(settings.kafka, read)]
    note = f"the index stands {behind} records behind; they were read from the topic"
    if unread:
        note = (
            f"the index stands {behind} records behind; the oldest {unread} of them were left out,"
            " the others were read from the topic"
        )
    found_there = [event for event in fresh if event is not None]
    return Found(selection.newest([*events, *found_there]), (note,), unread)


async def _indexed(settings: Settings, selection: Selection) -> _Indexed:
    dsn = settings.postgres_dsn.get_secret_value()
    if not dsn:
        raise Unavailable("no database is told")
    reading = published_views(
        dsn,
        schema=SCHEMA,
        role=ROLE,
        application="tallystick-events",
        missing="the poller has not made it here",
    )
    async with reading as database, database.transaction("repeatable_read") as tx:
        return await _read(tx, selection)


async def _read(tx: Tx, selection: Selection) -> _Indexed:
    positions = await tx.fetch(_SQL["index_positions"], STRIPE_EVENTS)
    if not positions:
        raise Unavailable("the poller has not begun it yet")
    arguments = (
        selection.event_id or None,
        selection.account or None,
        selection.object_id or None,
        selection.since,
        selection.until,
        None if selection.via is None else selection.via.value,
        min(selection.limit or _ALL, _ALL),
    )
    if selection.type_pattern:
        known = [str(row["event_type"]) for row in await tx.fetch(_SQL["known_types"])]
        types = selection.types_of(known)
        rows = await tx.fetch(_SQL["newest_events_of_types"], *arguments, types)
    else:
        rows = await tx.fetch(_SQL["newest_events"], *arguments)
    return _Indexed(
        events=tuple(_event(row) for row in rows),
        next_offsets={
            Partition(STRIPE_EVENTS, row["partition"]): row["next_offset"] for row in positions
        },
        made_from=frozenset((row["cluster_id"], row["topic_id"]) for row in positions),
    )


def _event(row: asyncpg.Record) -> StoredEvent:
    return StoredEvent(
        partition=row["partition"],
        offset=row["offset"],
        event_id=row["event_id"],
        form=Form(row["form"]),
        event_type=row["event_type"],
        account=row["account"],
        object_id=row["object_id"],
        created=row["created"],
        received_at=row["received_at"],
        appended_at=row["appended_at"],
        via=Via(row["via"]),
        endpoint=row["endpoint"],
        book=row["book"],
        livemode=row["livemode"],
        is_foreign=row["is_foreign"],
        resent_from=row["resent_from"],
    )
