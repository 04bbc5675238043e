"""What is waited for, as the command tells it: where one looks next, and when one has looked."""

from datetime import UTC, datetime, timedelta
from typing import cast

import pytest

from services.reconciler.facts.kinds import Fact
from services.reconciler.rules.expectations import Stage
from shared.contracts.look_ups import LookUp
from tallystick.cli.expectations import show, told_of, waited_for
from tallystick.look_ups.answers import Answer
from tallystick.look_ups.asked import Asked
from tests.support.looking_up import look_up
from tests.support.reconciler_facts import ANYWHERE, A, facts_of, line, payout

DUE = datetime(2026, 11, 16, tzinfo=UTC)
CLOSED = datetime(2026, 11, 19, tzinfo=UTC)


def told(*known: Fact, at: datetime, asked: Asked | None = None) -> dict[str, object]:
    ((book, wait),) = waited_for([(facts_of(known), at)])
    return told_of(book, wait, asked)


def answers_in(found: dict[str, object]) -> list[dict[str, object]]:
    return cast("list[dict[str, object]]", found["look_up_answers"])


def test_json_tells_both_places_and_how_often_one_has_looked() -> None:
    asked = Asked()
    first = look_up(A, deadline=DUE, asked_at=DUE)
    bank = look_up("ops", LookUp.BANK_LINES, subject=A, deadline=DUE, asked_at=DUE)
    later = look_up(A, deadline=CLOSED, asked_at=CLOSED + timedelta(seconds=1))
    for each in (first, bank, later, first):
        asked.also(each)
    found = told(payout(stage=Stage.IN_TRANSIT), at=DUE, asked=asked)
    assert found["look_ups"] == [
        {"look_up": "bank_lines", "where": "ops"},
        {"look_up": "stripe_object", "where": A},
    ]
    assert (found["look_up"], found["where"]) == ("bank_lines", "ops")
    assert found["looked_up_times"] == 2, "one deadline counts once, however many places it has"
    assert found["last_looked_up_at"] == "2026-11-19T00:00:01+00:00"


def test_json_tells_what_nobody_has_looked_up_yet() -> None:
    found = told(payout(stage=Stage.IN_TRANSIT), at=DUE)
    assert (found["looked_up_times"], found["last_looked_up_at"]) == (0, None)
    assert told(payout(), line("STRIPE"), at=DUE)["look_ups"] == []


def test_table_names_the_places_and_the_last_look(capsys: pytest.CaptureFixture[str]) -> None:
    asked = Asked()
    asked.also(look_up(A, deadline=DUE, asked_at=DUE))
    facts = facts_of((payout(stage=Stage.IN_TRANSIT),))
    show(list(waited_for([(facts, DUE)])), {("main", A): asked})
    shown = capsys.readouterr().out
    assert "bank ops, Stripe" in shown
    assert "once 2026-11-16 00:00" in shown
    anywhere = facts_of((payout(stage=Stage.IN_TRANSIT),), book=ANYWHERE)
    show(list(waited_for([(anywhere, DUE)])), {})
    shown = capsys.readouterr().out
    assert "any bank, Stripe" in shown
    assert "not yet" in shown
    show(list(waited_for([(anywhere, DUE)])), None)
    assert "looked up" not in capsys.readouterr().out, "nobody looks up what files tell"


def test_what_each_place_said_stands_below_the_table_with_its_time(
    capsys: pytest.CaptureFixture[str],
) -> None:
    asked = Asked()
    stripe = look_up(A, deadline=DUE, asked_at=DUE)
    bank = look_up("ops", LookUp.BANK_LINES, subject=A, deadline=DUE, asked_at=DUE)
    other = look_up("", LookUp.BANK_LINES, subject=A, deadline=DUE, asked_at=DUE)
    for each in (stripe, bank, other):
        asked.also(each)
    at = DUE + timedelta(minutes=2)
    answers = {
        stripe.id: Answer("gone", "no such", 1, DUE, at),
        bank.id: Answer("open", "it said 500", 3, at, None),
    }
    waits = list(waited_for([(facts_of((payout(stage=Stage.IN_TRANSIT),)), DUE)]))
    show(waits, {("main", A): asked}, answers)
    shown = capsys.readouterr().out.splitlines()[-3:]
    assert shown == [
        f"{A}  Stripe, asked 2026-11-16 00:00: 2026-11-16 00:02, Stripe does not know it: no such",
        f"{A}  bank ops, asked 2026-11-16 00:00: tried 3 times, again 2026-11-16 00:02: it said 500",
        f"{A}  any bank, asked 2026-11-16 00:00: not answered yet",
    ]
    ((book, wait),) = waits
    gone, tried, silent = answers_in(told_of(book, wait, asked, answers))
    assert (gone["state"], gone["answered_at"]) == ("gone", at.isoformat())
    assert (tried["state"], tried["tries"], tried["try_at"]) == ("open", 3, at.isoformat())
    assert (silent["state"], silent["where"]) == (None, "any")
    show(waits, {("main", A): asked}, None)
    assert "what was said is not known" in capsys.readouterr().out


def test_only_the_last_look_up_at_a_place_is_shown() -> None:
    asked = Asked()
    for deadline in (CLOSED, DUE):
        asked.also(look_up(A, deadline=deadline, asked_at=deadline))
    found = told(payout(stage=Stage.IN_TRANSIT), at=CLOSED, asked=asked)
    assert [each["asked_at"] for each in answers_in(found)] == [CLOSED.isoformat()]
