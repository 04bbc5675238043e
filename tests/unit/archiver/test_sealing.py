"""When a stretch is sealed."""

import pytest

from services.archiver.records import CopiedRecord
from services.archiver.sealing import OpenStretch, SealingRules, due
from services.archiver.segments import Lineage, stretch_of

A, B = (Lineage("c", "t", "id", n) for n in (0, 1))
RULES = SealingRules(segment_bytes=1_000, age_ms=60_000, buffered_bytes_max=1_500)
NOW = 1_795_000_000_000


def record(offset: int, *, at_ms: int = NOW, size: int = 100) -> CopiedRecord:
    return CopiedRecord(offset, at_ms, None, bytes(size), ())


def holding(*records: CopiedRecord, read_at_ms: int = NOW) -> OpenStretch:
    stretch = OpenStretch(0, 0)
    stretch.take(records, up_to=records[-1].offset + 1, now_ms=read_at_ms)
    return stretch


def due_at(
    now_ms: int, *, caught_up: frozenset[Lineage] = frozenset(), **held: OpenStretch
) -> list[Lineage]:
    return due({Lineage("c", "t", "id", int(k[1:])): s for k, s in held.items()}, RULES,
               now_ms=now_ms, caught_up=caught_up)  # fmt: skip


def test_stretch_that_is_small_and_young_waits() -> None:
    assert due_at(NOW + 59_999, p0=holding(record(0)), caught_up=frozenset({A})) == []


def test_stretch_of_the_size_is_sealed() -> None:
    assert due_at(NOW, p0=holding(record(0, size=1_000))) == [A]


def test_stretch_in_hand_for_its_age_is_sealed() -> None:
    assert due_at(NOW + 60_000, p0=holding(record(0))) == [A]


def test_old_record_is_sealed_as_soon_as_its_partition_is_read_to_the_end() -> None:
    held = holding(record(0, at_ms=NOW - 3_600_000))
    assert due_at(NOW, p0=held) == []
    assert due_at(NOW, p0=held, caught_up=frozenset({A})) == [A]


def test_record_of_a_clock_that_runs_ahead_is_sealed_after_its_time_in_hand() -> None:
    held = holding(record(0, at_ms=NOW + 3_600_000))
    assert due_at(NOW + 60_000, p0=held, caught_up=frozenset({A})) == [A]


def test_largest_are_sealed_when_too_much_is_in_hand() -> None:
    small, large = holding(record(0, size=700)), holding(record(0, size=900))
    assert due_at(NOW, p0=small, p1=large) == [B]


def test_nothing_read_is_nothing_to_seal_even_at_the_end() -> None:
    assert due({A: OpenStretch(5, 5)}, RULES, now_ms=NOW, caught_up=frozenset(), is_last=True) == []


def test_everything_in_hand_is_sealed_at_the_end() -> None:
    held = {A: holding(record(0)), B: holding(record(0))}
    assert due(held, RULES, now_ms=NOW, caught_up=frozenset(), is_last=True) == [A, B]


def test_range_without_a_record_is_sealed_by_its_time_in_hand() -> None:
    held = OpenStretch(4, 4)
    held.take([], up_to=6, now_ms=NOW)
    assert due_at(NOW + 60_000, p0=held) == [A]
    assert held.stretch() == stretch_of(4, 6, [])


@pytest.mark.parametrize("sizes", [[1], [1, 1], [3, 0, 2]])
def test_stretch_taken_in_pieces_is_the_one_taken_at_once(sizes: list[int]) -> None:
    records = [record(n) for n in range(sum(sizes))]
    held, rest = OpenStretch(0, 0), list(records)
    for size in sizes:
        part, rest = rest[:size], rest[size:]
        held.take(part, up_to=len(records) - len(rest), now_ms=NOW)
    assert held.stretch() == stretch_of(0, len(records), records)
    assert held.successor() == OpenStretch(len(records), len(records))
