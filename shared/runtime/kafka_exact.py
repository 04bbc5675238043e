"""Records exactly as the broker has them, and back: for copies, not for reading what they say.

A record without a value stays one, other than in ``kafka.Record``. Writing back names partition
and timestamp; a broker takes a timestamp from outside only while the topic lets it, which
``outside_timestamps`` does.
"""

import asyncio
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, NamedTuple

from aiokafka.admin import config_resource

from shared.contracts.errors import InvariantBroken, Unavailable
from shared.contracts.topics import RECORD_BYTES_MAX
from shared.runtime.kafka_client import (
    ERRORS,
    LIBRARY,
    KafkaAddress,
    Partition,
    address_of,
    admin_client,
    away_is_unavailable,
    patiently,
    started,
)

TIMESTAMP_TYPE: Final = "message.timestamp.type"
FETCH_BYTES_MAX: Final = 8 * 1024 * 1024
PARTITION_BYTES_MAX: Final = RECORD_BYTES_MAX + 64 * 1024
IN_FLIGHT_MAX: Final = 2_000
WRITE_SECONDS_MAX: Final = 60.0
# Where a setting of a topic comes from: this one was set for the topic itself.
_SET_FOR_THE_TOPIC: Final = 1
_BROKERS_TIME: Final = 1
_CHANGE_SECONDS_MAX: Final = 30.0
# A broker shows a changed setting a moment before its logs go by it.
_SETTLE_SECONDS: Final = 1.0
_RESOURCE: Any = config_resource  # Any: aiokafka has no types


class RawRecord(NamedTuple):
    """A record with nothing read into it."""

    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]


class OffsetsGone(Unavailable):
    """The broker no longer has what was to be read next."""


class ExactReader:
    """Reads partitions from positions that the caller keeps; no group, nothing committed."""

    def __init__(self, client: Any) -> None:  # Any: aiokafka has no types
        self._client = client

    async def more(self, *, wait_ms: int, records_max: int) -> dict[Partition, list[RawRecord]]:
        """What comes next, in order within a partition; empty when nothing came in that time.

        Raises:
            OffsetsGone: A position is none of the partition any more.
            Unavailable: Kafka does not answer.
        """
        with away_is_unavailable():
            try:
                found = await self._client.getmany(timeout_ms=wait_ms, max_records=records_max)
            except ERRORS.OffsetOutOfRangeError as error:
                raise OffsetsGone(f"the broker has dropped what comes next: {error}") from error
        return {
            Partition(where.topic, where.partition): [_raw_record(raw) for raw in raws]
            for where, raws in found.items()
        }

    async def position(self, partition: Partition) -> int:
        """The offset up to which everything of the partition has been given out.

        It moves past offsets that no record has: a transaction's marker, a compacted record.
        """
        with away_is_unavailable():
            return int(await self._client.position(LIBRARY.TopicPartition(*partition)))

    def leave(self, partition: Partition) -> None:
        """Read no more of a partition."""
        self._client.pause(LIBRARY.TopicPartition(*partition))

    def is_at_end(self, partition: Partition, position: int) -> bool:
        """Whether the partition had nothing beyond a position when it was last asked."""
        end = self._client.highwater(LIBRARY.TopicPartition(*partition))
        return end is not None and position >= end


@asynccontextmanager
async def exact_reader(
    where: KafkaAddress | str, positions: Mapping[Partition, int], *, client_id: str
) -> AsyncGenerator[ExactReader]:
    """A reader of these partitions from these offsets.

    Raises:
        Unavailable: No broker answers.
    """
    client = await started(
        LIBRARY.AIOKafkaConsumer(
            client_id=client_id,
            enable_auto_commit=False,
            auto_offset_reset="none",
            fetch_max_bytes=FETCH_BYTES_MAX,
            max_partition_fetch_bytes=PARTITION_BYTES_MAX,
            **address_of(where).options(),
        )
    )
    try:
        client.assign([LIBRARY.TopicPartition(*partition) for partition in positions])
        for partition, offset in positions.items():
            client.seek(LIBRARY.TopicPartition(*partition), offset)
        # The library cannot stop a client whose own tasks have not begun yet.
        await asyncio.sleep(0)  # lets the client's own tasks begin
        yield ExactReader(client)
    finally:
        await client.stop()


