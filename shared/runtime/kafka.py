"""Records in and out of Kafka: publish with a deadline, read from positions that we keep.

Topic administration is in ``kafka_admin`` and can be had from here too.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final, cast

import msgspec

from shared.contracts.envelope import Envelope, Headers, envelope_of
from shared.contracts.errors import Unavailable
from shared.contracts.topics import RECORD_BYTES_MAX
from shared.runtime.kafka_admin import (
    TopicsInvalid,
    check_topics,
    cluster_id,
    create_topics,
    delete_topics,
    end_offsets,
    offset_bounds,
    topic_id,
    topic_ids,
    topic_problems,
)
from shared.runtime.kafka_client import (
    ERRORS,
    LIBRARY,
    KafkaAddress,
    KafkaFault,
    Partition,
    address_of,
    away_is_unavailable,
    patiently,
    started,
)
from shared.runtime.kafka_lanes import Lanes, RecordTooLarge, Row, within

__all__ = [
    "KafkaAddress",
    "Partition",
    "Publication",
    "Publisher",
    "Record",
    "RecordTooLarge",
    "Row",
    "TopicsInvalid",
    "check_topics",
    "cluster_id",
    "create_topics",
    "delete_topics",
    "end_offsets",
    "offset_bounds",
    "patiently",
    "producer",
    "record_of",
    "scan",
    "topic_id",
    "topic_ids",
    "topic_problems",
]

IN_FLIGHT_MAX: Final = 5_000
PRODUCER_BATCH_BYTES: Final = 256 * 1024
LINGER_MILLISECONDS: Final = 1
SENDS_AT_ONCE: Final = 50
# How long the client itself goes on trying, whatever the caller's deadline was.
REQUEST_SECONDS_MAX: Final = 30
SCAN_RECORDS_MAX: Final = 2_000
SCAN_SILENCE_SECONDS_MAX: Final = 30.0
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Record(msgspec.Struct, frozen=True, gc=False):
    """One record as it stands on its topic; ``timestamp_ms`` is the broker's append time."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes
    headers: Headers
    timestamp_ms: int

    @property
    def appended_at(self) -> datetime:
        """When the broker appended it."""
        return _time_of(self.timestamp_ms)

    @property
    def position(self) -> str:
        """Where it stands, for logs: ``topic/partition@offset``."""
        return f"{self.topic}/{self.partition}@{self.offset}"

    @property
    def size_bytes(self) -> int:
        """About what it takes in memory."""
        return len(self.value) + len(self.key or b"") + 64 * len(self.headers)

    def envelope(self) -> Envelope:
        """The CloudEvents envelope that it carries.

        Raises:
            Unreadable: The headers are not those of CloudEvents 1.0.
        """
        return envelope_of(self.headers, self.value)


@lru_cache(maxsize=4096)
def _time_of(timestamp_ms: int) -> datetime:
    # Records of one moment stand together, and each is asked for its time more than once.
    return _EPOCH + timedelta(milliseconds=timestamp_ms)


def headers_of(raw: Sequence[tuple[str, bytes | None]]) -> Headers:
    """Headers as Kafka has them; one without a value, which it allows, reads as an empty one."""
    for _, value in raw:
        if value is None:
            return tuple((name, told or b"") for name, told in raw)
    return cast("Headers", tuple(raw))


def record_of(raw: Any) -> Record:  # Any: aiokafka's ConsumerRecord has no types
    """Our record from the library's; a tombstone has an empty value."""
    return Record(
        raw.topic,
        raw.partition,
        raw.offset,
        raw.key,
        raw.value or b"",
        headers_of(raw.headers),
        raw.timestamp,
    )


@dataclass(frozen=True, slots=True)
class Publication:
    """One record to be published; ``envelope=None`` is a tombstone for its key."""

    topic: str
    key: bytes | None
    envelope: Envelope | None
    partition: int | None = None


