"""The world: the same for the same seed, settled at its end, and right about its own books."""

import json
from collections import Counter
from dataclasses import replace
from datetime import date, timedelta
from functools import cache
from typing import Any

import pytest

from sandbox.stripe.facts import BalanceTransaction, Charge, Event, Payout, PayoutStatus
from sandbox.world.calendar import business_days_between, day_of
from sandbox.world.export import exported
from sandbox.world.scenario import Scenario, scenario_named, scenario_names
from sandbox.world.state import Plan, ScenarioUnmet
from sandbox.world.truth import Truth, truth_document
from sandbox.world.world import World

END = date(2026, 11, 21)
PLAYED = ("faults", "lossy", "month", "quiet", "saas", "troubles")


def plan_of(name: str, *, seed: int | None = None, end: date = END) -> Plan:
    scenario = scenario_named(name)
    world = scenario.world
    return Plan(
        scenario=scenario,
        seed=world.seed if seed is None else seed,
        payments=world.payments,
        end=end,
    )


def played(plan: Plan) -> World:
    world = World.begun(plan)
    world.run_until(plan.end_at)
    return world


@cache
def usual(name: str) -> World:
    """A scenario played with its own seed; only to be read."""
    return played(plan_of(name))


def story(world: World) -> list[str]:
    return [json.dumps(line, sort_keys=True) for line in exported(world.state)]


def test_every_scenario_that_comes_with_the_sandbox_can_be_read() -> None:
    assert scenario_names() == (
        "bare",
        "faults",
        "lossy",
        "month",
        "quiet",
        "saas",
        "sandbox",
        "troubles",
    )
    for name in scenario_names():
        assert scenario_named(name).world.name == name


@pytest.mark.parametrize("name", PLAYED)
def test_a_scenario_played_on_any_weekday_gives_what_it_says(name: str) -> None:
    for days in range(7):
        world = played(plan_of(name, end=END + timedelta(days=days)))
        world.check()
        assert world.is_over


@pytest.mark.parametrize("seed", range(1, 5))
@pytest.mark.parametrize("name", PLAYED)
def test_a_scenario_with_another_seed_gives_what_it_says(name: str, seed: int) -> None:
    played(plan_of(name, seed=seed)).check()


@pytest.mark.parametrize("payments", [40, 60, 90, 1500])
def test_the_month_with_another_number_of_payments_gives_what_it_says(payments: int) -> None:
    played(replace(plan_of("month"), payments=payments)).check()


def test_a_pinned_world_with_other_books_is_refused() -> None:
    plan = plan_of("month")
    pinned = plan.scenario.expect.books
    assert pinned is not None
    first, *rest = pinned.balances
    wrong = first.model_copy(update={"minor": first.minor + 1})
    books = pinned.model_copy(update={"balances": (wrong, *rest)})
    expect = plan.scenario.expect.model_copy(update={"books": books})
    scenario = plan.scenario.model_copy(update={"expect": expect})
    with pytest.raises(ScenarioUnmet, match="books"):
        played(replace(plan, scenario=scenario)).check()


def test_a_scenario_that_expects_too_little_is_refused() -> None:
    plan = plan_of("month")
    expect = plan.scenario.expect.model_copy(update={"discrepancies": {}})
    scenario: Scenario = plan.scenario.model_copy(update={"expect": expect})
    with pytest.raises(ScenarioUnmet, match="payout_overdue"):
        played(replace(plan, scenario=scenario)).check()


def test_a_world_with_too_few_payouts_for_what_is_planted_is_refused() -> None:
    with pytest.raises(ScenarioUnmet, match="payout_never_arrives on payout 2 in usd"):
        played(
            replace(
                plan_of("month"),
                payments=0,
                scenario=_without(plan_of("month").scenario, "stripe_bill", "topup"),
            )
        ).check()


def _without(scenario: Scenario, *kinds: str) -> Scenario:
    kept = tuple(part for part in scenario.planted if not part.kind.startswith(kinds))
    kept = tuple(part for part in kept if not part.kind.startswith("dispute"))
    return scenario.model_copy(update={"planted": kept})


@pytest.mark.parametrize("name", PLAYED)
def test_a_world_played_in_small_steps_tells_the_same_story(name: str) -> None:
    whole = usual(name)
    stepped = World.begun(plan_of(name))
    at = stepped.now
    while not stepped.is_over:
        at += 7_777
        stepped.run_until(at)
    assert story(stepped) == story(whole)


def test_another_seed_tells_another_story() -> None:
    assert story(played(plan_of("quiet", seed=1))) != story(played(plan_of("quiet", seed=2)))


@pytest.mark.parametrize("name", PLAYED)
def test_every_balance_at_stripe_is_the_sum_of_its_transactions(name: str) -> None:
    store = usual(name).state.stripe.store
    sums: Counter[tuple[str, str, str]] = Counter()
    for txn in store.every(BalanceTransaction):
        assert txn.net == txn.amount - txn.fee
        sums[txn.owner, txn.balance_type, txn.currency] += txn.net
    for (owner, balance_type, currency), net in sums.items():
        kind = next(
            t.balance_type
            for t in store.every(BalanceTransaction)
            if t.balance_type == balance_type
        )
        assert store.balance(currency, owner=owner, balance_type=kind) == net
        assert net >= 0 or (name, currency, net) == ("troubles", "jpy", -700)


