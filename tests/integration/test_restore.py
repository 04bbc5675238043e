"""A broker lost and filled again from the copy: the same records, the same books."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from sandbox.stack import Stack
from services.archiver.config import S3Place
from services.archiver.manifest import SegmentName
from services.archiver.records import CopiedRecord
from services.archiver.segments import GENESIS, Lineage, sealed, stretch_of
from services.archiver.shell.holdings import held
from services.archiver.shell.places import store_at
from services.archiver.shell.restoring import compared, planned, restore
from services.archiver.shell.resuming import RestoreRefused
from services.archiver.shell.store import ArchiveStore, DirectoryStore
from shared.contracts.topics import (
    BANK_OBSERVATIONS,
    DISCREPANCIES_CURRENT,
    LEDGER_ENTRIES,
    LEDGER_OUTCOMES,
    STRIPE_EVENTS,
    TOPICS,
)
from shared.runtime.kafka import Record, end_offsets, topic_problems
from shared.runtime.kafka_client import KafkaAddress
from tests.support.archiver import all_copied, copier, copying
from tests.support.ledger import LedgerRig, charge, event, fresh_topics, garbage, polled
from tests.support.s3 import bucket_at, s3_place, s3_server
from tests.support.stack import embedded_stack

pytestmark = pytest.mark.stack


@pytest.fixture(scope="module")
def second() -> Iterator[Stack]:
    """Another broker and database, with nothing in them."""
    with embedded_stack() as stack:
        yield stack


@pytest.fixture(scope="module")
def bucket() -> Iterator[S3Place]:
    with s3_server() as address:
        yield s3_place(bucket_at(address))


@pytest.fixture
async def rig(kafka_bootstrap: str, database_dsn: str) -> LedgerRig:
    await fresh_topics(kafka_bootstrap)
    return LedgerRig(kafka_bootstrap, database_dsn)


def silent(_: str) -> None:
    """Progress that nobody is told of."""


def in_order(records: list[Record]) -> list[Record]:
    return sorted(records, key=lambda record: (record.partition, record.offset))


BOOKED = (
    "select o.topic, o.partition, e.sequence, e.reference, e.digest, e.chain, e.recorded_at"
    " from ledger.entries e join ledger.origins o using (origin_id) order by 1, 2, 3"
)


async def test_restored_broker_gives_the_same_records_and_the_same_books(
    rig: LedgerRig, second: Stack, bucket: S3Place
) -> None:
    store = store_at(bucket)
    async with rig.ledger(), copying(copier(rig.bootstrap, store, list(TOPICS), age_ms=500)):
        await rig.publish(
            *(event(f"evt_{n}", charge(f"ch_{n}", 100 + n)) for n in range(120)),
            *(polled(charge(f"ch_{n}", 100 + n)) for n in range(120)),
            *(event(f"evt_{n}", charge(f"ch_{n}", 100 + n)) for n in range(0, 120, 3)),
            event("evt_other", charge("ch_0", 999)),
            garbage("bad", b"{"),
        )
        await rig.caught_up()
        await all_copied(rig.bootstrap, store, list(TOPICS))
    booked = [tuple(row) for row in await rig.fetch(BOOKED)]
    assert len(booked) == 120

    kafka = KafkaAddress(second.kafka_bootstrap)
    plan = await planned(store, kafka, TOPICS)
    assert plan.shifts == {}
    done = await restore(store, kafka, TOPICS, plan, progress=silent)
    assert done.differences == []
    assert done.records == plan.verified.records > 281
    assert done.compared == plan.verified.segments
    assert await topic_problems(kafka) == []
    assert await end_offsets(kafka, TOPICS) == await end_offsets(rig.bootstrap, TOPICS)

    other = LedgerRig(second.kafka_bootstrap, second.postgres_dsn)
    for topic in (STRIPE_EVENTS, LEDGER_ENTRIES, LEDGER_OUTCOMES):
        assert in_order(await other.records(topic)) == in_order(await rig.records(topic))
    async with other.ledger():
        await other.caught_up()
    assert [tuple(row) for row in await other.fetch(BOOKED)] == booked
    assert len(await other.entries()) == len(await rig.entries())

    with pytest.raises(RestoreRefused, match="the broker is not empty"):
        await planned(store, kafka, TOPICS)
    names = await held(store)
    assert (await compared(store, kafka, names, progress=silent))[0] == []


def planted(lineage: Lineage, *offsets: int, ends_before: int) -> tuple[str, bytes]:
    records = [
        CopiedRecord(n, 1_795_000_000_000 + n, b"k", None if n == 1 else b"v", ()) for n in offsets
    ]
    _, data = sealed(lineage, stretch_of(0, ends_before, records), previous=GENESIS, sealed_at="")
    return str(SegmentName(lineage, 0)), data


@pytest.fixture
async def empty(kafka_bootstrap: str) -> KafkaAddress:
    """The first broker with empty topics that are there already."""
    await fresh_topics(kafka_bootstrap)
    return KafkaAddress(kafka_bootstrap)


LINEAGE = Lineage("lost", BANK_OBSERVATIONS, "topic-1", 2)


async def test_offsets_that_would_move_are_refused_and_can_be_accepted(
    empty: KafkaAddress, tmp_path: Path
) -> None:
    store = DirectoryStore(tmp_path)
    await store.create(*planted(LINEAGE, 0, 1, 3, ends_before=5))
    with pytest.raises(RestoreRefused, match=r"bank.observations/2 from offset 0"):
        await planned(store, empty, TOPICS)
    plan = await planned(store, empty, TOPICS, accept_shifted_offsets=True)
    done = await restore(store, empty, TOPICS, plan, progress=silent)
    assert (done.records, done.differences) == (3, [])
    assert done.shifts == {"bank.observations/2": 0}


async def test_gaps_of_a_compacted_topic_are_no_reason_to_refuse(
    empty: KafkaAddress, tmp_path: Path
) -> None:
    store = DirectoryStore(tmp_path)
    compacted = replace(LINEAGE, topic=DISCREPANCIES_CURRENT)
    await store.create(*planted(compacted, 1, 7, ends_before=9))
    plan = await planned(store, empty, TOPICS)
    done = await restore(store, empty, TOPICS, plan, progress=silent)
    assert (done.records, done.compared, done.differences) == (2, 0, [])


async def changed(store: ArchiveStore, folder: Path) -> str:
    (name,) = await store.names("segments")
    path = folder / name
    data = bytearray(await asyncio.to_thread(path.read_bytes))
    data[-1] ^= 1
    await asyncio.to_thread(path.write_bytes, bytes(data))
    return name


async def test_copy_with_a_changed_byte_is_refused_before_anything_is_written(
    empty: KafkaAddress, tmp_path: Path
) -> None:
    store = DirectoryStore(tmp_path)
    await store.create(*planted(LINEAGE, 0, 1, ends_before=2))
    name = await changed(store, tmp_path)
    with pytest.raises(RestoreRefused, match=name):
        await planned(store, empty, TOPICS)
    assert set((await end_offsets(empty, TOPICS)).values()) == {0}


async def test_partition_that_the_registry_does_not_have_is_refused(
    empty: KafkaAddress, tmp_path: Path
) -> None:
    store = DirectoryStore(tmp_path)
    await store.create(*planted(replace(LINEAGE, partition=8), 0, ends_before=1))
    with pytest.raises(RestoreRefused, match="the registry has no"):
        await planned(store, empty, TOPICS)
