"""Lines matched, taken back and written off by people, before any rule runs."""

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from services.reconciler.acts.deciding import Asked, matched_by_hand, unmatched, written_off
from services.reconciler.acts.working import NotAllowed
from services.reconciler.breaks.waits import WaitState, waits_of
from services.reconciler.facts.kinds import Concern, Fact
from services.reconciler.facts.rulings import Ruling
from services.reconciler.findings.found import Match, Reconciliation
from services.reconciler.matching.by_hand import by_hand
from services.reconciler.matching.table import table_of
from services.reconciler.rules.expectations import Stage
from services.reconciler.scope import hooks, match_hooks
from shared.contracts.acts import MatchByHand, UnmatchLines, WriteOff
from shared.contracts.discrepancies import DiscrepancyKind
from shared.contracts.errors import AccountInvalid
from shared.contracts.messages import MatchKind
from shared.contracts.observations import LineState
from tests.support.reconciler_facts import (
    LATER,
    SOON,
    A,
    B,
    booking,
    facts_of,
    found,
    line,
    payout,
    said,
    settled,
)

ASKED = Asked(1, "ada", "the bank's letter", SOON)
STRANGE = "CASH DEPOSIT ACME WIDGETS"


def named(line_id: str = "l1") -> dict[str, str]:
    return {"account": "ops", "id": line_id}


def usd(minor: int) -> dict[str, Any]:
    return {"minor": str(minor), "currency": "usd", "exponent": 2}


def match(
    facts: list[Fact],
    lines: list[str],
    objects: list[dict[str, Any]],
    *,
    force: bool = False,
    asked: Asked = ASKED,
) -> list[Ruling]:
    act = MatchByHand.model_validate(
        {
            "idempotency_key": "k",
            "reason": "why",
            "force": force,
            "matches": [{"lines": [named(each) for each in lines], "objects": objects}],
        }
    )
    return list(matched_by_hand(facts_of(facts), act, asked))


def unmatch(facts: list[Fact], *, to_rules: bool = False) -> list[Ruling]:
    act = UnmatchLines.model_validate(
        {"idempotency_key": "k", "reason": "w", "lines": [named()], "to_rules": to_rules}
    )
    return list(unmatched(facts_of(facts), act, replace(ASKED, number=2)))


def write_off(facts: list[Fact], *items: dict[str, Any], limit: int = 1_000) -> list[Ruling]:
    act = WriteOff.model_validate({"idempotency_key": "k", "reason": "w", "items": list(items)})
    return list(written_off(facts_of(facts), act, replace(ASKED, number=3), minor_max=limit))


def by_kind(result: Reconciliation, kind: MatchKind) -> Match:
    (only,) = (m for m in result.matches if m.kind is kind)
    return only


def test_line_that_no_rule_would_match_is_matched_by_hand() -> None:
    known: list[Fact] = [payout(), line(STRANGE)]
    assert settled(found(*known)) == {}
    rulings = match(known, ["l1"], [{"object": A}])
    result = found(*known, *rulings, at=LATER)
    assert settled(result) == {"l1": (A,)}
    assert said(result) == []
    made = by_kind(result, MatchKind.BANK_LINE)
    assert (made.rule, made.evidence) == ("by_hand", ("ada: the bank's letter",))
    assert sum(leg.minor for leg in made.clears) == 0


def test_one_line_is_split_over_several_and_what_is_left_is_said() -> None:
    known: list[Fact] = [payout(A, 6_000), payout(B, 3_000), line(STRANGE, 10_000)]
    objects = [{"object": A, "share": usd(6_000)}, {"object": B, "share": usd(3_000)}]
    result = found(*known, *match(known, ["l1"], objects), at=LATER)
    assert settled(result) == {"l1": tuple(sorted((A, B)))}
    assert said(result) == ["unidentified_bank_credit l1 1000"]


def test_several_lines_settle_one_payout() -> None:
    known: list[Fact] = [payout(), line(STRANGE, 4_000), line(STRANGE, 6_000, id="l2")]
    result = found(*known, *match(known, ["l1", "l2"], [{"object": A}]), at=LATER)
    assert settled(result) == {"l1": (A,), "l2": (A,)}
    assert said(result) == []


