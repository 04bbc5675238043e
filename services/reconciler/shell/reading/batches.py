"""Batches: records, and the stretches of partitions that they are all of."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from shared.contracts.errors import TallystickError
from shared.runtime.kafka import Partition, Record

Span = tuple[int, int]


class Gap(TallystickError):
    """Records between our position and a batch are missing: read them before going on."""

    def __init__(self, spans: Mapping[Partition, Span]) -> None:
        self.spans = dict(sorted(spans.items()))
        said = ", ".join(f"{p} {a} to {b}" for p, (a, b) in self.spans.items())
        super().__init__(f"not read yet: {said}")


@dataclass(frozen=True, slots=True)
class Batch:
    """Records in order within each partition; ``spans`` say what they are all the records of.

    A span is (first offset, offset after the last).
    """

    records: tuple[Record, ...]
    spans: Mapping[Partition, Span]

    def after(self, positions: Mapping[Partition, int]) -> "Batch":
        """What of the batch lies at or after the positions.

        Raises:
            Gap: A span begins after its partition's position.
        """
        gaps = {
            p: (positions[p], first) for p, (first, _) in self.spans.items() if first > positions[p]
        }
        if gaps:
            raise Gap(gaps)
        spans = {
            p: (positions[p], after) for p, (_, after) in self.spans.items() if after > positions[p]
        }
        records = tuple(
            r for r in self.records if r.offset >= positions[Partition(r.topic, r.partition)]
        )
        return Batch(records, spans)

    def one_by_one(self) -> list["Batch"]:
        """The batch in pieces of one record, and what is left of the spans after the last."""
        at = {p: first for p, (first, _) in self.spans.items()}
        pieces: list[Batch] = []
        for record in self.records:
            place = Partition(record.topic, record.partition)
            pieces.append(Batch((record,), {place: (at[place], record.offset + 1)}))
            at[place] = record.offset + 1
        rest = {p: (at[p], after) for p, (_, after) in self.spans.items() if at[p] < after}
        return [*pieces, Batch((), rest)] if rest else pieces


def delivered(records: Iterable[Record]) -> Batch:
    """The batch of records that were handed to us.

    Only the unbroken run from each partition's first record counts as read: what comes after a
    hole is read again from the topic, where an offset that is no record can be told from a loss.
    """
    by_partition: dict[Partition, list[Record]] = {}
    for record in records:
        by_partition.setdefault(Partition(record.topic, record.partition), []).append(record)
    kept: list[Record] = []
    spans: dict[Partition, Span] = {}
    for place in sorted(by_partition):
        run = _run(sorted(by_partition[place], key=lambda r: r.offset))
        kept += run
        spans[place] = (run[0].offset, run[-1].offset + 1)
    return Batch(tuple(kept), spans)


def _run(records: list[Record]) -> list[Record]:
    run = records[:1]
    for record in records[1:]:
        if record.offset > run[-1].offset + 1:
            break
        if record.offset == run[-1].offset + 1:
            run.append(record)
    return run
