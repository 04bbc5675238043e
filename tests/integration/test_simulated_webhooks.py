"""The simulated Stripe's webhooks as a door meets them, and a world that is killed."""

import json
from collections import Counter
from pathlib import Path

import pytest

from sandbox.stripe.facts import Event
from sandbox.world.shell.statefile import StateRefused
from tests.support.world import Door, living, runner_of, served, serving, until


async def test_every_webhook_that_is_not_lost_is_delivered_signed_and_byte_for_byte() -> None:
    door = Door()
    async with serving(door.app()) as (url,):
        runner = runner_of("month", url=f"{url}/hook", is_held=False, payments=80)
        async with living(runner), served(runner) as world:
            await until(lambda: runner.is_finished, seconds=60)
            events = runner.world.state.stripe.store.every(Event)
            lost = runner.world.state.lost
            assert set(door.received) == {e.id for e in events} - lost
            assert len(door.received) == len(runner.world.state.outbox) > len(set(door.received))
            assert all(len(bodies) == 1 for bodies in door.bodies.values())
            places = {event.id: place for place, event in enumerate(events)}
            order = [places[event_id] for event_id in door.received]
            assert order != sorted(order)
            assert runner.unmet is None
            page = await world.client.v1.events.list_async(
                {"delivery_success": False, "limit": 100}
            )
            assert {event.id for event in page.data} == lost
            answered = (await world.http.get(f"{world.stripe_url}/sim/deliveries")).json()
            assert Counter(row["event"] for row in answered["answered"]) == Counter(door.received)


async def test_a_webhook_is_sent_again_until_it_is_answered() -> None:
    door = Door(refuse_next=7)
    async with serving(door.app()) as (url,):
        runner = runner_of("bare", url=f"{url}/hook")
        async with living(runner):
            runner.command({"do": "charge", "amount": 4_200})
            runner.advance(10)
            await until(lambda: len(door.received) == 3)
            sender = runner.sender
            assert sender is not None
            await until(lambda: sender.open_count == 0)
            assert sender.failures == 7
            assert len(set(door.received)) == 3


async def test_a_contradiction_is_sent_only_after_the_event_was_answered() -> None:
    door = Door()
    async with serving(door.app()) as (url,):
        runner = runner_of("troubles", url=f"{url}/hook", is_held=False)
        async with living(runner):
            await until(lambda: runner.is_finished, seconds=60)
    conflict = next(f for f in runner.world.state.findings if f.kind == "event_conflict")
    assert len(door.bodies[conflict.subject]) == 2
    amounts = [json.loads(b)["data"]["object"]["amount"] for b in door.bodies[conflict.subject]]
    assert max(amounts) - min(amounts) == 100
    assert runner.unmet is None


async def test_a_killed_world_goes_on_with_the_same_ids_and_sends_the_rest(tmp_path: Path) -> None:
    path = tmp_path / "world.jsonl"
    door = Door()
    async with serving(door.app()) as (url,):
        first = runner_of("month", url=f"{url}/hook", path=path, payments=80)
        async with living(first):
            first.advance(12 * 86_400)
            made = first.command({"do": "charge", "amount": 1_234})
            first.advance(86_400)
            await until(lambda: len(door.received) >= 20)
        # Torn in the middle of a line, as a kill leaves it.
        with path.open("a", encoding="utf-8") as file:
            file.write('{"answered": "evt_')
        before = len(door.received)
        second = runner_of("month", url=f"{url}/hook", path=path, payments=80, is_held=False)
        assert second.world.now == first.world.now
        store = second.world.state.stripe.store
        assert store.find(str(made["charge"])) == first.world.state.stripe.store.find(
            str(made["charge"])
        )
        async with living(second):
            await until(lambda: second.is_finished, seconds=60)
    assert before > 0
    expected = {e.id for e in store.every(Event)} - second.world.state.lost
    assert set(door.received) == expected
    with pytest.raises(StateRefused, match="payments 80"):
        runner_of("month", path=path, payments=81)


async def test_a_door_that_is_away_gets_everything_when_it_is_back() -> None:
    door = Door(is_away=True)
    async with serving(door.app()) as (url,):
        runner = runner_of("quiet", url=f"{url}/hook", is_held=False, payments=30)
        async with living(runner):
            sender = runner.sender
            assert sender is not None
            await until(lambda: sender.failures > 50)
            assert not door.received
            door.is_away = False
            await until(lambda: runner.is_finished, seconds=60)
    events = runner.world.state.stripe.store.every(Event)
    assert set(door.received) == {event.id for event in events}