@pytest.mark.parametrize(
    ("known", "says"),
    [
        ([payout(), line("", 9_000)], "say which share"),
        ([payout(), line(f"STRIPE {B}"), payout(B)], "settles"),
        ([payout(), line(STRANGE), line(f"STRIPE {A}", id="l2")], "is settled by"),
        ([payout(), line("STRIPE po_1AAAAAAAAAAAAAAAAAAAAAAA")], "speaks against"),
    ],
)
def test_match_against_the_rules_is_refused_unless_it_is_forced(
    known: list[Fact], says: str
) -> None:
    with pytest.raises(NotAllowed, match=says):
        match(known, ["l1"], [{"object": A}])
    result = found(*known, *match(known, ["l1"], [{"object": A}], force=True))
    assert settled(result)["l1"] == (A,)
    assert "l2" not in settled(result)


@pytest.mark.parametrize(
    ("known", "says"),
    [
        ([payout()], "no posted line"),
        ([line(STRANGE)], "nothing is due"),
        ([payout(), line(STRANGE, state=LineState.PENDING)], "no posted line"),
        ([payout(stage=Stage.FAILED), line(STRANGE)], "failed or was canceled"),
        ([payout(currency="eur"), line(STRANGE)], "is in EUR"),
    ],
)
def test_match_of_what_is_not_there_is_refused_though_it_is_forced(
    known: list[Fact], says: str
) -> None:
    with pytest.raises(NotAllowed, match=says):
        match(known, ["l1"], [{"object": A}], force=True)


def test_line_matched_by_hand_is_matched_once() -> None:
    known: list[Fact] = [payout(), payout(B), line(STRANGE)]
    known += match(known, ["l1"], [{"object": A}])
    with pytest.raises(NotAllowed, match="unmatch it first"):
        match(known, ["l1"], [{"object": B}])


def test_payout_matched_by_hand_says_which_line_has_it() -> None:
    known: list[Fact] = [payout(), line(STRANGE), line(STRANGE, id="l2")]
    known += match(known, ["l1"], [{"object": A}])
    with pytest.raises(NotAllowed, match=f"{A} is settled by l1, by hand: unmatch that first"):
        match(known, ["l2"], [{"object": A}])


def test_line_taken_back_is_held_for_a_person_and_given_back_to_the_rules() -> None:
    known: list[Fact] = [payout(), line(f"STRIPE {A}")]
    assert settled(found(*known)) == {"l1": (A,)}
    held = [*known, *unmatch(known)]
    result = found(*held, at=LATER)
    assert settled(result) == {}
    assert said(result) == [
        f"payout_overdue {A} 10000",
        "unidentified_bank_credit l1 10000",
    ]
    with pytest.raises(NotAllowed, match="held for a person"):
        unmatch(held)
    assert settled(found(*held, *unmatch(held, to_rules=True))) == {"l1": (A,)}


def test_ruling_that_the_facts_contradict_has_no_effect() -> None:
    known: list[Fact] = [payout(), line(STRANGE)]
    rulings = match(known, ["l1"], [{"object": A}])
    failed = found(payout(stage=Stage.FAILED), line(STRANGE), *rulings)
    assert settled(failed) == {}
    assert said(failed) == [f"payout_failed {A} 10000", "unidentified_bank_credit l1 10000"]
    less = found(payout(), line(STRANGE, 9_000, revision=2), *rulings)
    assert settled(less) == {}
    gone = found(payout(), line(STRANGE, revision=2, state=LineState.REMOVED), *rulings, at=LATER)
    assert said(gone) == [f"payout_overdue {A} 10000"]


def test_what_a_bank_kept_is_written_off_and_the_mismatch_is_over() -> None:
    known: list[Fact] = [payout(), line(f"STRIPE {A}", 9_900)]
    assert said(found(*known)) == [f"payout_amount_mismatch {A} 100"]
    rulings = write_off(known, {"object": A})
    result = found(*known, *rulings, at=LATER)
    assert said(result) == []
    made = by_kind(result, MatchKind.WRITE_OFF)
    assert [(leg.account, leg.minor) for leg in made.clears] == [
        ("assets:stripe:in-transit", -100),
        ("expenses:bank-fees", 100),
    ]
    assert settled(result) == {"l1": (A,)}


