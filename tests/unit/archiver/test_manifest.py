"""What a store holds, from names and heads: chains, holes, and which copy a restore takes."""

from dataclasses import replace

import pytest

from services.archiver.manifest import (
    ChainWalk,
    Hole,
    SegmentName,
    by_lineage,
    chosen,
    first_shift,
    segment_name,
)
from services.archiver.records import CopiedRecord
from services.archiver.segments import (
    GENESIS,
    Head,
    Lineage,
    SegmentHeader,
    sealed,
    stretch_of,
)

LINEAGE = Lineage("J6nx_-Q", "stripe.events", "0b9c-11", 3)


def chain(*ranges: tuple[int, int]) -> list[tuple[SegmentName, Head]]:
    found: list[tuple[SegmentName, Head]] = []
    link = GENESIS
    for begins_at, ends_before in ranges:
        head, _ = sealed(
            LINEAGE, stretch_of(begins_at, ends_before, []), previous=link, sealed_at=""
        )
        found.append((SegmentName(LINEAGE, begins_at), head))
        link = head.link
    return found


def walked(links: list[tuple[SegmentName, Head]]) -> list[tuple[str | None, Hole | None]]:
    walk = ChainWalk(LINEAGE)
    return [walk.step(name, head) for name, head in links]


def test_name_read_back_is_the_same() -> None:
    name = SegmentName(LINEAGE, 12)
    assert str(name) == ("segments/J6nx_-Q/stripe.events/0b9c-11/3/00000000000000000012.segment")
    assert segment_name(str(name)) == name


def test_name_of_something_else_is_none_of_ours() -> None:
    name = str(SegmentName(LINEAGE, 12))
    for other in (name + ".tmp", "x/" + name, name.replace("/3/", "/three/"), "", "README"):
        assert segment_name(other) is None


def test_names_of_a_lineage_come_in_the_order_of_offsets() -> None:
    names = [SegmentName(LINEAGE, n) for n in (100, 9, 10_000_000_000)]
    assert [n.begins_at for n in by_lineage(names)[LINEAGE]] == [9, 100, 10_000_000_000]


def test_chain_without_a_hole_holds() -> None:
    assert walked(chain((0, 10), (10, 11), (11, 50))) == [(None, None)] * 3


def test_chain_after_retention_holds_and_names_the_lost_offsets() -> None:
    (first, second) = walked(chain((4, 10), (12, 50)))
    assert first == (None, Hole(LINEAGE, 0, 4))
    assert second == (None, Hole(LINEAGE, 10, 12))
    assert str(second[1]) == "stripe.events/3: offsets 10 to 11 are lost"


def test_chain_with_a_segment_taken_out_is_broken_and_not_a_hole() -> None:
    links = chain((0, 10), (10, 20), (20, 30))
    problem, hole = walked([links[0], links[2]])[1]
    assert problem is not None
    assert "follow" in problem
    assert hole is None


def test_chain_with_a_segment_exchanged_is_broken_after_it() -> None:
    links = chain((0, 10), (10, 20))
    other, _ = sealed(LINEAGE, stretch_of(0, 9, []), previous=GENESIS, sealed_at="later")
    told = walked([(links[0][0], other), links[1]])
    assert told[0] == (None, None)
    assert told[1][0] is not None


def test_segment_under_another_name_is_found() -> None:
    ((_, head),) = chain((0, 10))
    problem, _ = ChainWalk(LINEAGE).step(SegmentName(LINEAGE, 5), head)
    assert problem == "its header is that of another segment"


def test_restore_takes_the_only_cluster_there_is() -> None:
    other = replace(LINEAGE, partition=4)
    assert chosen([other, LINEAGE]).lineages == (LINEAGE, other)


def test_restore_asks_which_cluster_where_there_are_two() -> None:
    other = replace(LINEAGE, cluster_id="zz")
    assert "several clusters" in chosen([other, LINEAGE]).problem
    assert chosen([other, LINEAGE], cluster_id="zz").lineages == (other,)
    assert "no copy of" in chosen([other, LINEAGE], cluster_id="third").problem


def test_restore_asks_which_topic_where_it_was_made_twice() -> None:
    other = replace(LINEAGE, topic_id="ffff")
    third = replace(LINEAGE, topic="bank.observations", topic_id="aaaa")
    assert "made 2 times: 0b9c-11, ffff" in chosen([other, LINEAGE, third]).problem
    assert chosen([other, LINEAGE, third], topic_ids=["ffff"]).lineages == (third, other)


def test_restore_from_nothing_says_so() -> None:
    assert chosen([]).problem == "there is no segment in it"


def headers_of(*ranges: tuple[int, int, list[int]]) -> list[SegmentHeader]:
    return [
        sealed(
            LINEAGE,
            stretch_of(begins_at, ends_before, [CopiedRecord(n, 0, None, b"", ()) for n in there]),
            previous=GENESIS,
            sealed_at="",
        )[0].header
        for begins_at, ends_before, there in ranges
    ]


NOTHING: list[int] = []


@pytest.mark.parametrize(
    ("ranges", "shift"),
    [
        ([(0, 3, NOTHING)], None),
        ([(0, 2, [0, 1]), (2, 3, [2])], None),
        ([(0, 3, [0, 1]), (3, 5, NOTHING)], None),
        ([(0, 3, [0, 1]), (3, 4, [3])], 3),
        ([(0, 2, NOTHING), (2, 3, [2])], 2),
        ([(0, 1, [0]), (1, 5, [1, 3, 4])], 1),
        ([(7, 8, [7])], 7),
    ],
    ids=["none", "whole", "gap at the end", "gap", "gap at 0", "gap within", "late start"],
)
def test_offsets_shift_only_behind_a_gap(
    ranges: list[tuple[int, int, list[int]]], shift: int | None
) -> None:
    assert first_shift(headers_of(*ranges)) == shift
