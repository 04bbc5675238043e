"""The journal proved: whatever field of whatever row is changed, the first such row is named."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from services.ledger.proof.hash_chain import GENESIS
from services.ledger.proof.merkle import root_of
from services.ledger.proof.proving import (
    ANCHORS_MAX,
    Anchor,
    Anchors,
    Finding,
    LegRow,
    OriginProof,
    Row,
    differences,
    digest_of,
    link_of,
)
from services.ledger.shell.proof.signing import SigningKey
from services.ledger.shell.proof.witnesses import Witnesses
from tests.support.exported import entry, told
from tests.support.tree_heads import KEY, signed_head

ORIGIN: Final = "stripe.events/3"
NOW: Final = datetime(2026, 11, 21, 4, 5, 6, tzinfo=UTC)
Entry = tuple[Row, list[LegRow]]


def legs(sequence: int, minor: int) -> list[LegRow]:
    at = NOW + timedelta(seconds=sequence)
    return [
        LegRow(
            sequence, 1, "assets:stripe:settling", f"ch_{sequence}", "debit", minor, "usd", 2, at
        ),
        LegRow(sequence, 2, "revenue:stripe", "", "credit", minor, "usd", 2, at),
    ]


def linked(rows: list[Entry]) -> list[Entry]:
    """Rows with digests and links that follow."""
    link, found = GENESIS, list[Entry]()
    for row, of_row in rows:
        digested = row._replace(digest=digest_of(row, of_row))
        link = link_of(link, ORIGIN, digested)
        found.append((digested._replace(chain=link), of_row))
    return found


def journal(count: int) -> list[Entry]:
    made: list[Entry] = []
    for n in range(1, count + 1):
        at = NOW + timedelta(seconds=n)
        book = "main" if n % 3 else "other"
        row = Row(
            *(n, book, f"stripe:payment:ch_{n}", "payment", at, at, 2 * n, f"evt_{n}", 1),
            *(f"Charge ch_{n}", None, b"", b"", 2),
        )
        made.append((row, legs(n, 100 + n)))
    return linked(made)


def proved(
    rows: list[Entry], anchors: dict[int, list[Anchor]] | None = None
) -> tuple[OriginProof, Finding | None]:
    proof = OriginProof(ORIGIN, anchors or {})
    found = proof.take([row for row, _ in rows], {row.sequence: of_row for row, of_row in rows})
    return proof, found


ROW_CHANGES: Final[dict[str, object]] = {
    "book": "third",
    "reference": "x",
    "kind": "x",
    "effective_at": NOW - timedelta(days=1),
    "recorded_at": NOW - timedelta(days=1),
    "caused_offset": 999,
    "message_id": "x",
    "rules_version": 9,
    "description": "x",
    "reverses": "x",
    "digest": b"\x00" * 32,
    "chain": b"\x00" * 32,
    "posting_count": 3,
}
LEG_CHANGES: Final[dict[str, object]] = {
    "account": "x",
    "key": "x",
    "direction": "credit",
    "minor": 7,
    "currency": "eur",
    "exponent": 3,
    "ordinal": 5,
    "recorded_at": NOW,
}


def test_journal_that_nobody_touched_is_proved_with_its_sums_and_trees() -> None:
    rows = journal(10)
    proof, found = proved(rows)
    assert found is None
    assert (proof.sequence, proof.link) == (10, rows[-1][0].chain)
    assert proof.sums["main", "revenue:stripe", "usd"] == [
        0,
        sum(100 + n for n in (1, 2, 4, 5, 7, 8, 10)),
    ]
    assert proof.trees["other"].root() == root_of(rows[n][0].chain for n in (2, 5, 8))
    assert proof.ended(sequence=10, chain=rows[-1][0].chain) is None


@given(st.integers(1, 12), st.sampled_from(sorted(ROW_CHANGES)))
def test_any_changed_field_of_an_entry_names_it(at: int, field: str) -> None:
    rows = journal(12)
    row, of_row = rows[at - 1]
    changed: dict[str, Any] = {field: ROW_CHANGES[field]}
    rows[at - 1] = (row._replace(**changed), of_row)
    proof, found = proved(rows)
    assert found is not None
    assert (found.origin, found.sequence) == (ORIGIN, at)
    assert proof.sequence <= at


@given(st.integers(1, 12), st.integers(0, 1), st.sampled_from(sorted(LEG_CHANGES)))
def test_any_changed_field_of_a_posting_names_its_entry(at: int, leg: int, field: str) -> None:
    rows = journal(12)
    row, of_row = rows[at - 1]
    changed: dict[str, Any] = {field: LEG_CHANGES[field]}
    touched = list(of_row)
    touched[leg] = touched[leg]._replace(**changed)
    if touched == of_row:
        return  # It had that value.
    rows[at - 1] = (row, touched)
    _, found = proved(rows)
    assert found is not None
    assert (found.sequence, found.reference) == (at, f"stripe:payment:ch_{at}")


def taken_out(rows: list[Entry]) -> list[Entry]:
    return rows[:4] + rows[5:]


def put_in_twice(rows: list[Entry]) -> list[Entry]:
    return [*rows[:4], rows[3], *rows[4:]]


def swapped(rows: list[Entry]) -> list[Entry]:
    (one, of_one), (other, of_other) = rows[4], rows[5]
    return [
        *rows[:4],
        (other._replace(sequence=5), [leg._replace(sequence=5) for leg in of_other]),
        (one._replace(sequence=6), [leg._replace(sequence=6) for leg in of_one]),
        *rows[6:],
    ]


def without_legs(rows: list[Entry]) -> list[Entry]:
    return [*rows[:4], (rows[4][0], []), *rows[5:]]


@pytest.mark.parametrize(
    ("change", "sequence", "said"),
    [
        (taken_out, 5, "it is missing; entry 6 follows"),
        (put_in_twice, 4, "it stands twice"),
        (swapped, 5, "its link does not follow"),
        (without_legs, 5, "it has 0 postings, and was booked with 2"),
    ],
)
def test_entries_out_of_their_places_are_named(
    change: Callable[[list[Entry]], list[Entry]], sequence: int, said: str
) -> None:
    _, found = proved(change(journal(9)))
    assert found is not None
    assert found.sequence == sequence
    assert said in found.said


def test_tail_that_was_cut_is_told_by_the_head_or_by_a_witness_of_more() -> None:
    rows = journal(9)
    proof, found = proved(rows[:7])
    assert found is None
    ended = proof.ended(sequence=9, chain=rows[8][0].chain)
    assert ended is not None
    assert "the head says entry 9" in ended.said
    anchor = Anchor(9, rows[8][0].chain.hex(), "the printed head")
    proof, _ = proved(rows[:7], {9: [anchor]})
    ended = proof.ended(sequence=7, chain=rows[6][0].chain)
    assert ended is not None
    assert (ended.sequence, "the printed head tells of entry 9" in ended.said) == (8, True)


def test_journal_wholly_made_anew_is_told_by_the_anchor_behind_the_change() -> None:
    rows = journal(9)
    anchors = {n: [Anchor(n, rows[n - 1][0].chain.hex(), f"head {n}")] for n in (2, 6, 9)}
    assert proved(rows, anchors)[1] is None
    forged = list(rows)
    forged[3] = (rows[3][0]._replace(description="x"), rows[3][1])
    proof, found = proved(linked(forged), anchors)
    assert found is not None
    assert (found.sequence, proof.agreed) == (6, 2)
    assert "head 6 has" in found.said


def test_tree_of_another_size_or_root_is_told() -> None:
    rows = journal(9)
    chain = rows[8][0].chain.hex()
    root = root_of(row.chain for row, _ in rows if row.book == "other").hex()
    good = Anchor(9, chain, "a head", "other", 3, root)
    assert proved(rows, {9: [good]})[1] is None
    for bad in (good._replace(size=4), good._replace(root="00" * 32), good._replace(book="main")):
        _, found = proved(rows, {9: [bad]})
        assert found is not None
        assert "the tree of book" in found.said


def test_anchors_of_an_origin_stay_in_bounds_and_the_last_ones_stay() -> None:
    anchors = Anchors()
    for n in range(1, 3 * ANCHORS_MAX):
        anchors.add(ORIGIN, Anchor(n, "", "w", "main", n, f"{n:064x}"))
        anchors.add(ORIGIN, Anchor(n, "", "again", "main", n, f"{n:064x}"))
    kept = anchors.by_origin[ORIGIN]
    assert len(kept) <= ANCHORS_MAX
    assert kept[-1].sequence == 3 * ANCHORS_MAX - 1
    assert [a.sequence for a in kept] == sorted({a.sequence for a in kept})


def test_differences_are_told_field_by_field() -> None:
    before: dict[str, JsonValue] = {"a": 1, "postings": [{"x": {"minor": "5"}}, {"x": None}]}
    after: dict[str, JsonValue] = {"a": 1, "postings": [{"x": {"minor": "7"}}, {"x": None}], "b": 2}
    assert differences(before, before) == []
    assert differences(before, after) == [
        "postings 1.x.minor is '7', and was '5'",
        "b is 2, and was None",
    ]
    assert differences(before, {"a": 1, "postings": []}) == ["postings are 0 in number, and were 2"]


def test_head_that_is_not_to_be_trusted_anchors_nothing() -> None:
    head = signed_head(told([entry(n) for n in range(5)]))
    for other, said in (
        (head.model_copy(update={"root": "00" * 32}), "its root is not that of its origins"),
        (head.model_copy(update={"rules_version": 9}), "does not hold"),
        (signed_head(told([entry(1)]), key=SigningKey.new()), "which is no key of ours"),
    ):
        witnesses = Witnesses((KEY.public_key,))
        witnesses.head(other, "topic@1")
        (finding,) = witnesses.findings
        assert said in finding.said
        assert not witnesses.anchors.by_origin
    witnesses = Witnesses((KEY.public_key,))
    witnesses.head(head, "topic@1")
    assert (witnesses.findings, witnesses.heads, witnesses.unsigned) == ([], 1, 0)
    (anchor,) = witnesses.anchors.by_origin["stripe.events/0"]
    assert (anchor.sequence, anchor.size, anchor.book) == (5, 5, "main")


def test_two_heads_of_one_size_are_told_whatever_the_journal_says() -> None:
    witnesses = Witnesses(())
    witnesses.head(signed_head(told([entry(n) for n in range(5)])), "topic@1")
    witnesses.head(signed_head(told([entry(n + 9) for n in range(5)])), "topic@2")
    (finding,) = witnesses.findings
    assert "equivocation" in finding.said
