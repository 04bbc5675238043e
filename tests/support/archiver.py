"""The archiver on a real broker for tests: as a part in this process, or as a process."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from services.archiver.manifest import SegmentName
from services.archiver.records import CopiedRecord
from services.archiver.sealing import SealingRules
from services.archiver.segments import Compression, Lineage
from services.archiver.shell.copying import Copier
from services.archiver.shell.holdings import heads_at, held, segments_of
from services.archiver.shell.store import ArchiveStore
from shared.runtime.kafka import end_offsets
from shared.runtime.kafka_client import KafkaAddress, Partition
from shared.runtime.metrics import Health
from tests.support.ledger import until

ROOT: Final = Path(__file__).parents[2]


def copier(
    bootstrap: str,
    store: ArchiveStore,
    topics: Sequence[str],
    *,
    segment_bytes: int = 4_000,
    age_ms: int = 200,
    compression: Compression = Compression.GZIP,
) -> Copier:
    """A copier of small segments."""
    return Copier(
        kafka=KafkaAddress(bootstrap),
        topics=tuple(topics),
        store=store,
        rules=SealingRules(segment_bytes, age_ms, buffered_bytes_max=64_000_000),
        compression=compression,
        health=Health(),
    )


@asynccontextmanager
async def copying(part: Copier) -> AsyncGenerator[asyncio.Event]:
    """The copier at work, stopped as SIGTERM would at the end."""
    stop = asyncio.Event()
    task = asyncio.create_task(part.run(stop))
    try:
        yield stop
    finally:
        stop.set()
        await task


async def copied_up_to(store: ArchiveStore) -> dict[Partition, int]:
    """The offset that each partition is copied up to."""
    names = await held(store)
    heads = await heads_at(store, [row[-1] for row in names.values()])
    return {
        Partition(x.topic, x.partition): head.header.ends_before
        for x, head in zip(names, heads, strict=True)
    }


async def all_copied(bootstrap: str, store: ArchiveStore, topics: Sequence[str]) -> None:
    """Wait until the copy has all that stands on the topics now."""
    ends = {p: end for p, end in (await end_offsets(bootstrap, topics)).items() if end}

    async def done() -> bool:
        there = await copied_up_to(store)
        return all(there.get(p, 0) >= end for p, end in ends.items())

    await until("the copy to be whole", done)


async def records_in(store: ArchiveStore) -> dict[Lineage, list[CopiedRecord]]:
    """Every record of the copy."""
    found: dict[Lineage, list[CopiedRecord]] = {}
    for lineage, names in (await held(store)).items():
        found[lineage] = []
        async for segment in segments_of(store, names):
            found[lineage] += segment.records()
    return found


async def names_in(store: ArchiveStore) -> list[SegmentName]:
    """Every name of the copy."""
    return [name for row in (await held(store)).values() for name in row]


def start_archiver(bootstrap: str, place: str, **environment: str) -> subprocess.Popen[bytes]:
    """The service as a process of its own."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("TALLYSTICK_")}
    told = {
        "TALLYSTICK_KAFKA_BOOTSTRAP": bootstrap,
        "TALLYSTICK_ARCHIVER_PLACE": place,
        "TALLYSTICK_ARCHIVER_PORT": "0",
    }
    return subprocess.Popen(
        [sys.executable, "-m", "services.archiver"],
        cwd=ROOT,
        env=kept | told | environment,
        stderr=subprocess.PIPE,
    )