def test_small_debit_that_nothing_explains_is_written_off() -> None:
    known: list[Fact] = [line("ACCOUNT CHARGE", -300)]
    result = found(*known, *write_off(known, {"line": named()}), at=LATER)
    assert said(result) == []
    legs = by_kind(result, MatchKind.WRITE_OFF).clears
    assert [(leg.account, leg.minor) for leg in legs] == [
        ("liabilities:suspense", -300),
        ("expenses:bank-fees", 300),
    ]


@pytest.mark.parametrize(
    ("item", "says"),
    [
        ({"line": {"account": "ops", "id": "l1"}}, "more than may be written off"),
        ({"line": {"account": "ops", "id": "l1"}, "amount": usd(200_000)}, "is left of line l1"),
        ({"object": A}, "nothing is due"),
    ],
)
def test_write_off_beyond_the_limit_or_of_more_than_is_left_is_refused(
    item: dict[str, Any], says: str
) -> None:
    with pytest.raises(NotAllowed, match=says):
        write_off([line(STRANGE, 100_000)], item)


def refused(made: Match) -> Concern:
    """The ledger's word that it has booked nothing of a match."""
    return Concern(DiscrepancyKind.MATCH_REFUSED, made.id, detail="account_known: …")


def test_write_off_that_the_ledger_refused_has_no_effect_and_another_may_be_asked_for() -> None:
    known: list[Fact] = [line("ACCOUNT CHARGE", -300)]
    to_typo = write_off(known, {"line": named(), "account": "expenses:typo"})
    known += to_typo
    made = by_kind(found(*known), MatchKind.WRITE_OFF)
    known.append(refused(made))
    result = found(*known, at=LATER)
    assert result.matches == ()
    assert said(result) == [f"match_refused {made.id}", "unidentified_bank_debit l1 300"]
    known += [replace(each, number=2, name="write_off:2:1") for each in
              write_off(known, {"line": named()})]  # fmt: skip
    result = found(*known, at=LATER)
    assert [leg.account for leg in by_kind(result, MatchKind.WRITE_OFF).clears] == [
        "liabilities:suspense", "expenses:bank-fees",
    ]  # fmt: skip
    assert said(result) == [f"match_refused {made.id}"]


def test_refused_write_off_of_a_payout_leaves_it_due() -> None:
    known: list[Fact] = [payout(), line(f"STRIPE {A}", 9_900)]
    known += write_off(known, {"object": A, "account": "expenses:typo"})
    known.append(refused(by_kind(found(*known), MatchKind.WRITE_OFF)))
    result = found(*known, at=LATER)
    assert f"payout_amount_mismatch {A} 100" in said(result)


def test_refusal_wakes_the_write_off_that_it_is_about() -> None:
    known: list[Fact] = [line("ACCOUNT CHARGE", -300)]
    known += write_off(known, {"line": named()})
    made = by_kind(found(*known), MatchKind.WRITE_OFF)
    assert hooks(refused(made)) & match_hooks(made.made(1))


@pytest.mark.parametrize("name", ["expenses:bank:", "expenses:a::b", "expenses:a:-b"])
def test_write_off_to_what_no_chart_can_hold_is_refused(name: str) -> None:
    """The act's own form lets them through, and the ledger would refuse the match."""
    item = {"line": named(), "account": name}
    with pytest.raises(AccountInvalid, match=name):
        write_off([line("ACCOUNT CHARGE", -300)], item)


def test_limit_counts_in_units_of_the_currency() -> None:
    known: list[Fact] = [line(STRANGE, 9_000, currency="kwd")]
    (ruling,) = write_off(known, {"line": named()})
    assert ruling.minor == 9_000


