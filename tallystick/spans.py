"""How much of a topic is read: stretches of its partitions, and the newest part of them."""

from collections.abc import Mapping
from typing import TypeAlias

from shared.runtime.kafka_client import Partition

Span: TypeAlias = tuple[int, int]


def newest_spans(
    spans: Mapping[Partition, Span], records_max: int
) -> tuple[dict[Partition, Span], int]:
    """The ends of spans, together no longer than a bound, and how many records that leaves out.

    Each span has the same room; what a short one does not need the longer ones share.
    """
    taken: dict[Partition, Span] = {}
    room = records_max
    by_length = sorted(spans, key=lambda p: (spans[p][1] - spans[p][0], p))
    for left, partition in zip(range(len(by_length), 0, -1), by_length, strict=True):
        begin, end = spans[partition]
        count = min(max(end - begin, 0), room // left)
        taken[partition] = (end - count, end)
        room -= count
    return taken, sum(max(at - spans[p][0], 0) for p, (at, _) in taken.items())
