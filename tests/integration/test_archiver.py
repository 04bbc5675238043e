"""The archiver on a real broker: what it copies, where it goes on, what it survives."""

import asyncio
import signal
import uuid
from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from services.archiver.manifest import SegmentName
from services.archiver.segments import GENESIS, Lineage, Stretch, sealed
from services.archiver.shell.holdings import held, verify
from services.archiver.shell.store import DirectoryStore
from shared.contracts.envelope import Envelope
from shared.contracts.errors import InvariantBroken
from shared.contracts.topics import DISCREPANCIES_CURRENT, STRIPE_EVENTS, TOPICS, Topic
from shared.runtime.kafka import (
    Publication,
    cluster_id,
    create_topics,
    delete_topics,
    producer,
    topic_id,
)
from shared.runtime.kafka_client import ADMIN, LIBRARY, Partition, admin_client
from shared.runtime.kafka_exact import RawRecord, exact_reader
from tests.support.archiver import (
    all_copied,
    copied_up_to,
    copier,
    copying,
    names_in,
    records_in,
    start_archiver,
)
from tests.support.ledger import until

pytestmark = pytest.mark.stack


@pytest.fixture
async def topic(kafka_bootstrap: str) -> AsyncGenerator[Topic]:
    made = replace(TOPICS[STRIPE_EVENTS], name=f"test.{uuid.uuid4().hex[:8]}", partitions=3)
    await create_topics(kafka_bootstrap, [made])
    yield made
    await delete_topics(kafka_bootstrap, [made.name])


def publication(topic: str, number: int, *, size: int = 200) -> Publication:
    envelope = Envelope(
        id=f"evt_{number}",
        source="tests",
        type="t",
        time=datetime.now(UTC),
        data=bytes([number % 256]) * size,
        extensions={"book": "main"},
    )
    return Publication(topic, f"key-{number}".encode(), envelope)


async def publish(bootstrap: str, topic: str, first: int, last: int, *, size: int = 200) -> None:
    async with producer(bootstrap) as publisher:
        told = [publication(topic, number, size=size) for number in range(first, last)]
        await publisher.publish_all(told, 60)


async def on_the_broker(bootstrap: str, topic: Topic) -> dict[int, list[RawRecord]]:
    """Everything on a topic, read by another way than the archiver's loop."""
    found: dict[int, list[RawRecord]] = {n: [] for n in range(topic.partitions)}
    at = {Partition(topic.name, n): 0 for n in range(topic.partitions)}
    async with exact_reader(bootstrap, at, client_id="test") as reader:

        async def at_end() -> bool:
            for where, raws in (await reader.more(wait_ms=200, records_max=5_000)).items():
                found[where.partition] += raws
            ends = [reader.is_at_end(where, await reader.position(where)) for where in at]
            return all(ends)

        await until("the end of the topic", at_end)
    return found


async def test_copy_holds_each_record_once_as_the_broker_has_it(
    kafka_bootstrap: str, topic: Topic, tmp_path: Path
) -> None:
    store = DirectoryStore(tmp_path)
    async with copying(copier(kafka_bootstrap, store, [topic.name])):
        await publish(kafka_bootstrap, topic.name, 0, 150)
        await all_copied(kafka_bootstrap, store, [topic.name])
        await publish(kafka_bootstrap, topic.name, 150, 300)
        await all_copied(kafka_bootstrap, store, [topic.name])
    copied = {
        lineage.partition: [
            RawRecord(r.offset, r.timestamp_ms, r.key, r.value, r.headers) for r in records
        ]
        for lineage, records in (await records_in(store)).items()
    }
    there = await on_the_broker(kafka_bootstrap, topic)
    assert copied == {n: rows for n, rows in there.items() if rows}
    assert sum(map(len, copied.values())) == 300
    verified = await verify(store, await held(store))
    assert (verified.faults, verified.holes) == ([], [])
    assert verified.records == 300


async def test_copy_stopped_and_begun_again_goes_on_where_it_stood(
    kafka_bootstrap: str, topic: Topic, tmp_path: Path
) -> None:
    store = DirectoryStore(tmp_path)
    for first in range(0, 90, 30):
        await publish(kafka_bootstrap, topic.name, first, first + 30)
        async with copying(copier(kafka_bootstrap, store, [topic.name], age_ms=100)):
            await all_copied(kafka_bootstrap, store, [topic.name])
    verified = await verify(store, await held(store))
    assert verified.is_sound
    assert verified.records == 90
    assert {row[0].previous for row in verified.headers.values()} == {GENESIS}


