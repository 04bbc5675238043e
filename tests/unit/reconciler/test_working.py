"""What people do about discrepancies, and how the facts and they take turns."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from services.reconciler.acts.working import COMMENTS_MAX, NotAllowed, worked
from services.reconciler.findings import life
from services.reconciler.findings.explain import discrepancy
from services.reconciler.findings.found import Discrepancy
from shared.contracts.acts import WorkAct, WorkDiscrepancies
from shared.contracts.discrepancies import (
    DiscrepancyKind,
    DiscrepancyState,
    ReasonCode,
    Resolution,
    Severity,
)
from shared.contracts.messages import DiscrepancyReported
from shared.contracts.money import Money

AT = datetime(2026, 11, 20, 12, tzinfo=UTC)
State = DiscrepancyState


def found(
    kind: DiscrepancyKind = DiscrepancyKind.PAYOUT_OVERDUE, minor: int = 5_000
) -> Discrepancy:
    amount = Money.of(minor, "usd")
    return discrepancy(
        "main", kind, "po_1", amount, expected=str(amount), found="no bank line", explanation="none"
    )


FOUND = found()


def told(
    wanted: list[Discrepancy], known: DiscrepancyReported | None = None, *, days: int = 0
) -> list[DiscrepancyReported]:
    return life.reports(
        book="main",
        wanted=wanted,
        known={} if known is None else {known.id: known},
        at=AT + timedelta(days=days),
    )


def opened(wanted: Discrepancy = FOUND) -> DiscrepancyReported:
    (report,) = told([wanted])
    return report


def do(
    last: DiscrepancyReported, act: WorkAct, *, note: str = "why", owner: str = ""
) -> DiscrepancyReported:
    code = ReasonCode.BANK_ERROR if act in {WorkAct.EXPLAIN, WorkAct.RESOLVE} else None
    asked = WorkDiscrepancies(
        idempotency_key="k", actor="ada", act=act, discrepancies=(last.id,), note=note, code=code,
        owner=owner,
    )  # fmt: skip
    return worked(last, asked, at=AT + timedelta(hours=1))


def test_what_is_opened_says_all_of_it_in_one_sentence() -> None:
    report = opened()
    assert report.sentence == (
        "Expected 50.00 USD; found no bank line, 50.00 USD apart; probably the bank is late, or the"
        " money went to another account; next: ask the bank for this amount with the trace id, then"
        " Stripe support."
    )
    assert (report.break_class, report.severity, report.age) == (
        "missing_in_bank",
        Severity.HIGH,
        "0-1",
    )


def test_discrepancy_is_acknowledged_explained_resolved_and_opened_again() -> None:
    report = opened()
    acts = (WorkAct.ACKNOWLEDGE, WorkAct.EXPLAIN, WorkAct.RESOLVE, WorkAct.REOPEN)
    states = [report, *(report := do(report, act) for act in acts)]
    assert [s.state for s in states] == [
        State.OPEN,
        State.ACKNOWLEDGED,
        State.EXPLAINED,
        State.RESOLVED,
        State.OPEN,
    ]
    assert [s.revision for s in states] == [1, 2, 3, 4, 5]
    assert [c.act for c in report.comments] == ["acknowledge", "explain", "resolve", "reopen"]
    assert report.opened_at == AT
    assert states[3].code is ReasonCode.BANK_ERROR


def test_owner_and_comments_stay_when_it_is_opened_again_by_the_facts() -> None:
    mine = do(do(opened(), WorkAct.ASSIGN, owner="ada"), WorkAct.COMMENT)
    (healed,) = told([], mine)
    (again,) = told([FOUND], healed, days=2)
    assert (again.owner, len(again.comments), again.state) == ("ada", 2, State.OPEN)
    assert again.opened_at == AT + timedelta(days=2)


def test_what_is_resolved_by_hand_stays_so_while_it_says_the_same() -> None:
    done = do(opened(), WorkAct.RESOLVE)
    assert told([FOUND], done, days=100) == []
    (again,) = told([found(minor=7_000)], done)
    assert (again.state, again.resolution) == (State.OPEN, None)


def test_word_of_a_person_lapses_when_it_heals_so_that_it_opens_when_it_breaks_again() -> None:
    done = do(opened(), WorkAct.RESOLVE)
    (healed,) = told([], done)
    assert (healed.state, healed.resolution) == (State.RESOLVED, Resolution.HEALED)
    assert told([], healed) == []
    (again,) = told([FOUND], healed)
    assert again.state is State.OPEN


@pytest.mark.parametrize(
    "kind",
    [DiscrepancyKind.PAYOUT_FAILED, DiscrepancyKind.REFUND_FAILED, DiscrepancyKind.EVENT_CONFLICT],
)
def test_what_can_never_heal_is_closed_for_good_by_a_person(kind: DiscrepancyKind) -> None:
    done = do(opened(found(kind)), WorkAct.RESOLVE)
    assert life.is_accepted(done)
    assert not life.is_in_hand(done)
    assert told([], done) == []
    assert told([found(kind)], done) == []


def test_explanation_of_other_figures_explains_no_longer_and_an_acknowledgement_stays() -> None:
    explained = do(opened(), WorkAct.EXPLAIN)
    (changed,) = told([found(minor=7_000)], explained)
    assert (changed.state, changed.code) == (State.OPEN, None)
    (still,) = told([found(minor=7_000)], do(opened(), WorkAct.ACKNOWLEDGE))
    assert still.state is State.ACKNOWLEDGED


def test_discrepancy_that_ages_is_told_anew_with_its_bucket_and_severity() -> None:
    assert told([FOUND], opened(), days=1) == []
    (older,) = told([FOUND], opened(), days=4)
    assert (older.age, older.state, older.opened_at) == ("2-3", State.OPEN, AT)
    (old,) = told([FOUND], older, days=14)
    assert (old.age, old.severity) == ("8-30", Severity.CRITICAL)


@pytest.mark.parametrize(
    ("act", "says"),
    [(WorkAct.ACKNOWLEDGE, "open it again first"), (WorkAct.RESOLVE, "open it again first"),
     (WorkAct.REOPEN, "has healed")],
)  # fmt: skip
def test_act_that_the_state_does_not_allow_is_refused(act: WorkAct, says: str) -> None:
    (healed,) = told([], opened())
    with pytest.raises(NotAllowed, match=says):
        do(healed, act)


def test_comments_have_an_end() -> None:
    report = opened()
    for _ in range(COMMENTS_MAX):
        report = do(report, WorkAct.COMMENT)
    with pytest.raises(NotAllowed, match="no more"):
        do(report, WorkAct.COMMENT)


def test_record_of_before_classes_were_told_is_told_anew_once() -> None:
    old = opened().model_copy(
        update={"break_class": None, "severity": None, "age": "", "cause": "", "sentence": ""}
    )
    (now,) = told([FOUND], old)
    assert (now.revision, now.state, now.severity) == (2, State.OPEN, Severity.HIGH)
    assert told([replace(FOUND, found="at another moment")], now) == []


@pytest.mark.parametrize(
    "fields",
    [{"act": "resolve"}, {"act": "explain"}, {"act": "reopen"}, {"act": "comment"}],
)
def test_act_that_says_too_little_is_none(fields: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="takes a"):
        WorkDiscrepancies.model_validate(
            {"idempotency_key": "k", "discrepancies": ["dsc_1"], **fields}
        )
