"""A restore killed in the middle, again and again, goes on from what the broker has."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from services.archiver.manifest import SegmentName
from services.archiver.records import CopiedRecord
from services.archiver.segments import GENESIS, Lineage, sealed, stretch_of
from services.archiver.shell.restoring import compared, planned
from services.archiver.shell.resuming import RestoreRefused
from services.archiver.shell.store import DirectoryStore
from shared.contracts.topics import (
    BANK_OBSERVATIONS,
    DISCREPANCIES_CURRENT,
    STRIPE_EVENTS,
    TOPICS,
)
from shared.runtime.kafka import cluster_id, end_offsets, topic_problems
from shared.runtime.kafka_client import KafkaAddress, Partition
from shared.runtime.kafka_exact import RawRecord, exact_writer
from tests.support.ledger import fresh_topics, until

pytestmark = [pytest.mark.stack, pytest.mark.fault, pytest.mark.timeout(300)]
ROOT = Path(__file__).parents[2]

SEGMENTS, EACH = 40, 100
KILLS = (0.1, 0.4, 0.7)
TOPICS_COPIED = (STRIPE_EVENTS, BANK_OBSERVATIONS)


def lineage_of(topic: str, partition: int, cluster: str = "lost") -> Lineage:
    return Lineage(cluster, topic, f"id-of-{topic}", partition)


async def copied(store: DirectoryStore, cluster: str = "lost") -> int:
    """A copy of six partitions in many segments, and of a compacted one; how many records."""
    count = 0
    for topic in TOPICS_COPIED:
        for partition in range(3):
            count += await chained(store, lineage_of(topic, partition, cluster), range(SEGMENTS))
    # Of a compacted partition the copy has what was left of it: its offsets have gaps.
    gaps = [CopiedRecord(n, 1_795_000_000_000 + n, b"k%d" % n, b"v", ()) for n in range(1, 60, 7)]
    await planted(store, lineage_of(DISCREPANCIES_CURRENT, 0, cluster), 0, gaps, 60, GENESIS)
    return count + len(gaps)


async def chained(store: DirectoryStore, lineage: Lineage, numbers: range) -> int:
    link = GENESIS
    for number in numbers:
        at = number * EACH
        records = [
            CopiedRecord(n, 1_795_000_000_000 + n, b"k", b"%d" % n * 300, (("h", b"x"),))
            for n in range(at, at + EACH)
        ]
        link = await planted(store, lineage, at, records, at + EACH, link)
    return len(numbers) * EACH


async def planted(
    store: DirectoryStore,
    lineage: Lineage,
    begins_at: int,
    records: list[CopiedRecord],
    ends_before: int,
    previous: str,
) -> str:
    stretch = stretch_of(begins_at, ends_before, records)
    head, data = sealed(lineage, stretch, previous=previous, sealed_at="")
    await store.create(str(SegmentName(lineage, begins_at)), data)
    return head.link


def restoring(bootstrap: str, copy: Path, *more: str) -> subprocess.Popen[bytes]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith("TALLYSTICK_")}
    command = ["restore", "--from", str(copy), "--no-audit", "--json", *more]
    return subprocess.Popen(
        [sys.executable, "-m", "tallystick", *command],
        cwd=ROOT,
        env=kept | {"TALLYSTICK_KAFKA_BOOTSTRAP": bootstrap},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


async def there(bootstrap: str) -> int:
    return sum((await end_offsets(bootstrap, TOPICS)).values())


@pytest.fixture
async def target(kafka_bootstrap: str) -> str:
    await fresh_topics(kafka_bootstrap)
    return kafka_bootstrap


async def test_restore_killed_in_the_middle_goes_on_and_ends_with_the_copy_exactly(
    target: str, tmp_path: Path
) -> None:
    count = await copied(DirectoryStore(tmp_path))
    written = 0
    for number, part in enumerate(KILLS):
        child = restoring(target, tmp_path, *(["--resume"] if number else []))
        enough = int(count * part)

        async def is_in_the_middle(enough: int = enough) -> bool:
            return await there(target) >= enough

        await until("records to be written", is_in_the_middle, seconds=60)
        child.kill()
        child.communicate()
        assert written < (written := await there(target)) < count, "killed too late to tell"
    refused = restoring(target, tmp_path)
    _, said = await asyncio.to_thread(refused.communicate)
    assert refused.returncode == 4
    assert b"--resume" in said
    assert await there(target) == written

    resumed = restoring(target, tmp_path, "--resume")
    out, said = await asyncio.to_thread(resumed.communicate)
    assert resumed.returncode == 0, said.decode()
    told = json.loads(out)
    assert told["differences"] == []
    assert (told["found"], told["records"]) == (written, count - written)
    kafka = KafkaAddress(target)
    assert await there(target) == count
    assert await topic_problems(kafka) == []
    names = {
        x: row
        for x, row in (
            await planned(DirectoryStore(tmp_path), kafka, TOPICS, resume=True)
        ).names.items()
        if x.topic != DISCREPANCIES_CURRENT
    }
    differences, segments = await compared(
        DirectoryStore(tmp_path), kafka, names, progress=lambda _: None
    )
    assert (differences, segments) == ([], SEGMENTS * 6)


async def test_resume_refuses_a_broker_that_has_what_no_restore_of_this_copy_wrote(
    target: str, tmp_path: Path
) -> None:
    store, kafka = DirectoryStore(tmp_path), KafkaAddress(target)
    await chained(store, lineage_of(BANK_OBSERVATIONS, 1), range(2))
    strange = RawRecord(-1, 1_795_000_000_000, b"k", b"0" * 300, (("h", b"y"),))
    async with exact_writer(kafka, client_id="stranger") as writer:
        await writer.append(Partition(BANK_OBSERVATIONS, 1), strange)
        with pytest.raises(RestoreRefused, match=r"bank.observations/1 has something else at .* 0"):
            await planned(store, kafka, TOPICS, resume=True)
        await writer.append(Partition(STRIPE_EVENTS, 0), strange)
        with pytest.raises(RestoreRefused, match=r"nothing of stripe.events/0"):
            await planned(store, kafka, TOPICS, resume=True)
    assert await there(target) == 2


async def test_resume_refuses_the_broker_that_was_copied(target: str, tmp_path: Path) -> None:
    store, kafka = DirectoryStore(tmp_path), KafkaAddress(target)
    await chained(store, lineage_of(BANK_OBSERVATIONS, 1, await cluster_id(kafka)), range(1))
    async with exact_writer(kafka, client_id="anybody") as writer:
        record = RawRecord(-1, 1_795_000_000_000, b"k", b"v", ())
        await writer.append(Partition(BANK_OBSERVATIONS, 1), record)
    with pytest.raises(RestoreRefused, match="the one that the copy was made of"):
        await planned(store, kafka, TOPICS, resume=True)