@pytest.mark.parametrize("name", PLAYED)
def test_an_automatic_payout_is_the_sum_of_what_it_pays_out(name: str) -> None:
    store = usual(name).state.stripe.store
    payouts = [p for p in store.every(Payout) if p.is_automatic]
    assert payouts
    for payout in payouts:
        nets = [t.net for t in store.every(BalanceTransaction) if t.payout == payout.id]
        assert sum(nets) == 0
        assert -min(nets) >= payout.amount > 0


@pytest.mark.parametrize("name", PLAYED)
def test_the_truth_agrees_with_both_parties_own_books(name: str) -> None:
    state = usual(name).state
    books = Truth.of(state).books.balances()
    store = state.stripe.store
    for currency in ("usd", "jpy"):
        assert books.get(("assets:stripe:balance", currency), 0) == store.balance(currency)
    for account in state.bank.accounts():
        place = (f"assets:bank:{account.name}", account.currency)
        drifted = -1_500 if (name, account.name) == ("troubles", "main_usd") else 0
        assert books.get(place, 0) + drifted == state.bank.balance(account.id)
    sums: Counter[str] = Counter()
    for (_, currency), minor in books.items():
        sums[currency] += minor
    assert not any(sums.values())


@pytest.mark.parametrize("name", ["faults", "month", "quiet", "saas"])
def test_nothing_honest_is_open_at_the_end_of_the_world(name: str) -> None:
    world = usual(name)
    planted = {finding.subject for finding in world.state.findings}
    open_keys = {
        key
        for account, key, _ in Truth.of(world.state).books.keyed()
        if account in ("assets:stripe:settling", "assets:stripe:in-transit", "liabilities:suspense")
    }
    assert open_keys == planted
    store = world.state.stripe.store
    assert all(charge.balance_transaction for charge in store.every(Charge))
    assert all(p.status is PayoutStatus.PAID for p in store.every(Payout))


@pytest.mark.parametrize("days", range(7))
def test_what_never_arrives_is_overdue_before_the_world_ends(days: int) -> None:
    world = played(plan_of("month", end=END + timedelta(days=days)))
    overdue = next(f for f in world.state.findings if f.kind == "payout_overdue")
    payout = world.state.stripe.store.get(Payout, overdue.subject)
    arrival = day_of(payout.arrival_date)
    # Three business days make it overdue; three more leave room for a holiday in between.
    assert business_days_between(arrival, world.state.plan.end) >= 6


def test_no_moment_of_a_world_lies_after_its_end() -> None:
    world = usual("faults")
    end = world.state.plan.end_at
    assert max(event.created for event in world.state.stripe.store.every(Event)) < end
    assert max(delivery.due for delivery in world.state.outbox) <= end
    assert max(line.created for line in world.state.bank.every_line()) < end


def test_webhooks_are_doubled_reordered_and_lost_as_the_scenario_says() -> None:
    world = usual("faults")
    store = world.state.stripe.store
    events = {event.id: event for event in store.every(Event)}
    sent = Counter(delivery.event_id for delivery in world.state.outbox)
    doubled = sum(count == 2 for count in sent.values())
    late = sum(
        d.due - events[d.event_id].created > 300 for d in world.state.outbox if d.id.endswith("#1")
    )
    assert set(sent) | world.state.lost == set(events)
    assert not set(sent) & world.state.lost
    assert 0.07 < doubled / len(events) < 0.13
    assert 0.17 < late / len(events) < 0.25
    assert 0 < len(world.state.lost) < 0.03 * len(events)


def test_most_charges_are_told_before_their_balance_transaction_is_known() -> None:
    store = usual("month").state.stripe.store
    told = [e for e in store.every(Event) if e.type == "charge.succeeded"]
    without = [e for e in told if e.data["balance_transaction"] is None]
    assert 0.6 < len(without) / len(told) < 0.8
    updated = {e.data["id"] for e in store.every(Event) if e.type == "charge.updated"}
    assert {e.data["id"] for e in without} == updated


def test_an_event_keeps_the_form_that_its_object_had() -> None:
    store = usual("faults").state.stripe.store
    created = [e for e in store.every(Event) if e.type == "payout.created"]
    assert {e.data["status"] for e in created} == {"pending"}
    assert {e.data["trace_id"] == {"status": "pending", "value": None} for e in created} == {True}


def test_the_mix_of_the_fault_scenario_is_the_promised_one() -> None:
    world = usual("faults")
    told = Counter(event.type for event in world.state.stripe.store.every(Event))
    news = told["widget.flipped"] + told["product.updated"] + told["customer.updated"]
    counts = {
        "charge": told["charge.succeeded"],
        "refund": told["refund.created"],
        "dispute": told["charge.dispute.created"],
        "transfer": told["transfer.created"] + told["transfer.reversed"],
        "payout": told["payout.created"],
        "unknown": news,
    }
    total = sum(counts.values())
    promised = {"charge": 60, "refund": 15, "dispute": 5, "transfer": 10, "payout": 5, "unknown": 5}
    for kind, share in promised.items():
        assert abs(100 * counts[kind] / total - share) <= 2, (kind, counts)


def test_the_truth_names_each_planted_fault_with_its_subject_and_amount() -> None:
    document = truth_document(usual("month").state)
    found: Any = document["discrepancies"]  # Any: JSON that is about to be looked at
    kinds = [(row["kind"], row["subject"][:3], row["amount"]["currency"]) for row in found]
    assert kinds == [
        ("payout_amount_mismatch", "po_", "usd"),
        ("payout_overdue", "po_", "usd"),
        ("unidentified_bank_credit", "tra", "usd"),
    ]
    assert found[0]["amount"]["minor"] == "100"
    assert found[2]["amount"]["minor"] == "25000"
