"""The audit sees what was lost, what was told twice over, and what stands without a reason."""

from datetime import UTC, datetime, timedelta

import pytest

from services.reconciler.findings.replay import Kept, differences, worked_states
from services.reconciler.shell.figures import Pace
from shared.contracts.acts import Act, ActDecided, Decided, WorkAct, WorkDiscrepancies
from shared.contracts.discrepancies import DiscrepancyState, ReasonCode
from shared.contracts.messages import Position
from tests.support.reconciler_facts import LATER, A, found, line, payout

AT = datetime(2026, 11, 20, 12, tzinfo=UTC)
State = DiscrepancyState
WANTED = found(payout(), line("CASH DEPOSIT ACME WIDGETS", 77), at=LATER)
MATCHED = found(payout(), line(f"STRIPE {A}"))
IDS: list[str] = [d.id for d in WANTED.discrepancies]


def kept(state: State = State.OPEN, *, by_hand: bool = False) -> dict[str, Kept]:
    return dict.fromkeys(IDS, Kept(state, by_hand))


def test_tables_that_follow_from_the_records_have_no_difference() -> None:
    assert differences(WANTED, {}, kept(), frozenset()) == []
    healed = kept() | {"dsc_old": Kept(State.RESOLVED, is_by_hand=False)}
    assert differences(WANTED, {}, healed, frozenset()) == []


@pytest.mark.parametrize(
    ("tables", "says"),
    [
        ({}, "is None"),
        (kept() | {"dsc_x": Kept(State.OPEN, is_by_hand=False)}, "nothing is wrong"),
        (kept(State.RESOLVED), "is resolved"),
        (kept(State.EXPLAINED), "is explained"),
    ],
)
def test_difference_is_seen(tables: dict[str, Kept], says: str) -> None:
    assert says in " ".join(differences(WANTED, {}, tables, frozenset()))


def test_match_that_is_lost_or_stands_alone_is_seen() -> None:
    (made,) = MATCHED.matches
    assert differences(MATCHED, {}, {}, frozenset({made.id})) == []
    assert "does not stand" in differences(MATCHED, {}, {}, frozenset())[0]
    both = frozenset({made.id, "mtc_x"})
    assert "does not follow" in differences(MATCHED, {}, {}, both)[0]


def test_what_a_person_said_is_allowed_and_nothing_else() -> None:
    worked = dict.fromkeys(IDS, State.RESOLVED)
    assert differences(WANTED, worked, kept(State.RESOLVED, by_hand=True), frozenset()) == []
    assert differences(WANTED, worked, kept(State.EXPLAINED), frozenset())


def test_states_are_those_of_the_last_act_that_was_carried_out() -> None:
    acts: dict[str, Act] = {}
    decisions: list[ActDecided] = []
    for number, (act, outcome) in enumerate(
        [
            (WorkAct.ACKNOWLEDGE, Decided.ACCEPTED),
            (WorkAct.EXPLAIN, Decided.ACCEPTED),
            (WorkAct.RESOLVE, Decided.REFUSED),
            (WorkAct.COMMENT, Decided.ACCEPTED),
        ],
        start=1,
    ):
        acts[str(number)] = WorkDiscrepancies(
            idempotency_key=str(number), act=act, discrepancies=("dsc_1",), note="n",
            code=ReasonCode.OTHER,
        )  # fmt: skip
        decisions.append(
            ActDecided(
                outcome=outcome, book="main", number=number, idempotency_key=str(number),
                message_id=str(number), act="discrepancies", decided_at=AT,
                caused_by=Position(topic="t", partition=0, offset=number),
            )
        )  # fmt: skip
    assert worked_states(reversed(decisions), acts) == {"dsc_1": State.EXPLAINED}


def test_rate_is_that_of_the_last_minute_and_comes_down_by_itself() -> None:
    pace = Pace()
    pace.after(600, AT)
    assert pace.after(600, AT + timedelta(seconds=30)) == 20.0
    assert pace.after(0, AT + timedelta(seconds=61)) == 10.0
    assert pace.after(0, AT + timedelta(minutes=3)) == 0.0