def test_line_written_off_in_part_leaves_the_rest_to_a_person() -> None:
    known: list[Fact] = [payout(A, 9_500), line(STRANGE, 10_000)]
    known += write_off(known, {"line": named(), "amount": usd(500), "account": "revenue:other"})
    assert said(found(*known)) == ["unidentified_bank_credit l1 9500"]
    known += match(known, ["l1"], [{"object": A}])
    result = found(*known, at=LATER)
    assert said(result) == []
    assert settled(result) == {"l1": (A,)}


def test_what_is_settled_by_hand_is_let_go_of_and_comes_back_together() -> None:
    known: list[Fact] = [payout(), line(STRANGE)]
    rulings = match(known, ["l1"], [{"object": A}])
    result = found(*known, *rulings, at=LATER)
    assert result.dormant >= {f"expectation:{A}", "line:ops/l1", "ruling:line:ops/l1"}


def test_two_banks_with_one_line_id_are_ruled_about_apart() -> None:
    other = line(STRANGE, 10_000, account="second")
    known: list[Fact] = [payout(), line(STRANGE), other]
    result = found(*known, *match(known, ["l1"], [{"object": A}]))
    assert [(m.line.account, m.rule) for m in result.matches if m.line] == [("ops", "by_hand")]
    assert said(result) == ["unidentified_bank_credit l1 10000"]


def test_key_in_transit_that_stays_open_though_all_agrees_is_said_after_a_while() -> None:
    from services.reconciler.facts.kinds import IN_TRANSIT, SUSPENSE, Leg  # noqa: PLC0415

    known: list[Fact] = [payout(), line(f"STRIPE {A}")]
    legs = (Leg(SUSPENSE, "l1", "usd", 10_000), Leg(IN_TRANSIT, A, "usd", -10_000))
    cleared = booking("match:mtc_1:1", *legs, kind="match")
    early = found(*known, cleared)
    assert early.dormant.isdisjoint({f"expectation:{A}", "line:ops/l1"})
    late = found(*known, cleared, at=LATER)
    assert said(late) == [f"clearing_overdue {A} -10000".replace("-", "")]
    came = booking(
        "stripe:balance_transaction:txn_1",
        Leg(IN_TRANSIT, A, "usd", 10_000),
        kind="balance_transaction",
    )
    done = found(*known, cleared, came, at=LATER)
    assert said(done) == []
    assert done.dormant >= {f"expectation:{A}", "line:ops/l1"}


def test_day_of_a_line_does_not_bind_a_person() -> None:
    known: list[Fact] = [payout(), line(STRANGE, on=date(2026, 3, 1))]
    assert settled(found(*known, *match(known, ["l1"], [{"object": A}]))) == {"l1": (A,)}


def test_match_forced_beyond_what_is_due_is_said_to_be_over_and_not_overdue() -> None:
    facts: list[Fact] = [payout(A), line(STRANGE, 10_050)]
    facts += match(facts, ["l1"], [{"object": A}], force=True)
    result = found(*facts, at=LATER)

    assert said(result) == [f"payout_amount_mismatch {A} 50"]
    assert result.discrepancies[0].found == "100.50 USD, settled by hand"
    known = by_hand(facts_of(facts)).facts
    (wait,) = waits_of(known, table_of(known), at=LATER)
    assert wait.state is WaitState.MISMATCHED


def test_what_was_settled_too_much_comes_back_by_name_and_never_by_amount() -> None:
    facts: list[Fact] = [payout(A), line(STRANGE, 10_050)]
    facts += match(facts, ["l1"], [{"object": A}], force=True)
    strange, named = line("STRIPE", -50, id="l2"), line(f"STRIPE {A}", -50, id="l2")

    assert said(found(*facts, strange)) == [
        f"payout_amount_mismatch {A} 50",
        "unidentified_bank_debit l2 50",
    ]
    assert said(found(*facts, named)) == []


def test_what_was_settled_too_much_is_written_off() -> None:
    facts: list[Fact] = [payout(A), line(STRANGE, 10_050)]
    facts += match(facts, ["l1"], [{"object": A}], force=True)
    facts += write_off(facts, {"object": A, "account": "expenses:bank-fees"})

    assert said(found(*facts, at=LATER)) == []
