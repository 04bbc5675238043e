"""The passes behind the unique amount: assignment, parts, tolerance; and what a match stores."""

from datetime import timedelta
from itertools import permutations
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.reconciler.matching.assignment import best_assignment
from services.reconciler.matching.table import (
    ASSIGNMENT,
    PARTS,
    REFERENCE,
    REFERENCE_ONLY,
    REFERENCE_WITHIN,
    WITHIN,
)
from services.reconciler.reconcile import reconcile
from shared.contracts.messages import MATCH_RECORD
from tests.support.reconciler_facts import (
    ARRIVAL,
    LATER,
    SOON,
    A,
    B,
    C,
    facts_of,
    found,
    line,
    payout,
    said,
    settled,
    the_match,
)

NEXT = ARRIVAL + timedelta(days=1)
# Four letters of A taken for others: past recognition by itself.
GARBLED_A = "po_1QxqmWLkdIwHuqixxt5vXa2B"


@given(st.integers(min_value=0, max_value=2**32))
@settings(max_examples=200, deadline=None)
def test_best_assignment_is_as_good_as_the_best_of_all_that_there_are(seed: int) -> None:
    random = Random(seed)
    rows, columns = random.randrange(1, 5), random.randrange(1, 5)
    points = [[random.choice((-1, 0, 10, 35, 40, 79)) for _ in range(columns)] for _ in range(rows)]
    chosen, total = best_assignment(points)
    assert len({c for c in chosen if c >= 0}) == len([c for c in chosen if c >= 0])
    assert total == sum(points[r][c] for r, c in enumerate(chosen) if c >= 0)
    places = [*range(columns), *([-1] * rows)]
    best = max(
        sum(points[r][c] for r, c in enumerate(way[:rows]) if c >= 0)
        for way in set(permutations(places, rows))
        if all(c < 0 or points[r][c] >= 0 for r, c in enumerate(way))
    )
    assert total == best


def test_reference_garbled_past_recognition_tells_twins_apart_with_a_margin() -> None:
    known = (payout(), payout(B), payout(C))
    result = found(*known, line(f"STRIPE {GARBLED_A}"), line("STRIPE", id="l2"))
    assert settled(result)["l1"] == (A,)
    match = next(m for m in result.matches if m.line is not None and m.line.id == "l1")
    assert match.rule == ASSIGNMENT
    assert match.score is not None
    assert match.score < 100


def test_garbled_reference_is_never_taken_for_another_amount_or_another_day() -> None:
    assert settled(found(payout(), line(f"STRIPE {GARBLED_A}", 9_999))) == {}
    far = ARRIVAL + timedelta(days=30)
    assert settled(found(payout(), line(f"STRIPE {GARBLED_A}", on=far))) == {}


def test_whole_that_leaves_one_answer_is_taken_where_every_line_names_the_payer() -> None:
    # l1 fits both, l2 the second alone: only one assignment uses both lines.
    early, late = payout(arrival=ARRIVAL), payout(B, arrival=ARRIVAL + timedelta(days=7))
    lines = (
        line("STRIPE", on=ARRIVAL + timedelta(days=6)),
        line("STRIPE", id="l2", on=ARRIVAL + timedelta(days=9)),
    )
    assert settled(found(early, late, *lines)) == {"l1": (A,), "l2": (B,)}
    nameless = (lines[0], line("DEPOSIT", id="l2", on=ARRIVAL + timedelta(days=9)))
    assert settled(found(early, late, *nameless)).get("l1") != (B,)


def test_days_alone_are_no_margin() -> None:
    result = found(
        payout(), payout(B, arrival=NEXT), line("STRIPE"), line("STRIPE", id="l2", on=NEXT)
    )
    assert settled(result) == {}
    assert said(result) == ["ambiguous_match l1 10000", "ambiguous_match l2 10000"]


def test_lines_of_the_payer_that_alone_add_up_to_a_payout_are_its_parts() -> None:
    due = payout(minor=1_000_000)
    parts = [line("STRIPE", 412_345), line("STRIPE", 587_655, id="l2", on=NEXT)]
    result = found(due, *parts, line("STRIPE", 33_333, id="l3"))
    assert settled(result) == {"l1": (A,), "l2": (A,)}
    assert {m.rule for m in result.matches} == {PARTS}
    assert all(sum(leg.minor for leg in m.clears) == 0 for m in result.matches)
    assert said(result) == ["unidentified_bank_credit l3 33333"]


@pytest.mark.parametrize(
    ("others", "why"),
    [
        ([400_000, 600_000, 400_000], "ambiguous_match"),  # two sets
        ([500, 500], "unidentified_bank_credit"),  # not the whole
    ],
)
def test_parts_are_left_to_a_person_where_more_than_one_set_adds_up(
    others: list[int], why: str
) -> None:
    lines = [
        line("STRIPE", minor, id=f"l{n}", on=ARRIVAL + timedelta(days=n % 2))
        for n, minor in enumerate(others)
    ]
    result = found(payout(minor=1_000_000), *lines)
    assert settled(result) == {}
    assert {each.split()[0] for each in said(result)} == {why}


def test_parts_of_nobody_and_parts_that_two_payouts_need_are_not_taken() -> None:
    lines = [line("DEPOSIT", 412_345), line("DEPOSIT", 587_655, id="l2")]
    assert settled(found(payout(minor=1_000_000), *lines)) == {}
    named = [line("STRIPE", 412_345), line("STRIPE", 587_655, id="l2")]
    twice = (payout(minor=1_000_000), payout(B, 1_000_000, arrival=NEXT))
    assert settled(found(*twice, *named)) == {}


