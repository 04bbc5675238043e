"""The index of ``stripe.events``: where each delivery stands, for ever.

    stripe.events ──catch_up()──▶ ingest.stored_events ──▶ view ingest_read.events

It is made from the topic alone: the door owns no table, and nobody is believed but the log.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from prometheus_client import Counter

from services.ingest.shell.poll_store import QUERIES
from services.ingest.stored_events import StoredEvent, stored_event
from shared.contracts.errors import Unreadable
from shared.contracts.topics import STRIPE_EVENTS
from shared.runtime.kafka import KafkaAddress, Record
from shared.runtime.postgres import Database, Tx
from shared.runtime.topic_reading import Keep, TopicReading

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
        self._reading = TopicReading(database, kafka, STRIPE_EVENTS, beat=beat)

    async def catch_up(self) -> int:
        """Read the topic to the end that it has now; how many records were read.

        Raises:
            Fenced: Another process has moved the positions meanwhile.
            InvariantBroken: The rows were made from another cluster or topic.
            Unavailable: Kafka or Postgres is away.
        """
        return await self._reading.to_its_end(self._take)

    async def _take(self, batch: list[Record], keep: Keep) -> None:
        events = _stored(batch)
        known = await self.arrived_of(event.event_id for event in events)
        asked = list(_asked(event for event in events if not event.is_foreign))

        async def rows(tx: Tx) -> None:
            await tx.execute(QUERIES["store_events"], *_columns(events))
            if asked:
                await tx.execute(
                    QUERIES["note_long_invoices"],
                    [e.account for e, _, _, _ in asked],
                    [e.livemode for e, _, _, _ in asked],
                    [object_id for _, _, object_id, _ in asked],
                    [e.book for e, _, _, _ in asked],
                    datetime.now(UTC),
                    [is_long for _, _, _, is_long in asked],
                    [kind for _, kind, _, _ in asked],
                )

        await keep(rows)
        _count(events, known)

    async def arrived_of(self, event_ids: Iterable[str]) -> frozenset[str]:
        """Which of these events are on the topic, as far as it has been read."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(QUERIES["arrived_of"], list(event_ids))
        return frozenset(str(row["event_id"]) for row in rows)


def _asked(events: Iterable[StoredEvent]) -> Iterator[tuple[StoredEvent, str, str, bool]]:
    """What events show in part: its kind and id, and whether lines of it are missing."""
    for event in events:
        if event.long_invoice:
            yield event, "invoice", event.long_invoice, True
        if event.long_note:
            yield event, "credit_note", event.long_note, True
        if event.paid_invoice:
            yield event, "invoice", event.paid_invoice, False


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
