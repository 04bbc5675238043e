"""Batches against positions: duplicates, gaps, holes."""

import pytest

from services.reconciler.shell.reading.batches import Batch, Gap, delivered
from shared.runtime.kafka import Partition, Record

PLACE = Partition("bank.observations", 3)
OTHER = Partition("bank.observations", 4)


def record(offset: int, place: Partition = PLACE) -> Record:
    return Record(place.topic, place.partition, offset, b"k", b"{}", (), 0)


def test_batch_below_the_position_is_left_out() -> None:
    batch = delivered([record(5), record(6), record(7)]).after({PLACE: 7})
    assert [r.offset for r in batch.records] == [7]
    assert batch.spans == {PLACE: (7, 8)}


def test_batch_wholly_below_the_position_moves_nothing() -> None:
    batch = delivered([record(5), record(6)]).after({PLACE: 9})
    assert batch == Batch((), {})


def test_batch_above_the_position_is_a_gap_that_names_what_is_missing() -> None:
    with pytest.raises(Gap) as gap:
        delivered([record(5), record(2, OTHER)]).after({PLACE: 3, OTHER: 2})
    assert gap.value.spans == {PLACE: (3, 5)}


def test_batch_with_a_hole_ends_before_it() -> None:
    batch = delivered([record(5), record(6), record(8), record(9)])
    assert [r.offset for r in batch.records] == [5, 6]
    assert batch.spans == {PLACE: (5, 7)}


def test_batch_delivered_out_of_order_and_twice_is_put_in_order() -> None:
    batch = delivered([record(6), record(5), record(6), record(5)])
    assert [r.offset for r in batch.records] == [5, 6]


def test_batch_in_pieces_covers_the_same_spans() -> None:
    batch = Batch((record(5), record(7), record(2, OTHER)), {PLACE: (4, 9), OTHER: (2, 3)})
    pieces = batch.one_by_one()
    assert [len(piece.records) for piece in pieces] == [1, 1, 1, 0]
    assert [piece.spans for piece in pieces] == [
        {PLACE: (4, 6)},
        {PLACE: (6, 8)},
        {OTHER: (2, 3)},
        {PLACE: (8, 9)},
    ]