class ExactWriter:
    """Writes records back to their partition, in order, with the timestamps they had."""

    def __init__(self, client: Any) -> None:  # Any: aiokafka has no types
        self._client = client

    async def write(self, partition: Partition, records: Sequence[RawRecord]) -> list[int]:
        """The offsets that the records got, all of them acknowledged by all replicas.

        Raises:
            Unavailable: Not acknowledged in time; any of them may have arrived.
            InvariantBroken: The broker put its own time in the place of a record's.
        """
        offsets: list[int] = []
        for told in await self._written(partition, records):
            if told.timestamp_type == _BROKERS_TIME:
                raise InvariantBroken(f"{partition} does not take outside timestamps")
            offsets.append(int(told.offset))
        return offsets

    async def append(self, partition: Partition, record: RawRecord) -> int:
        """The offset that a record got as a new one, at the time that the broker gave it.

        Raises:
            Unavailable: Not acknowledged in time; it may have arrived.
        """
        (told,) = await self._written(partition, [record])
        return int(told.offset)

    async def _written(
        self, partition: Partition, records: Sequence[RawRecord]
    ) -> list[Any]:  # Any: no types
        found: list[Any] = []
        with away_is_unavailable():
            async with asyncio.timeout(WRITE_SECONDS_MAX):
                for first in range(0, len(records), IN_FLIGHT_MAX):
                    part = records[first : first + IN_FLIGHT_MAX]
                    sent = [await self._send(partition, record) for record in part]
                    found += await asyncio.gather(*sent)
        return found

    async def _send(self, partition: Partition, record: RawRecord) -> Any:  # Any: no types
        return await self._client.send(
            partition.topic,
            partition=partition.partition,
            key=record.key,
            value=record.value,
            headers=list(record.headers),
            timestamp_ms=record.timestamp_ms,
        )


@asynccontextmanager
async def exact_writer(where: KafkaAddress | str, *, client_id: str) -> AsyncGenerator[ExactWriter]:
    """A writer with ``acks=all`` that sends nothing twice.

    Raises:
        Unavailable: No broker answers.
    """
    client = await started(
        LIBRARY.AIOKafkaProducer(
            client_id=client_id,
            acks="all",
            enable_idempotence=True,
            linger_ms=2,
            max_batch_size=512 * 1024,
            max_request_size=RECORD_BYTES_MAX,
            **address_of(where).options(),
        )
    )
    try:
        yield ExactWriter(client)
    finally:
        await client.stop()


async def outside_timestamps(
    where: KafkaAddress | str, topics: Iterable[str], *, allowed: bool
) -> None:
    """Let topics take the timestamps that records bring, or give them the broker's own again.

    Records that are there keep the timestamps they have. Other settings stay as they are.

    Raises:
        Unavailable: Kafka does not answer.
        InvariantBroken: The broker does not let the setting be changed.
    """
    wanted = {TIMESTAMP_TYPE: "CreateTime" if allowed else "LogAppendTime"}
    names = sorted(topics)
    async with admin_client(where) as client:
        before = await _own_settings(client, names)
        changed = [
            n for n in names if before.get(n, {}).get(TIMESTAMP_TYPE) != wanted[TIMESTAMP_TYPE]
        ]
        if not changed:
            return
        # The question replaces all that was set for a topic, so what was set is told again.
        changes = [_topic_resource(name, before.get(name, {}) | wanted) for name in changed]
        for answer in await client.alter_configs(changes):
            for resource in answer.resources:
                if resource[0] != 0:
                    raise InvariantBroken(f"{resource[3]}: {wanted} is refused: {resource[1]}")

        async def shown() -> None:
            now = await _own_settings(client, changed)
            if any(not wanted.items() <= now.get(name, {}).items() for name in changed):
                raise Unavailable(f"the topics do not have {wanted} yet")

        await patiently(shown, what="topics", give_up_after_seconds=_CHANGE_SECONDS_MAX)
    await asyncio.sleep(_SETTLE_SECONDS)  # no broker tells when its logs follow


def _topic_resource(name: str, settings: Mapping[str, str] | None = None) -> Any:  # Any: no types
    return _RESOURCE.ConfigResource(_RESOURCE.ConfigResourceType.TOPIC, name, settings)


async def _own_settings(
    client: Any, names: list[str]
) -> dict[str, dict[str, str]]:  # Any: no types
    """What was set for each topic itself, without what it has from the broker."""
    answers = await client.describe_configs([_topic_resource(name) for name in names])
    return {
        resource[3]: {str(e[0]): str(e[1]) for e in resource[4] if e[3] == _SET_FOR_THE_TOPIC}
        for answer in answers
        for resource in answer.resources
    }


def _raw_record(raw: Any) -> RawRecord:  # Any: aiokafka's ConsumerRecord has no types
    return RawRecord(raw.offset, raw.timestamp, raw.key, raw.value, tuple(raw.headers))
