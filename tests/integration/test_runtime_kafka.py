"""Records in and out of a real Kafka."""

import asyncio
import uuid
from collections.abc import AsyncGenerator, Mapping
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from sandbox.stack import Stack
from sandbox.stack.ports import free_ports
from shared.contracts.envelope import Envelope
from shared.contracts.errors import InvariantBroken, Unavailable
from shared.contracts.topics import RECORD_BYTES_MAX, TOPICS, Topic
from shared.runtime.kafka import (
    Partition,
    Publication,
    Publisher,
    Record,
    RecordTooLarge,
    TopicsInvalid,
    check_topics,
    cluster_id,
    create_topics,
    delete_topics,
    end_offsets,
    offset_bounds,
    producer,
    scan,
    topic_id,
    topic_problems,
)
from shared.runtime.kafka_client import ADMIN, LIBRARY, admin_client
from shared.runtime.kafka_group import Batch, BatchBounds, GroupReader
from tests.support.ledger import until
from tests.support.stack import embedded_stack

pytestmark = pytest.mark.stack

PROTOTYPE = TOPICS["bank.observations"]


def envelope(ident: str, data: bytes = b"{}") -> Envelope:
    return Envelope(id=ident, source="tests", type="t", time=datetime.now(UTC), data=data)


@pytest.fixture
async def topic(kafka_bootstrap: str) -> AsyncGenerator[Topic]:
    made = replace(PROTOTYPE, name=f"test.{uuid.uuid4().hex[:8]}", partitions=3)
    await create_topics(kafka_bootstrap, [made])
    yield made
    await delete_topics(kafka_bootstrap, [made.name])


class Kept:
    """Positions kept by the test, as a service keeps them in its database."""

    def __init__(self) -> None:
        self.at: dict[Partition, int] = {}
        self.asked = 0

    async def __call__(self, wanted: frozenset[Partition]) -> Mapping[Partition, int]:
        self.asked += 1
        return {partition: self.at.get(partition, 0) for partition in wanted}

    def take(self, batch: Batch) -> list[Record]:
        self.at |= {partition: after for partition, (_, after) in batch.moves.items()}
        return list(batch.records)


async def read(reader: GroupReader, kept: Kept, count: int) -> list[Record]:
    found: list[Record] = []

    async def more() -> bool:
        found.extend(kept.take(await reader.next_batch()))
        return len(found) >= count

    await until(f"{count} records", more)
    return found


async def test_topics_made_as_registered_have_no_problem_and_are_made_once(
    kafka_bootstrap: str, topic: Topic
) -> None:
    assert await topic_problems(kafka_bootstrap, [topic]) == []
    assert await create_topics(kafka_bootstrap, [topic]) == []
    await check_topics(kafka_bootstrap, [topic])


async def test_topics_that_are_missing_or_otherwise_are_refused_by_name(
    kafka_bootstrap: str, topic: Topic
) -> None:
    other = replace(topic, partitions=5, compacted=True)
    missing = replace(topic, name=f"{topic.name}.missing")
    with pytest.raises(TopicsInvalid) as caught:
        await check_topics(kafka_bootstrap, [other, missing])
    said = "\n".join(caught.value.problems)
    assert f"topic {missing.name} is missing" in said
    assert f"topic {topic.name} has 3 partitions, not 5" in said
    assert f"topic {topic.name} has cleanup.policy=delete, not compact" in said


async def test_topic_made_anew_has_another_id_in_the_same_cluster(kafka_bootstrap: str) -> None:
    made = replace(PROTOTYPE, name=f"test.{uuid.uuid4().hex[:8]}", partitions=1)
    await create_topics(kafka_bootstrap, [made])
    first = await topic_id(kafka_bootstrap, made.name)
    assert first == await topic_id(kafka_bootstrap, made.name)
    await delete_topics(kafka_bootstrap, [made.name])

    async def again() -> bool:
        return bool(await create_topics(kafka_bootstrap, [made]))

    await until("the topic to be made anew", again)
    assert await topic_id(kafka_bootstrap, made.name) != first
    assert await cluster_id(kafka_bootstrap) == await cluster_id(kafka_bootstrap)


async def test_record_keeps_key_headers_and_bytes_and_gets_the_brokers_time(
    kafka_bootstrap: str, topic: Topic
) -> None:
    before = datetime.now(UTC)
    async with producer(kafka_bootstrap) as publisher:
        where = await publisher.publish(topic.name, b"k", envelope("e1", b"\x00\xff"), 10)
    (record,) = [r async for batch in scan(kafka_bootstrap, {where: (0, 1)}) for r in batch]
    assert (record.key, record.value, record.envelope().id) == (b"k", b"\x00\xff", "e1")
    assert abs((record.appended_at - before).total_seconds()) < 30


