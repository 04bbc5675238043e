"""Webhooks as somebody has ordered them: how often, and how late."""

from datetime import date

import pytest

from sandbox.stripe.facts import Event
from sandbox.world.commands import CommandRefused, applied
from sandbox.world.deliveries import Delivery
from sandbox.world.jsons import JsonObject, as_list, as_object
from sandbox.world.scenario import scenario_named
from sandbox.world.state import Plan
from sandbox.world.world import World


def begun() -> World:
    scenario = scenario_named("sandbox")
    world = World.begun(Plan(scenario=scenario, seed=7, payments=0, end=date(2026, 11, 21)))
    world.run_until(world.now + 1_000)
    return world


def charged(world: World, **webhook: object) -> JsonObject:
    made = applied(world.state, {"do": "charge", "amount": 4_200, "webhook": webhook})
    world.run_until(world.now)
    return made


def sent(world: World, seconds: int) -> list[Delivery]:
    world.run_until(world.now + seconds)
    return world.deliveries()


def types_of(world: World, deliveries: list[Delivery]) -> list[str]:
    return [world.state.stripe.store.get(Event, d.event_id).type for d in deliveries]


def test_command_with_a_webhook_order_tells_every_event_that_it_caused() -> None:
    made = charged(begun(), type="charge.succeeded")
    assert [as_object(event)["type"] for event in as_list(made["events"])] == [
        "payment_intent.created",
        "charge.succeeded",
        "payment_intent.succeeded",
    ]


def test_ordered_webhook_is_sent_so_often_and_the_others_once() -> None:
    world = begun()
    charged(world, type="charge.succeeded", times=3)
    assert sorted(types_of(world, sent(world, 10))) == [
        "charge.succeeded",
        "charge.succeeded",
        "charge.succeeded",
        "payment_intent.created",
        "payment_intent.succeeded",
    ]


def test_ordered_webhook_comes_so_late_and_the_others_at_once() -> None:
    world = begun()
    charged(world, type="charge.succeeded", late_seconds=3_600)
    assert "charge.succeeded" not in types_of(world, sent(world, 3_590))
    assert types_of(world, sent(world, 20)) == ["charge.succeeded"]


@pytest.mark.parametrize("order", [{"times": 0}, {"times": 101}, {"late_seconds": -1}])
def test_webhook_order_that_cannot_be_followed_makes_nothing(order: dict[str, int]) -> None:
    world = begun()
    with pytest.raises(CommandRefused):
        charged(world, type="charge.succeeded", **order)
    assert world.state.stripe.store.events_from(0) == []