class Publisher:
    """An idempotent producer with ``acks=all``, a bound on what is in flight, and deadlines.

    After a failure it begins anew with a fresh producer, so that one broken batch does not leave
    a client behind that refuses everything. A record whose deadline passed may still arrive:
    readers drop repeats.
    """

    def __init__(
        self,
        where: KafkaAddress | str,
        *,
        client_id: str = "tallystick",
        linger_ms: int = LINGER_MILLISECONDS,
        in_flight_max: int = IN_FLIGHT_MAX,
    ) -> None:
        self._address = address_of(where)
        self._client_id = client_id
        self._linger_ms = linger_ms
        self._in_flight_max = in_flight_max
        self._starting = asyncio.Lock()
        # Those of the producer in use; there are none before the first record.
        self.lanes: Lanes | None = None
        self._closing: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Connect.

        Raises:
            Unavailable: No broker answers.
        """
        await self._ready()

    async def stop(self) -> None:
        """Send what is pending, for a bounded time, and disconnect."""
        lanes, self.lanes = self.lanes, None
        if lanes is not None:
            await _close(lanes)
        await asyncio.gather(*self._closing)

    async def publish(
        self, topic: str, key: bytes | None, envelope: Envelope, timeout_seconds: float
    ) -> Partition:
        """Publish one record; it is in all in-sync replicas on return.

        Raises:
            Unavailable: Not acknowledged in time; it may or may not have arrived.
            RecordTooLarge: No topic takes a record of this size.
        """
        lanes = self.lanes
        try:
            sent = (
                None
                if lanes is None
                else lanes.add_now(topic, key, envelope.data, list(envelope.headers()))
            )
        except ERRORS.MessageSizeTooLargeError as error:
            raise RecordTooLarge(str(error)) from error
        if lanes is None or sent is None:
            (where,) = await self.publish_all([Publication(topic, key, envelope)], timeout_seconds)
            return where
        # The deadline lies on the future itself: a timeout around it costs three times as much.
        deadline = asyncio.get_running_loop().call_later(timeout_seconds, _expire, sent)
        try:
            return await sent
        except TimeoutError as error:
            raise Unavailable(f"Kafka did not acknowledge in {timeout_seconds:g} s") from error
        except (KafkaFault, OSError) as error:
            self.drop(lanes)
            raise Unavailable(f"Kafka: {type(error).__name__}: {error}") from error
        finally:
            deadline.cancel()

    async def publish_all(
        self, publications: Iterable[Publication], timeout_seconds: float
    ) -> list[Partition]:
        """Publish records in this order, pipelined, and wait for all acknowledgements.

        Those of one key keep their order. On failure any of them may have arrived.

        Raises:
            Unavailable: Not all acknowledged in time.
            RecordTooLarge: One is too large; those before it may have been sent.
        """
        async with within(timeout_seconds):
            return await self._publish_all(publications)

    async def publish_rows(self, topic: str, rows: Sequence[Row], timeout_seconds: float) -> None:
        """As ``publish_all``, for records of one topic: one wait for all, in place of one each."""
        async with within(timeout_seconds):
            lanes = self.lanes or await self._ready()
            try:
                await lanes.post_all(topic, rows)
            except ERRORS.MessageSizeTooLargeError:
                raise
            except (KafkaFault, OSError):
                self.drop(lanes)
                raise

    async def _publish_all(self, publications: Iterable[Publication]) -> list[Partition]:
        lanes = self.lanes or await self._ready()
        try:
            sent: list[asyncio.Future[Partition]] = []
            for number, publication in enumerate(publications, 1):
                if number % SENDS_AT_ONCE == 0:
                    # Taking a record rarely waits: a long row would keep all else waiting.
                    await asyncio.sleep(0)  # lets others go first
                envelope = publication.envelope
                sent.append(
                    await lanes.add(
                        publication.topic,
                        publication.key,
                        None if envelope is None else envelope.data,
                        [] if envelope is None else list(envelope.headers()),
                        publication.partition,
                    )
                )
            return [await sent[0]] if len(sent) == 1 else await asyncio.gather(*sent)
        except ERRORS.MessageSizeTooLargeError:
            raise
        except (KafkaFault, OSError):
            self.drop(lanes)
            raise

    async def _ready(self) -> Lanes:
        async with self._starting:
            if self.lanes is None:
                client = await started(
                    LIBRARY.AIOKafkaProducer(
                        client_id=self._client_id,
                        acks="all",
                        enable_idempotence=True,
                        max_batch_size=PRODUCER_BATCH_BYTES,
                        max_request_size=RECORD_BYTES_MAX,
                        request_timeout_ms=REQUEST_SECONDS_MAX * 1000,
                        **self._address.options(),
                    )
                )
                self.lanes = Lanes(
                    client,
                    linger_seconds=self._linger_ms / 1000,
                    records_max=self._in_flight_max,
                )
            return self.lanes

    def drop(self, lanes: Lanes) -> None:
        """Begin anew with a fresh producer: this one has failed."""
        # Failures of one client come in crowds: the fresh one that the first of them made must
        # not be dropped by the second. Closing takes its time, and no caller's deadline.
        if self.lanes is lanes:
            self.lanes = None
            closing = asyncio.create_task(_close(lanes))
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)


def _expire(sent: asyncio.Future[Partition]) -> None:
    if not sent.done():
        sent.set_exception(TimeoutError())


async def _close(lanes: Lanes) -> None:
    try:
        async with asyncio.timeout(STOP_SECONDS_MAX):
            await lanes.drain()
    except TimeoutError:
        await lanes.abandon()
    try:
        async with asyncio.timeout(STOP_SECONDS_MAX):
            await lanes.client.stop()
    except (TimeoutError, KafkaFault, OSError):
        pass  # what was not acknowledged is not promised to anybody


STOP_SECONDS_MAX: Final = 2.0


@asynccontextmanager
async def producer(
    where: KafkaAddress | str,
    *,
    client_id: str = "tallystick",
    linger_ms: int = LINGER_MILLISECONDS,
    wait_seconds: float = 0.0,
) -> AsyncGenerator[Publisher]:
    """A started publisher, stopped at the end; ``wait_seconds`` bounds waiting for a broker.

    Raises:
        Unavailable: No broker answers in that time.
    """
    publisher = Publisher(where, client_id=client_id, linger_ms=linger_ms)
    await patiently(publisher.start, what="Kafka", give_up_after_seconds=wait_seconds)
    try:
        yield publisher
    finally:
        await publisher.stop()


async def scan(
    where: KafkaAddress | str,
    spans: Mapping[Partition, tuple[int, int]],
    *,
    records_max: int = SCAN_RECORDS_MAX,
    silence_seconds_max: float = SCAN_SILENCE_SECONDS_MAX,
) -> AsyncGenerator[list[Record], None]:
    """The records of spans ``(from, before)`` in batches, in order within a partition; no group.

    Raises:
        Unavailable: Nothing came for a while though records are missing.
    """
    left = {LIBRARY.TopicPartition(*p): before for p, (at, before) in spans.items() if at < before}
    if not left:
        return
    client = await started(
        LIBRARY.AIOKafkaConsumer(
            enable_auto_commit=False, auto_offset_reset="none", **address_of(where).options()
        )
    )
    try:
        client.assign(list(left))
        for partition in left:
            client.seek(partition, spans[Partition(partition.topic, partition.partition)][0])
        heard_at = time.monotonic()
        while left:
            with away_is_unavailable():
                found = await client.getmany(*left, timeout_ms=200, max_records=records_max)
            batch = [record_of(raw) for raws in found.values() for raw in raws]
            batch = [
                record
                for record in batch
                if record.offset < left[LIBRARY.TopicPartition(record.topic, record.partition)]
            ]
            # A transaction's marker has an offset and no record, so the position decides.
            for partition in list(left):
                with away_is_unavailable():
                    at = await client.position(partition)
                if at >= left[partition]:
                    del left[partition]
            if batch:
                heard_at = time.monotonic()
                yield batch
            elif left and time.monotonic() - heard_at > silence_seconds_max:
                missing = ", ".join(f"{p.topic}/{p.partition}" for p in left)
                raise Unavailable(f"Kafka is silent about {missing}")
    finally:
        await client.stop()