async def test_records_of_one_key_keep_their_order(kafka_bootstrap: str, topic: Topic) -> None:
    async with producer(kafka_bootstrap) as publisher:
        await publisher.publish_all(
            [Publication(topic.name, b"k", envelope(str(n))) for n in range(500)], 20
        )
    ends = await end_offsets(kafka_bootstrap, [topic.name])
    spans = {p: (0, end) for p, end in ends.items()}
    read_back = [r async for batch in scan(kafka_bootstrap, spans, records_max=50) for r in batch]
    assert [r.envelope().id for r in read_back] == [str(n) for n in range(500)]


async def test_scan_gives_a_span_and_not_one_record_more(
    kafka_bootstrap: str, topic: Topic
) -> None:
    async with producer(kafka_bootstrap) as publisher:
        where = await publisher.publish(topic.name, b"k", envelope("0"), 10)
        for number in range(1, 10):
            await publisher.publish(topic.name, b"k", envelope(str(number)), 10)
    found = [r async for batch in scan(kafka_bootstrap, {where: (3, 6)}) for r in batch]
    assert [r.offset for r in found] == [3, 4, 5]
    assert [b async for b in scan(kafka_bootstrap, {where: (4, 4)})] == []


async def test_publisher_refuses_a_record_that_no_topic_takes(
    kafka_bootstrap: str, topic: Topic
) -> None:
    async with producer(kafka_bootstrap) as publisher:
        with pytest.raises(RecordTooLarge):
            await publisher.publish(topic.name, b"k", envelope("e", b"x" * RECORD_BYTES_MAX), 10)
        await publisher.publish(topic.name, b"k", envelope("e", b"x" * (RECORD_BYTES_MAX // 2)), 20)


async def test_publisher_without_a_broker_says_so_within_its_deadline() -> None:
    (port,) = free_ports(1)
    with pytest.raises(Unavailable):
        await Publisher(f"127.0.0.1:{port}").publish("t", b"k", envelope("e"), 1)


async def test_publisher_goes_on_after_its_broker_was_away() -> None:
    postgres_port, kafka_port = free_ports(2)
    with embedded_stack(postgres_port=postgres_port, kafka_port=kafka_port) as stack:
        made = replace(PROTOTYPE, name="test.away", partitions=1)
        await create_topics(stack.kafka_bootstrap, [made])
        async with producer(stack.kafka_bootstrap) as publisher:
            await publisher.publish(made.name, b"k", envelope("1"), 10)
            await _without_broker(stack, publisher, made)

            async def published() -> bool:
                try:
                    return bool(await publisher.publish(made.name, b"k", envelope("3"), 5))
                except Unavailable:
                    return False

            await until("the publisher to go on", published)


async def _without_broker(stack: Stack, publisher: Publisher, made: Topic) -> None:
    stack.kill("kafka")
    with pytest.raises(Unavailable):
        await publisher.publish(made.name, b"k", envelope("2"), 1)
    stack.kafka.start()


async def has_read(reader: GroupReader, count: int) -> bool:
    """Whether so many records, of all partitions, were taken from the client."""
    client = reader._client  # pyright: ignore[reportPrivateUsage]  # nobody else knows it
    return sum([int(await client.position(p)) for p in client.assignment()]) == count


async def told(reader: GroupReader, where: Partition) -> bool:
    """Whether Kafka knows how far the group is."""
    client = reader._client  # pyright: ignore[reportPrivateUsage]  # nobody else knows it
    return bool(await client.committed(LIBRARY.TopicPartition(*where)))


async def test_group_reads_from_positions_that_are_kept_elsewhere(
    kafka_bootstrap: str, topic: Topic
) -> None:
    async with producer(kafka_bootstrap) as publisher:
        where = await publisher.publish(topic.name, b"k", envelope("0"), 10)
        for number in range(1, 10):
            await publisher.publish(topic.name, b"k", envelope(str(number)), 10)
    kept = Kept()
    kept.at[where] = 6
    reader = GroupReader(
        kafka_bootstrap, group=uuid.uuid4().hex, topics=[topic.name], positions=kept
    )
    await reader.start()
    try:
        assert [r.offset for r in await read(reader, kept, 4)] == [6, 7, 8, 9]
        # Kafka's own notion of where we are decides nothing.
        reader.hint({where: 2})
        await until("the hint", lambda: told(reader, where))
        kept.at[where] = 8
        reader.seek_later()
        assert [r.offset for r in await read(reader, kept, 2)] == [8, 9]
    finally:
        await reader.stop()


async def test_group_bounds_a_batch_in_records(kafka_bootstrap: str, topic: Topic) -> None:
    async with producer(kafka_bootstrap) as publisher:
        await publisher.publish_all(
            [Publication(topic.name, str(n).encode(), envelope(str(n))) for n in range(200)], 20
        )
    kept = Kept()
    bounds = BatchBounds(records_max=30)
    reader = GroupReader(
        kafka_bootstrap, group=uuid.uuid4().hex, topics=[topic.name], positions=kept, bounds=bounds
    )
    await reader.start()
    sizes: list[int] = []
    try:

        async def more() -> bool:
            sizes.append(len(kept.take(await reader.next_batch())))
            return sum(sizes) == 200

        await until("200 records", more)
    finally:
        await reader.stop()
    assert max(sizes) <= 30


async def test_group_gives_few_records_out_when_the_batch_before_is_done(
    kafka_bootstrap: str, topic: Topic
) -> None:
    kept, free = Kept(), asyncio.Event()
    reader = GroupReader(
        kafka_bootstrap, group=uuid.uuid4().hex, topics=[topic.name], positions=kept
    )
    one = Publication(topic.name, b"k", envelope("e"))
    await reader.start()
    try:
        async with producer(kafka_bootstrap) as publisher:
            await publisher.publish_all([one], 20)
            assert len(await read(reader, kept, 1)) == 1
            batch = asyncio.create_task(reader.next_batch(free))
            await publisher.publish_all([one], 20)
            await until("the second to be read", lambda: has_read(reader, 2))
            await publisher.publish_all([one], 20)
            await until("the third to be read", lambda: has_read(reader, 3))
        assert not batch.done()
        free.set()
        assert len(kept.take(await batch)) == 2
    finally:
        await reader.stop()


async def test_group_whose_position_lies_behind_the_logs_end_stops(
    kafka_bootstrap: str, topic: Topic
) -> None:
    kept = Kept()
    kept.at = {Partition(topic.name, n): 5 for n in range(3)}
    reader = GroupReader(
        kafka_bootstrap, group=uuid.uuid4().hex, topics=[topic.name], positions=kept
    )
    await reader.start()

    async def next_batch() -> bool:
        await reader.next_batch()
        return False

    try:
        with pytest.raises(InvariantBroken, match="lies outside its log"):
            await until("the reader to stop", next_batch)
    finally:
        await reader.stop()


async def test_group_whose_position_lies_before_the_logs_beginning_stops_and_names_the_gap(
    kafka_bootstrap: str, topic: Topic
) -> None:
    kept, where = Kept(), Partition(topic.name, 0)
    reader = GroupReader(
        kafka_bootstrap, group=uuid.uuid4().hex, topics=[topic.name], positions=kept
    )
    async with producer(kafka_bootstrap) as publisher:
        told = [Publication(topic.name, b"%d" % n, envelope(f"e{n}")) for n in range(30)]
        await publisher.publish_all(told, 20)
    ends = await end_offsets(kafka_bootstrap, [topic.name])
    assert ends[where] > 3
    kept.at = {partition: 2 if partition == where else end for partition, end in ends.items()}
    # What retention would do: two records that nobody has read are gone, a later one is there.
    async with admin_client(kafka_bootstrap) as client:
        cut = {LIBRARY.TopicPartition(*where): ADMIN.RecordsToDelete(ends[where] - 1)}
        await client.delete_records(cut)
    before = dict(kept.at)
    await reader.start()

    async def next_batch() -> bool:
        kept.take(await reader.next_batch())
        return False

    try:
        gap = rf"GAP {topic.name}/0 2\.\.{ends[where] - 2}: .* cut off before they were read"
        with pytest.raises(InvariantBroken, match=gap):
            await until("the reader to stop", next_batch)
        # It stays stopped, and nothing of what follows the gap was given out.
        with pytest.raises(InvariantBroken, match=gap):
            await until("the reader to stop again", next_batch)
    finally:
        await reader.stop()
    assert kept.at == before


async def test_group_of_two_shares_the_partitions_and_hands_them_over(
    kafka_bootstrap: str, topic: Topic
) -> None:
    kept, group = Kept(), uuid.uuid4().hex
    readers = [
        GroupReader(kafka_bootstrap, group=group, topics=[topic.name], positions=kept)
        for _ in range(2)
    ]
    for reader in readers:
        await reader.start()

    async def shared() -> bool:
        for reader in readers:
            await reader.next_batch()
        counts = [len(reader.partitions) for reader in readers]
        return sum(counts) == 3 and all(counts)

    await until("both to have a share", shared)
    await readers[0].stop()

    async def handed_over() -> bool:
        await readers[1].next_batch()
        return len(readers[1].partitions) == 3

    await until("the share to be handed over", handed_over)
    await readers[1].stop()


async def test_offsets_are_known_of_partitions_that_are_empty(
    kafka_bootstrap: str, topic: Topic
) -> None:
    first, end = await offset_bounds(kafka_bootstrap, [topic.name])
    assert first == end == {Partition(topic.name, n): 0 for n in range(3)}