async def test_what_is_in_hand_is_sealed_when_the_copier_is_asked_to_stop(
    kafka_bootstrap: str, topic: Topic, tmp_path: Path
) -> None:
    store = DirectoryStore(tmp_path)
    await publish(kafka_bootstrap, topic.name, 0, 10)
    hour = 3_600_000
    part = copier(kafka_bootstrap, store, [topic.name], age_ms=hour, segment_bytes=10_000_000)
    async with copying(part):

        async def in_hand() -> bool:
            return bool(REGISTRY.get_sample_value("tallystick_archiver_buffered_bytes"))

        await until("records in hand", in_hand)
        assert await names_in(store) == []
    verified = await verify(store, await held(store))
    assert verified.is_sound
    assert verified.records > 0


async def test_two_archivers_at_once_write_nothing_twice(
    kafka_bootstrap: str, topic: Topic, tmp_path: Path
) -> None:
    store = DirectoryStore(tmp_path)
    parts = [copier(kafka_bootstrap, store, [topic.name], age_ms=50) for _ in range(2)]
    async with copying(parts[0]), copying(parts[1]):
        for first in range(0, 200, 50):
            await publish(kafka_bootstrap, topic.name, first, first + 50)
            await all_copied(kafka_bootstrap, store, [topic.name])
    verified = await verify(store, await held(store))
    assert verified.is_sound
    assert verified.records == 200


async def test_offsets_that_retention_ate_are_named(
    kafka_bootstrap: str, topic: Topic, tmp_path: Path
) -> None:
    store = DirectoryStore(tmp_path)
    async with copying(copier(kafka_bootstrap, store, [topic.name])):
        await publish(kafka_bootstrap, topic.name, 0, 60)
        await all_copied(kafka_bootstrap, store, [topic.name])
    before = await copied_up_to(store)
    await publish(kafka_bootstrap, topic.name, 60, 120)
    where = Partition(topic.name, 0)
    async with admin_client(kafka_bootstrap) as client:
        await client.delete_records(
            {LIBRARY.TopicPartition(topic.name, 0): ADMIN.RecordsToDelete(before[where] + 2)}
        )
    async with copying(copier(kafka_bootstrap, store, [topic.name])):
        await all_copied(kafka_bootstrap, store, [topic.name])
    verified = await verify(store, await held(store))
    assert verified.is_sound
    (hole,) = verified.holes
    assert (hole.begins_at, hole.ends_before) == (before[where], before[where] + 2)


async def test_copy_that_has_more_than_the_broker_stops_instead_of_going_on(
    kafka_bootstrap: str, topic: Topic, tmp_path: Path
) -> None:
    store = DirectoryStore(tmp_path)
    await publish(kafka_bootstrap, topic.name, 0, 3)
    cluster, ident = await cluster_id(kafka_bootstrap), await topic_id(kafka_bootstrap, topic.name)
    lineage = Lineage(cluster, topic.name, ident, 0)
    _, data = sealed(lineage, Stretch(0, 1_000, b""), previous=GENESIS, sealed_at="")
    await store.create(str(SegmentName(lineage, 0)), data)
    with pytest.raises(InvariantBroken, match="1000 of it were copied"):
        await copier(kafka_bootstrap, store, [topic.name]).run(asyncio.Event())


@pytest.mark.fault
async def test_archiver_killed_at_any_moment_loses_and_doubles_nothing(
    kafka_bootstrap: str, tmp_path: Path
) -> None:
    topics = [STRIPE_EVENTS, DISCREPANCIES_CURRENT]
    await create_topics(kafka_bootstrap)
    store = DirectoryStore(tmp_path)
    environment = {
        "TALLYSTICK_ARCHIVER_AGE_SECONDS": "0.1",
        "TALLYSTICK_ARCHIVER_SEGMENT_BYTES": "1000",
    }
    for round_number in range(5):
        before = len(await names_in(store))
        process = start_archiver(kafka_bootstrap, str(tmp_path), **environment)
        try:
            for step in range(4):
                first = (round_number * 4 + step) * 25
                await publish(kafka_bootstrap, STRIPE_EVENTS, first, first + 25)

            async def some(before: int = before) -> bool:
                return len(await names_in(store)) > before + 3

            await until("more segments", some)
        finally:
            process.send_signal(signal.SIGKILL)
            process.communicate()
    process = start_archiver(kafka_bootstrap, str(tmp_path), **environment)
    await publish(kafka_bootstrap, STRIPE_EVENTS, 500, 525)
    await all_copied(kafka_bootstrap, store, topics)
    process.terminate()
    _, said = process.communicate(timeout=30)
    assert process.returncode == 0, said.decode()
    verified = await verify(store, await held(store))
    assert (verified.faults, verified.holes) == ([], [])
    copied = {
        lineage.partition: [r.offset for r in records]
        for lineage, records in (await records_in(store)).items()
        if lineage.topic == STRIPE_EVENTS
    }
    there = await on_the_broker(kafka_bootstrap, TOPICS[STRIPE_EVENTS])
    assert copied == {n: [r.offset for r in rows] for n, rows in there.items() if rows}
