"""The index of ``stripe.events``: where each delivery stands, for ever.

    stripe.events ──catch_up()──▶ ingest.stored_events ──▶ view ingest_read.events

It is made from the topic alone: the door owns no table, and nobody is believed but the log.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Final

from prometheus_client import Counter

from services.ingest.shell.poll_store import QUERIES
from services.ingest.stored_events import StoredEvent, stored_event
from shared.contracts.errors import Unreadable
from shared.contracts.topics import STRIPE_EVENTS
from shared.runtime.kafka import KafkaAddress, Partition, Record, offset_bounds, scan
from shared.runtime.positions import Log, begin_positions, move_positions, read_positions
from shared.runtime.postgres import Database, Tx

READ_SCHEMA: Final = "ingest_read"
READ_MIGRATIONS: Final = Path(__file__).parent / "read_migrations"

_EVENTS = Counter(
    "tallystick_ingest_events_total",
    "Events on the log, by type, and whether they had come before",
    ["type", "duplicate"],
)


class EventIndex:
    """Where the deliveries on ``stripe.events`` stand, by id and by what is asked for.

    Args:
        database: Opened on the schema ``ingest``.
        kafka: Where the topic is.
        beat: Called with each batch, for whoever watches that something moves.
    """

    def __init__(
        self, database: Database, kafka: KafkaAddress, *, beat: Callable[[], None]
    ) -> None:
        self._database = database
        self._kafka = kafka
        self._beat = beat
        self._turn = asyncio.Lock()

    async def catch_up(self) -> int:
        """Read the topic to the end that it has now; how many records were read.

        Rows and positions move in one transaction, so that a record is indexed just once.

        Raises:
            Fenced: Another process has moved the positions meanwhile.
            InvariantBroken: The rows were made from another cluster or topic.
            Unavailable: Kafka or Postgres is away.
        """
        # Several parts of one process ask for it; side by side they would fence one another.
        async with self._turn:
            return await self._catch_up()

    async def _catch_up(self) -> int:
        log = await Log.ask(self._kafka, [STRIPE_EVENTS])
        first, end = await offset_bounds(self._kafka, [STRIPE_EVENTS])
        reached = await self._positions(log, end)
        spans = {p: (max(reached[p], first[p]), end[p]) for p in end}
        count = 0
        async with aclosing(scan(self._kafka, spans)) as batches:
            async for batch in batches:
                self._beat()
                moves = _moves(reached, batch)
                events = _stored(batch)
                known = await self.arrived_of(event.event_id for event in events)
                await self._store(log, events, moves)
                _count(events, known)
                reached |= {partition: after for partition, (_, after) in moves.items()}
                count += len(batch)
        return count

    async def arrived_of(self, event_ids: Iterable[str]) -> frozenset[str]:
        """Which of these events are on the topic, as far as it has been read."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(QUERIES["arrived_of"], list(event_ids))
        return frozenset(str(row["event_id"]) for row in rows)

    async def _positions(self, log: Log, partitions: Iterable[Partition]) -> dict[Partition, int]:
        async def work(tx: Tx) -> dict[Partition, int]:
            await begin_positions(tx, log, partitions)
            return await read_positions(tx, log)

        return await self._database.run(work)

    async def _store(
        self, log: Log, events: Sequence[StoredEvent], moves: Mapping[Partition, tuple[int, int]]
    ) -> None:
        async def work(tx: Tx) -> None:
            await tx.execute(QUERIES["store_events"], *_columns(events))
            await move_positions(tx, log, moves)

        await self._database.run(work)


def _count(events: Iterable[StoredEvent], known: frozenset[str]) -> None:
    seen = set(known)
    for event in events:
        is_repeated = event.event_id in seen
        _EVENTS.labels(event.event_type, "true" if is_repeated else "false").inc()
        seen.add(event.event_id)


def _columns(events: Sequence[StoredEvent]) -> list[list[object]]:
    return [
        [e.partition for e in events],
        [e.offset for e in events],
        [e.event_id for e in events],
        [e.form.value for e in events],
        [e.event_type for e in events],
        [e.account for e in events],
        [e.object_id for e in events],
        [e.created for e in events],
        [e.received_at for e in events],
        [e.appended_at for e in events],
        [e.via.value for e in events],
        [e.endpoint for e in events],
        [e.book for e in events],
        [e.livemode for e in events],
        [e.is_foreign for e in events],
        [e.resent_from for e in events],
    ]


def _moves(
    reached: Mapping[Partition, int], batch: list[Record]
) -> dict[Partition, tuple[int, int]]:
    after: dict[Partition, int] = {}
    for record in batch:
        after[Partition(record.topic, record.partition)] = record.offset + 1
    return {partition: (reached[partition], offset) for partition, offset in after.items()}


def _stored(records: Iterable[Record]) -> list[StoredEvent]:
    found: list[StoredEvent] = []
    for record in records:
        try:
            envelope = record.envelope()
        except Unreadable:
            # Whoever wrote it, it is nobody's event; the ledger parks it with its reason.
            continue
        event = stored_event(
            envelope,
            partition=record.partition,
            offset=record.offset,
            appended_at=record.appended_at,
        )
        if event is not None:
            found.append(event)
    return found
