"""What a store holds: its last segments, its whole chains, and whether they hold."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

from services.archiver.manifest import (
    PREFIX,
    ChainWalk,
    Hole,
    SegmentName,
    by_lineage,
    segment_name,
)
from services.archiver.segments import (
    HEAD_BYTES_MAX,
    Head,
    Lineage,
    Segment,
    SegmentHeader,
    head_of,
)
from services.archiver.shell.store import ArchiveStore
from shared.contracts.errors import TallystickError, Unreadable

READS_AT_ONCE: Final = 16
Progress = Callable[[int, int], None]


class ArchiveBroken(TallystickError):
    """A segment is not what it says; nothing may be built on it."""


async def held(store: ArchiveStore, cluster_id: str = "") -> dict[Lineage, list[SegmentName]]:
    """The names of every lineage, of one cluster or of all.

    Raises:
        Unavailable: The store does not answer.
    """
    paths = await store.names(f"{PREFIX}/{cluster_id}" if cluster_id else PREFIX)
    return by_lineage(name for path in paths if (name := segment_name(path)) is not None)


async def head_at(store: ArchiveStore, name: SegmentName) -> Head:
    """The head of one segment.

    Raises:
        ArchiveBroken: It is not a segment's, or another's.
    """
    try:
        head = head_of(await store.beginning(str(name), HEAD_BYTES_MAX))
    except Unreadable as error:
        raise ArchiveBroken(f"{name}: {error}") from error
    if head.header.lineage != name.lineage or head.header.begins_at != name.begins_at:
        raise ArchiveBroken(f"{name}: its header is that of another segment")
    return head


async def heads_at(store: ArchiveStore, names: Iterable[SegmentName]) -> list[Head]:
    """The heads of several segments, in the order asked for."""
    free = asyncio.Semaphore(READS_AT_ONCE)

    async def one(name: SegmentName) -> Head:
        async with free:
            return await head_at(store, name)

    return await asyncio.gather(*(one(name) for name in names))


async def last_heads(store: ArchiveStore, cluster_id: str) -> dict[Lineage, Head]:
    """The head of the last segment of each lineage: where the copy goes on."""
    names = await held(store, cluster_id)
    heads = await heads_at(store, [each[-1] for each in names.values()])
    return dict(zip(names, heads, strict=True))


@dataclass(frozen=True, slots=True)
class Fault:
    """The first segment of a lineage that is not as it should be."""

    name: str
    problem: str

    def __str__(self) -> str:
        return f"{self.name}: {self.problem}"


@dataclass(slots=True)
class Verification:
    """What a reading of whole chains found; ``faults`` has the first bad one of each lineage."""

    lineages: int = 0
    segments: int = 0
    records: int = 0
    content_bytes: int = 0
    stored_bytes: int = 0
    headers: dict[Lineage, list[SegmentHeader]] = field(
        default_factory=dict[Lineage, list[SegmentHeader]]
    )
    faults: list[Fault] = field(default_factory=list[Fault])
    holes: list[Hole] = field(default_factory=list[Hole])

    @property
    def is_sound(self) -> bool:
        """Whether every segment is what it says and stands in its place."""
        return not self.faults

    def count(self, segment: Segment) -> None:
        """Add a sound segment."""
        header = segment.head.header
        self.headers.setdefault(header.lineage, []).append(header)
        self.segments += 1
        self.records += header.count
        self.content_bytes += header.content_bytes
        self.stored_bytes += header.stored_bytes


async def verify(
    store: ArchiveStore,
    names: dict[Lineage, list[SegmentName]],
    *,
    progress: Progress | None = None,
) -> Verification:
    """Read every byte of these chains again and hold it against its digest and its neighbours.

    Raises:
        Unavailable: The store does not answer.
    """
    found = Verification(lineages=len(names))
    total = sum(len(each) for each in names.values())
    for lineage, row in sorted(names.items()):
        walk = ChainWalk(lineage)
        for name in row:
            try:
                segment = await _opened(store, name)
            except Unreadable as error:
                found.faults.append(Fault(str(name), str(error)))
                break
            problem, hole = walk.step(name, segment.head)
            if problem is not None:
                found.faults.append(Fault(str(name), problem))
                break
            if hole is not None:
                found.holes.append(hole)
            found.count(segment)
            if progress is not None:
                progress(found.segments, total)
    return found


async def segments_of(
    store: ArchiveStore, names: list[SegmentName]
) -> AsyncGenerator[Segment, None]:
    """The segments of one lineage, each checked by itself; the next is read meanwhile.

    Raises:
        ArchiveBroken: One is not what it says.
        Unavailable: The store does not answer.
    """
    upcoming = asyncio.create_task(_opened(store, names[0])) if names else None
    try:
        for at, name in enumerate(names):
            if upcoming is None:
                return
            try:
                segment = await upcoming
            except Unreadable as error:
                raise ArchiveBroken(f"{name}: {error}") from error
            following = names[at + 1 : at + 2]
            upcoming = asyncio.create_task(_opened(store, following[0])) if following else None
            yield segment
    finally:
        if upcoming is not None:
            upcoming.cancel()
            await asyncio.gather(upcoming, return_exceptions=True)


async def _opened(store: ArchiveStore, name: SegmentName) -> Segment:
    data = await store.read(str(name))
    return await asyncio.to_thread(Segment.opened, data)
