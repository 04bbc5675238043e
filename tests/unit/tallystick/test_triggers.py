"""Every event that can be triggered is told by a world, with the objects that it speaks of."""

from datetime import date

import pytest

from sandbox.stripe.facts import Event
from sandbox.world.commands import applied
from sandbox.world.scenario import scenario_named
from sandbox.world.state import Plan
from sandbox.world.world import World
from tallystick.amounts import AmountInvalid
from tallystick.triggers import (
    TRIGGERS,
    Trigger,
    TriggerUnknown,
    command_of,
    minor_of,
    told_object,
    trigger_named,
)


def begun() -> World:
    scenario = scenario_named("sandbox")
    world = World.begun(Plan(scenario=scenario, seed=7, payments=0, end=date(2026, 11, 21)))
    world.run_until(world.now + 1_000)
    return world


def play(world: World, trigger: Trigger, minor: int = 4_200) -> list[Event]:
    before = len(world.state.stripe.store.events_from(0))
    made: dict[str, str] = {}
    for step in trigger.steps:
        command = command_of(
            step,
            minor=minor,
            currency="usd",
            made=made,
            tell=lambda step: told_object(step, token="a1" * 12, at=world.now),
        )
        if step.do == "tell":
            command["type"] = trigger.type
        told = applied(world.state, command)
        made |= {name: str(value) for name, value in told.items() if value is not None}
    world.run_until(world.now)
    return world.state.stripe.store.events_from(before)


@pytest.mark.parametrize("name", sorted(TRIGGERS))
def test_trigger_makes_an_event_of_its_type(name: str) -> None:
    events = play(begun(), TRIGGERS[name])
    assert name in [event.type for event in events]


def test_every_trigger_works_in_a_world_where_all_others_have_been() -> None:
    world = begun()
    for _ in range(2):
        for trigger in TRIGGERS.values():
            assert trigger.type in [event.type for event in play(world, trigger)]


def test_dispute_that_is_lost_is_closed_as_lost_and_one_that_is_won_gives_the_money_back() -> None:
    lost = [e for e in play(begun(), trigger_named("dispute.lost")) if e.type.endswith("closed")]
    assert [event.data["status"] for event in lost] == ["lost"]
    won = play(begun(), trigger_named("dispute.won"))
    assert "charge.dispute.funds_reinstated" in [event.type for event in won]


def test_trigger_that_nobody_knows_is_refused_with_the_way_to_the_list() -> None:
    with pytest.raises(TriggerUnknown) as caught:
        trigger_named("invoice.paid")
    assert "trigger --list" in caught.value.fix


@pytest.mark.parametrize(
    ("text", "currency", "minor"),
    [
        ("12.34", "usd", 1_234),
        ("12", "usd", 1_200),
        ("12.3", "usd", 1_230),
        ("500", "jpy", 500),
        ("500.0", "jpy", 500),
        ("0.01", "usd", 1),
    ],
)
def test_amount_is_in_the_currencys_own_units(text: str, currency: str, minor: int) -> None:
    assert minor_of(text, currency) == minor


@pytest.mark.parametrize(
    ("text", "currency"),
    [
        ("0", "usd"),
        ("-1", "usd"),
        ("1.234", "usd"),
        ("1.5", "jpy"),
        ("1e3", "usd"),
        ("", "usd"),
        ("1_0", "usd"),
        ("9" * 10, "usd"),
        (".5", "usd"),
        ("٣", "usd"),
    ],
)
def test_amount_of_another_form_is_refused(text: str, currency: str) -> None:
    with pytest.raises(AmountInvalid):
        minor_of(text, currency)
