"""A topic from a moment on: where it stood at a time, and what comes onto it as it comes."""

from collections.abc import AsyncGenerator, Iterable, Mapping
from datetime import datetime
from typing import Final

from shared.runtime.kafka import Record, offset_bounds, record_of
from shared.runtime.kafka_client import (
    LIBRARY,
    KafkaAddress,
    Partition,
    address_of,
    away_is_unavailable,
    offsets_client,
    started,
)

POLL_MILLISECONDS: Final = 500
RECORDS_MAX: Final = 500


async def offsets_at(
    where: KafkaAddress | str, topics: Iterable[str], at: datetime
) -> dict[Partition, int]:
    """The first offset of each partition that was appended at a time or after it.

    A partition without such a record gives its end.

    Raises:
        Unavailable: Kafka does not answer.
    """
    address = address_of(where)
    _, end = await offset_bounds(address, topics)
    milliseconds = int(at.timestamp() * 1000)
    async with offsets_client(address) as reader:
        asked = {LIBRARY.TopicPartition(*p): milliseconds for p in end}
        found = await reader.offsets_for_times(asked)
    first = {
        Partition(p.topic, p.partition): told.offset
        for p, told in found.items()
        if told is not None
    }
    return {p: first.get(p, at_end) for p, at_end in end.items()}


async def follow(
    where: KafkaAddress | str, since: Mapping[Partition, int]
) -> AsyncGenerator[list[Record], None]:
    """What comes onto partitions from offsets on, in batches, until the caller closes it; no group.

    A batch is empty when nothing came for half a second, so that the caller may look elsewhere.

    Raises:
        Unavailable: Kafka does not answer.
    """
    partitions = {LIBRARY.TopicPartition(*p): offset for p, offset in since.items()}
    client = await started(
        LIBRARY.AIOKafkaConsumer(
            enable_auto_commit=False, auto_offset_reset="earliest", **address_of(where).options()
        )
    )
    try:
        client.assign(list(partitions))
        for partition, offset in partitions.items():
            client.seek(partition, offset)
        while True:
            with away_is_unavailable():
                found = await client.getmany(timeout_ms=POLL_MILLISECONDS, max_records=RECORDS_MAX)
            records = [record_of(raw) for raws in found.values() for raw in raws]
            yield sorted(records, key=lambda r: (r.timestamp_ms, r.partition, r.offset))
    finally:
        await client.stop()
