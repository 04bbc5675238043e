"""References: exact, short, over, in parts, twice, late, and as banks mangle them."""

from datetime import date, timedelta

import pytest

from services.reconciler.findings.found import difference
from services.reconciler.matching.table import (
    AMOUNT,
    REFERENCE,
    REFERENCE_ONLY,
    REFERENCE_PARTS,
    REFERENCES,
    RETURNED,
)
from services.reconciler.reconcile import reconcile
from services.reconciler.rules.expectations import Stage
from shared.contracts.discrepancies import BreakClass, DiscrepancyKind
from shared.contracts.messages import MatchMade, MatchUndone
from tests.support.reconciler_facts import (
    ARRIVAL,
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

FAR = date(2027, 1, 8)


@pytest.mark.parametrize(
    ("minor", "rule", "delta", "wrong"),
    [
        (10_000, REFERENCE, 0, []),
        (9_900, REFERENCE_ONLY, -100, [f"payout_amount_mismatch {A} 100"]),
        (10_250, REFERENCE_ONLY, 250, [f"payout_amount_mismatch {A} 250"]),
        (1, REFERENCE_ONLY, -9_999, [f"payout_amount_mismatch {A} 9999"]),
    ],
)
def test_line_with_the_payouts_id_settles_it_whatever_its_amount(
    minor: int, rule: str, delta: int, wrong: list[str]
) -> None:
    result = found(payout(), line(f"STRIPE PAYOUT {A}", minor))
    match = the_match(result)
    assert (match.rule, match.delta_minor) == (rule, delta)
    assert said(result) == wrong
    assert sum(leg.minor for leg in match.clears) == 0


@pytest.mark.parametrize("on", [date(2026, 9, 1), ARRIVAL, FAR])
def test_reference_settles_on_any_day(on: date) -> None:
    assert settled(found(payout(), line(A, on=on))) == {"l1": (A,)}


@pytest.mark.parametrize(
    ("minors", "settles", "wrong"),
    [
        ((6_000, 4_000), ("l1", "l2"), []),
        ((6_000, 3_000), ("l1", "l2"), [f"payout_amount_mismatch {A} 1000"]),
        ((10_000, 10_000), ("l1",), ["duplicate_bank_credit l2 10000"]),
        ((9_900, 10_000), ("l2",), ["duplicate_bank_credit l1 9900"]),
        (
            (9_900, 9_900),
            ("l1",),
            ["duplicate_bank_credit l2 9900", f"payout_amount_mismatch {A} 100"],
        ),
        ((7_000, 5_000, 3_000), ("l1", "l3"), ["duplicate_bank_credit l2 5000"]),
        ((2_500, 2_500, 2_500, 2_500), ("l1", "l2", "l3", "l4"), []),
        ((10_000,) * 3, ("l1",), [f"duplicate_bank_credit l{n} 10000" for n in (2, 3)]),
    ],
)
def test_several_lines_with_one_payouts_id_are_parts_or_repeated(
    minors: tuple[int, ...], settles: tuple[str, ...], wrong: list[str]
) -> None:
    lines = [line(A, minor, id=f"l{n}") for n, minor in enumerate(minors, 1)]
    result = found(payout(), *lines)
    assert settled(result) == dict.fromkeys(settles, (A,))
    assert said(result) == wrong


def test_parts_that_add_up_leave_no_delta_in_any_line() -> None:
    result = found(payout(), line(A, 6_000), line(A, 4_000, id="l2"))
    assert [(m.rule, m.delta_minor) for m in result.matches] == [(REFERENCE_PARTS, 0)] * 2


@pytest.mark.parametrize(
    "text",
    [
        A,
        A.upper(),
        A.lower(),
        f"STRIPE PAYOUT {A[:16]}",
        f"STRIPE PAYOUT {A[:18]}",
        f"STRIPE PAYOUT {A} /INV 4711"[:35],
        f"STRIPE PAYOUT {A}".upper()[:30],
        f"STRIPEPAYOUT{A}".upper().replace("_", ""),
        A.replace("_", " "),
        A.replace("_", "-"),
        A.replace("_", ""),
        f"{A[:10]} {A[10:20]} {A[20:]}",
        f"/EREF/{A}/REMI/STRIPE",
        f"EREF+{A}+SVWZ+STRIPE",
        A.replace("Lkd", "Lxd"),
        A.replace("Hu7", "Hq7"),
        A.replace("5v", "Sv"),
        A.replace("7mWL", "7WL"),
        f"payout={A};",
        A[8:],
        "\N{FULLWIDTH LATIN SMALL LETTER P}" + A[1:],
    ],
)
def test_reference_as_a_bank_mangles_it_still_tells_the_twins_apart(text: str) -> None:
    result = found(payout(), payout(B), payout(C), line(text), line("STRIPE", id="l2"))
    assert settled(result)["l1"] == (A,)
    assert settled(result)["l2"] != (A,)


@pytest.mark.parametrize("field", ["reference", "payer"])
def test_reference_is_found_in_every_text_of_a_line(field: str) -> None:
    named = line("STRIPE", reference=A) if field == "reference" else line("STRIPE", payer=A)
    assert settled(found(payout(), payout(B), named)) == {"l1": (A,)}


@pytest.mark.parametrize(
    "text",
    [
        "po_2ZZ9mWLkdIwHu7ixRt5vXa9Z",
        "STRIPE PAYOUT po_2ZZ9mWLkdIwHu7ixRt5vXa9Z",
        "STRIPE PAYOUT PO_2ZZ9MWLKDIWHU7IXRT5VXA9Z",
        A[:-1] + "C",
        A[:-4] + "ZZZZ",
        "tu_1QZ9mWLkdIwHu7ixRt5vXa9Z",
        "ch_3QZ9mWLkdIwHu7ixRt5vXa9Z",
        "STRIPE po_2ZZ9m",
        "po_999",
    ],
)
def test_line_that_names_something_unknown_is_never_matched_by_amount(text: str) -> None:
    result = found(payout(), line(text))
    assert settled(result) == {}
    assert said(result) == ["unidentified_bank_credit l1 10000"]


def test_neighbours_of_a_counter_are_not_taken_for_one_another() -> None:
    first, second, third = (f"po_000000000000000000010{n}" for n in range(3))
    known = (payout(first), payout(second))
    assert settled(found(*known, line(second))) == {"l1": (second,)}
    assert settled(found(*known, line(third))) == {}
    assert settled(found(payout("po_1"), payout("po_12"), line("STRIPE po_12"))) == {
        "l1": ("po_12",)
    }


@pytest.mark.parametrize(
    ("text", "settles"),
    [
        ("STRIPE TRACE 091000019876543", {"l1": (A,)}),
        ("STRIPE 0910 0001 9876 543", {"l1": (A,)}),
        ("STRIPE TRACE#:091000019876544", {}),
    ],
)
def test_trace_id_names_the_payout_and_another_forbids_it(
    text: str, settles: dict[str, tuple[str, ...]]
) -> None:
    result = found(payout(traces=("091000019876543",)), line(text))
    assert settled(result) == settles


def test_crossed_references_of_twins_are_not_uncrossed_by_their_dates() -> None:
    late = ARRIVAL + timedelta(days=2)
    crossed = (line(B), line(A, id="l2", on=late))
    result = found(payout(), payout(B, arrival=late), *crossed)
    assert settled(result) == {"l1": (B,), "l2": (A,)}
    cut = (line(B[:12]), line(A[:12], id="l2"))
    assert settled(found(payout(), payout(B), *cut)) == {"l1": (B,), "l2": (A,)}


@pytest.mark.parametrize(
    ("minor", "settles", "wrong"),
    [
        (15_500, {"l1": (B, A)}, []),
        (15_400, {}, ["ambiguous_match l1 15400"]),
        (10_000, {}, ["ambiguous_match l1 10000"]),
    ],
)
def test_line_that_names_two_payouts_settles_both_or_neither(
    minor: int, settles: dict[str, tuple[str, ...]], wrong: list[str]
) -> None:
    result = found(payout(), payout(B, 5_500), line(f"{A} {B}", minor))
    assert settled(result) == settles
    assert said(result) == wrong
    assert [m.rule for m in result.matches] == [REFERENCES] * len(settles)


def test_second_line_with_the_same_two_ids_is_a_duplicate_credit() -> None:
    batch = (line(f"{A} {B}", 15_500), line(f"{A} {B}", 15_500, id="l2"))
    result = found(payout(), payout(B, 5_500), *batch)
    assert settled(result) == {"l1": (B, A)}
    assert said(result) == ["duplicate_bank_credit l2 15500"]


def test_line_with_two_ids_of_which_one_is_settled_otherwise_is_left_to_a_person() -> None:
    lines = (line(A), line(f"{A} {B}", 15_500, id="l2"))
    result = found(payout(), payout(B, 5_500), *lines)
    assert settled(result) == {"l1": (A,)}
    assert said(result) == ["ambiguous_match l2 15500"]
    only_b_is_open = found(payout(stage=Stage.FAILED), payout(B, 5_500), lines[1])
    assert said(only_b_is_open) == ["ambiguous_match l2 15500", f"payout_failed {A} 10000"]
    sum_by_accident = found(payout(minor=0), payout(B, 5_500), line(f"{A} {B}", 5_500))
    assert settled(sum_by_accident) == {"l1": (B,)}


def test_line_that_names_only_payouts_that_went_back_is_unidentified() -> None:
    failed = (payout(stage=Stage.FAILED), payout(B, 5_500, stage=Stage.FAILED))
    result = found(*failed, line(f"{A} {B}", 15_500))
    assert "unidentified_bank_credit l1 15500" in said(result)
    assert settled(result) == {}


@pytest.mark.parametrize(
    ("minor", "wrong"),
    [
        (9_900, [f"payout_amount_mismatch {A} 100"]),
        (5_000, ["ambiguous_match l1 5000"]),
    ],
)
def test_cut_reference_is_trusted_for_an_amount_near_the_payouts_only(
    minor: int, wrong: list[str]
) -> None:
    assert said(found(payout(), line(f"STRIPE {A[:18]}", minor))) == wrong


@pytest.mark.parametrize(
    ("text", "minor", "currency"), [(A, 10_000, "eur"), (A, -10_000, "usd"), (A, 10_000, "jpy")]
)
def test_reference_in_another_currency_or_direction_settles_nothing(
    text: str, minor: int, currency: str
) -> None:
    result = found(payout(), line(text, minor, currency=currency))
    assert settled(result) == {}
    wrong = "unidentified_bank_debit l1" if minor < 0 else f"payout_amount_mismatch {A}"
    assert said(result) == [f"{wrong} 10000"]


def test_payout_that_came_and_went_back_leaves_only_its_failure_to_tell() -> None:
    lines = (line(A), line(f"RETURN {A}", -10_000, id="l2"))
    paid, failed = payout(), payout(stage=Stage.FAILED, failure="account_closed")
    (back,) = found(paid, *lines).discrepancies
    assert (back.kind, back.subject) == (DiscrepancyKind.UNIDENTIFIED_BANK_DEBIT, "l2")
    assert back.break_class is BreakClass.RETURNED
    assert f"takes {A} back, which l1 had settled" in back.explanation
    result = found(failed, *lines)
    assert said(result) == [f"payout_failed {A} 10000"]
    assert {m.rule for m in result.matches} == {RETURNED}
    assert said(found(failed, lines[0])) == [
        f"payout_failed {A} 10000",
        "unidentified_bank_credit l1 10000",
    ]


def test_stronger_reference_that_comes_later_undoes_the_match_by_amount() -> None:
    first = found(payout(), line("STRIPE"))
    weak = the_match(first)
    assert weak.rule == AMOUNT
    known = facts_of(
        (payout(), line("STRIPE"), line(A, id="l2", on=ARRIVAL + timedelta(days=1))),
        standing=[weak.made(1)],
    )
    result = reconcile(known, at=SOON)
    assert settled(result) == {"l2": (A,)}
    assert said(result) == ["unidentified_bank_credit l1 10000"]
    undone, made = difference([weak.made(1)], result.matches, revisions={weak.id: 1})
    assert isinstance(undone, MatchUndone)
    assert isinstance(made, MatchMade)
    assert undone.clears == weak.made(1).clears
    assert [s.object for s in made.settles] == [A]
