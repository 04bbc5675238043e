"""What stands in a store, from its names and heads alone: no list is kept beside the segments.

A segment's name is its lineage and the offset that it begins at. As a store takes each name once,
two archivers cannot both continue from the same place.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from services.archiver.segments import GENESIS, Head, Lineage, SegmentHeader

PREFIX: Final = "segments"
_NAME: Final = re.compile(
    PREFIX + r"/(?P<cluster>[^/]+)/(?P<topic>[^/]+)/(?P<topic_id>[^/]+)/(?P<partition>\d{1,9})/"
    r"(?P<begins_at>\d{20})\.segment"
)


@dataclass(frozen=True, slots=True, order=True)
class SegmentName:
    """Where a segment stands."""

    lineage: Lineage
    begins_at: int

    def __str__(self) -> str:
        x = self.lineage
        place = f"{PREFIX}/{x.cluster_id}/{x.topic}/{x.topic_id}/{x.partition}"
        return f"{place}/{self.begins_at:020d}.segment"


def segment_name(path: str) -> SegmentName | None:
    """The name that a path in the store is, or ``None`` for what is none of ours."""
    found = _NAME.fullmatch(path)
    if found is None:
        return None
    lineage = Lineage(found["cluster"], found["topic"], found["topic_id"], int(found["partition"]))
    return SegmentName(lineage, int(found["begins_at"]))


def by_lineage(names: Iterable[SegmentName]) -> dict[Lineage, list[SegmentName]]:
    """The names of each lineage in the order of their offsets."""
    found: dict[Lineage, list[SegmentName]] = {}
    for name in sorted(names):
        found.setdefault(name.lineage, []).append(name)
    return found


@dataclass(frozen=True, slots=True)
class Hole:
    """Offsets that no segment covers: the broker had dropped them before they were copied."""

    lineage: Lineage
    begins_at: int
    ends_before: int

    def __str__(self) -> str:
        return f"{self.lineage}: offsets {self.begins_at} to {self.ends_before - 1} are lost"


@dataclass(slots=True)
class ChainWalk:
    """A walk along the heads of one lineage, in the order of their names."""

    lineage: Lineage
    next_offset: int = 0
    link: str = GENESIS

    def step(self, name: SegmentName, head: Head) -> tuple[str | None, Hole | None]:
        """What is wrong with this head in its place, if anything, and the hole before it."""
        header = head.header
        if header.lineage != name.lineage or header.begins_at != name.begins_at:
            return "its header is that of another segment", None
        if header.previous != self.link:
            return "it does not follow the segment before it: one was exchanged or is missing", None
        if header.begins_at < self.next_offset or header.ends_before <= header.begins_at:
            return f"it begins at {header.begins_at}, and {self.next_offset} comes next", None
        hole = None
        if header.begins_at > self.next_offset:
            hole = Hole(self.lineage, self.next_offset, header.begins_at)
        self.next_offset, self.link = header.ends_before, head.link
        return None, hole


def first_shift(headers: Iterable[SegmentHeader]) -> int | None:
    """The first offset that would be another one in a partition filled from 0 without gaps.

    ``None``: every record gets the offset that it had. A gap within a segment is told by the
    segment's first offset.
    """
    comes_next = 0
    for header in headers:
        first, last = header.first_offset, header.last_offset
        if first is None or last is None:
            continue
        if first != comes_next or last + 1 - first != header.count:
            return first
        comes_next = last + 1
    return None


@dataclass(frozen=True, slots=True)
class Choice:
    """The lineages that a restore takes, or why it cannot say."""

    lineages: tuple[Lineage, ...]
    problem: str = ""


def chosen(
    lineages: Iterable[Lineage], *, cluster_id: str = "", topic_ids: Iterable[str] = ()
) -> Choice:
    """One lineage for each partition: of the cluster named, else of the only one there is.

    A topic that was deleted and made anew has two; ``topic_ids`` names the one to take.
    """
    there = sorted(lineages)
    clusters = sorted({each.cluster_id for each in there})
    if not there:
        return Choice((), "there is no segment in it")
    if not cluster_id and len(clusters) > 1:
        return Choice((), f"it holds copies of several clusters: {', '.join(clusters)}")
    of_cluster = [each for each in there if each.cluster_id == (cluster_id or clusters[0])]
    if not of_cluster:
        return Choice((), f"no copy of {cluster_id}, only of: {', '.join(clusters)}")
    wanted = set(topic_ids)
    named = {each.topic for each in of_cluster if each.topic_id in wanted}
    taken = [each for each in of_cluster if each.topic not in named or each.topic_id in wanted]
    ids: dict[str, set[str]] = {}
    for each in taken:
        ids.setdefault(each.topic, set()).add(each.topic_id)
    for topic, found in sorted(ids.items()):
        if len(found) > 1:
            return Choice((), f"{topic} was made {len(found)} times: {', '.join(sorted(found))}")
    return Choice(tuple(taken))
