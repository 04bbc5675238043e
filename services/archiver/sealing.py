"""When what was read becomes a segment: by size, by age, or because too much is in hand."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from services.archiver.records import CopiedRecord, encoded
from services.archiver.segments import Lineage, Stretch


@dataclass(frozen=True, slots=True)
class SealingRules:
    """The bounds.

    Attributes:
        segment_bytes: A stretch of this size is sealed.
        age_ms: So is one whose oldest record was appended this long ago.
        buffered_bytes_max: With more than this in hand the largest stretches are sealed.
    """

    segment_bytes: int
    age_ms: int
    buffered_bytes_max: int


@dataclass(slots=True)
class OpenStretch:
    """What was read of a partition since the last segment."""

    begins_at: int
    ends_before: int
    opened_at_ms: int | None = None
    chunks: list[bytes] = field(default_factory=list[bytes])
    size_bytes: int = 0
    first: CopiedRecord | None = None
    last: CopiedRecord | None = None

    @property
    def is_empty(self) -> bool:
        """Whether it covers no offset yet."""
        return self.ends_before == self.begins_at

    def take(self, records: Iterable[CopiedRecord], *, up_to: int, now_ms: int) -> None:
        """Add records, and say that everything before ``up_to`` has been read."""
        for record in records:
            chunk = encoded(record)
            self.chunks.append(chunk)
            self.size_bytes += len(chunk)
            self.first = self.first or record
            self.last = record
        self.ends_before = max(self.ends_before, up_to)
        if self.opened_at_ms is None and not self.is_empty:
            self.opened_at_ms = now_ms

    def stretch(self) -> Stretch:
        """What is to be sealed."""
        first, last = self.first, self.last
        return Stretch(
            begins_at=self.begins_at,
            ends_before=self.ends_before,
            content=b"".join(self.chunks),
            count=len(self.chunks),
            first_offset=None if first is None else first.offset,
            last_offset=None if last is None else last.offset,
            first_timestamp_ms=None if first is None else first.timestamp_ms,
            last_timestamp_ms=None if last is None else last.timestamp_ms,
        )

    def successor(self) -> "OpenStretch":
        """The stretch that begins where this one ends."""
        return OpenStretch(self.ends_before, self.ends_before)


def due(
    stretches: Mapping[Lineage, OpenStretch],
    rules: SealingRules,
    *,
    now_ms: int,
    caught_up: frozenset[Lineage],
    is_last: bool = False,
) -> list[Lineage]:
    """The stretches that are to be sealed now, in the order of their lineages.

    ``caught_up`` are those read to the end of their partition: of them an old record is sealed
    at once; of the others more is on its way, and a small segment would be one of very many.
    ``is_last`` seals all that there is.
    """
    found = {
        lineage
        for lineage, stretch in stretches.items()
        if not stretch.is_empty
        and (
            is_last
            or stretch.size_bytes >= rules.segment_bytes
            or _is_old(stretch, rules, now_ms=now_ms, is_caught_up=lineage in caught_up)
        )
    }
    left = {x: s.size_bytes for x, s in stretches.items() if x not in found}
    in_hand = sum(left.values())
    for lineage in sorted(left, key=lambda each: (-left[each], each)):
        if in_hand <= rules.buffered_bytes_max:
            break
        found.add(lineage)
        in_hand -= left[lineage]
    return sorted(found)


def _is_old(stretch: OpenStretch, rules: SealingRules, *, now_ms: int, is_caught_up: bool) -> bool:
    in_hand_since = now_ms if stretch.opened_at_ms is None else stretch.opened_at_ms
    if now_ms - in_hand_since >= rules.age_ms:
        return True
    # A record without a time, or one of a broker whose clock runs ahead, waits in hand for its age.
    oldest = in_hand_since if stretch.first is None else stretch.first.timestamp_ms
    return is_caught_up and now_ms - oldest >= rules.age_ms