def test_parts_whose_window_has_closed_stand_together_or_not_at_all() -> None:
    due = payout(minor=1_000_000)
    parts = [line("STRIPE", 412_345), line("STRIPE", 587_655, id="l2")]
    made = [m.made(1) for m in found(due, *parts).matches]
    stranger = line("STRIPE", 587_655, id="l3", on=NEXT)
    closed = reconcile(facts_of((due, *parts, stranger), standing=made), at=LATER)
    assert settled(closed) == {"l1": (A,), "l2": (A,)}
    one_gone = reconcile(facts_of((due, parts[0]), standing=made), at=LATER)
    assert settled(one_gone) == {}


def test_difference_within_a_band_is_posted_by_its_name_and_no_break() -> None:
    result = found(payout(), line(f"STRIPE {A} LESS CHARGES", 9_900))
    match = the_match(result)
    assert (match.rule, match.delta_minor) == (REFERENCE_WITHIN, -100)
    assert {(leg.account, leg.minor) for leg in match.clears} == {
        ("liabilities:suspense", 9_900),
        ("assets:stripe:in-transit", -10_000),
        ("expenses:bank-fees", 100),
    }
    assert said(result) == []
    without = found(payout(), line(f"STRIPE {A}", 9_900))
    assert the_match(without).rule == REFERENCE_ONLY
    assert said(without) == [f"payout_amount_mismatch {A} 100"]
    named = the_match(without).made(1).difference
    assert named is not None
    assert (named.name, named.account, named.amount.minor) == ("short", "", "-100")


@pytest.mark.parametrize(
    ("text", "name"),
    [("FX", "exchange"), ("KURS 1,0832", "exchange"), ("FX1.0832", "exchange"), ("5FEE", "fee")],
)
def test_word_of_a_difference_may_be_glued_to_its_figure(text: str, name: str) -> None:
    difference = the_match(found(payout(), line(f"STRIPE {A} {text}", 9_990))).made(1).difference
    assert difference is not None
    assert difference.name == name


def test_letters_inside_an_id_say_nothing_of_a_difference() -> None:
    ident = "po_1sATv3LkdIwHu7ixbwCj9fx3"
    result = found(payout(ident), line(f"STRIPE PAYOUT {ident}", 9_970))
    assert the_match(result).rule == REFERENCE_ONLY
    assert said(result) == [f"payout_amount_mismatch {ident} 30"]


def test_line_without_a_reference_is_short_by_a_fee_of_one_payout_or_of_none() -> None:
    text = line("STRIPE TRANSFER LESS CHARGES", 9_900)
    match = the_match(found(payout(), text))
    assert match.rule == WITHIN
    assert [d.account for d in match.made(1).clears if d.account.startswith("expenses")] == [
        "expenses:bank-fees"
    ]
    assert settled(found(payout(), line("DEPOSIT LESS CHARGES", 9_900))) == {}
    assert settled(found(payout(), line("ACME LESS CHARGES", 9_900))) == {}
    two = found(payout(), payout(B, 10_050), text)
    assert said(two) == ["ambiguous_match l1 9900"]
    rivals = found(payout(), text, line("STRIPE NET OF FEES", 9_800, id="l2"))
    assert settled(rivals) == {}


def test_match_within_a_band_stands_after_its_window_with_its_difference() -> None:
    made = the_match(found(payout(), line("STRIPE TRANSFER LESS CHARGES", 9_900))).made(1)
    known = facts_of(
        (payout(), payout(B, 10_050, arrival=NEXT), line("STRIPE TRANSFER LESS CHARGES", 9_900)),
        standing=[made],
    )
    result = reconcile(known, at=LATER)
    assert settled(result) == {"l1": (A,)}
    assert the_match(result).made(1).clears == made.clears


def test_netted_debit_and_credit_that_a_line_names_are_settled_together() -> None:
    result = found(payout(), payout(B, -1_500), line(f"{A} LESS {B}", 8_500))
    assert settled(result) == {"l1": (B, A)}
    assert sum(leg.minor for leg in the_match(result).clears) == 0


def test_every_match_stores_rule_version_score_evidence_and_runner_up() -> None:
    result = found(payout(), payout(B, arrival=NEXT), line(f"STRIPE {A}"))
    made = the_match(result).made(1)
    assert (made.rule, made.score) == (REFERENCE, 100)
    assert made.rules_version
    assert made.evidence
    assert made.runner_up is not None
    assert made.runner_up.objects == (B,)
    assert made.runner_up.reason == "the line's text speaks against it"
    assert made.runner_up.score < 100
    assert MATCH_RECORD.validate_json(made.model_dump_json()) == made
    alone = the_match(found(payout(), line("STRIPE"), at=SOON)).made(1)
    assert alone.runner_up is None
    assert alone.score is not None
    assert alone.score < 60


def test_match_that_was_made_before_scores_were_told_can_still_be_read() -> None:
    told = the_match(found(payout(), line(A))).made(1).model_dump(mode="json")
    for name in ("rules_version", "score", "difference", "runner_up"):
        told.pop(name)
    old = MATCH_RECORD.validate_python(told)
    known = facts_of((payout(), line(A)), standing=[old])  # type: ignore[list-item]  # made
    assert settled(reconcile(known, at=LATER)) == {"l1": (A,)}


def test_line_that_no_pass_could_place_says_why() -> None:
    payouts = [payout(f"po_{n}", 700 + 13 * n) for n in range(18)]
    result = found(*payouts, line("STRIPE", 900_000))
    (wrong,) = [d for d in result.discrepancies if d.subject == "l1"]
    assert "more payouts than 16 in its window" in wrong.explanation
