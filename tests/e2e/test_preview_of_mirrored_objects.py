"""Whatever the poller tells besides books nothing twice.

One change is told by an event, by a balance transaction's source, by a list, by a thin event's
object. A preview of a world with all of these comes to the same books as one without.
"""

import json
import random
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime
from functools import cache
from typing import Any

import pytest

from sandbox.stripe.facts import (
    AnyFact,
    ApplicationFee,
    BalanceTransaction,
    Charge,
    Dispute,
    Event,
    FeeRefund,
    Payout,
    Refund,
    Topup,
    Transfer,
    TransferReversal,
)
from sandbox.stripe.shapes.thin import thin_notification
from sandbox.world.calendar import text_of
from sandbox.world.export import exported
from sandbox.world.scenario import ACCOUNT, scenario_named
from sandbox.world.state import Plan, State
from sandbox.world.world import World
from services.ingest.catch_up import Fields, Speaker
from services.ingest.mirrored import contents, has_told_contents, parted
from shared.contracts.books import Mode
from tallystick.preview.options import Options
from tallystick.preview.run import preview

Json = dict[str, Any]  # Any: the documents' JSON
SPEAKER = Speaker(ACCOUNT, Mode.TEST, "main", "2026-10-28.endive")
KINDS: tuple[type[AnyFact], ...] = (
    Refund,
    Dispute,
    Transfer,
    TransferReversal,
    ApplicationFee,
    FeeRefund,
    Payout,
    Topup,
    Charge,
)
COMMON = {Refund, Dispute, Transfer, TransferReversal, Payout, Charge}


@cache
def played(name: str) -> State:
    scenario = scenario_named(name)
    end = date(2026, 11, 21)
    world = World.begun(
        Plan(scenario=scenario, seed=scenario.world.seed, payments=scenario.world.payments, end=end)
    )
    world.run_until(world.state.plan.end_at)
    return world.state


def line(state: State, topic: str, value: Fields, account: str = ACCOUNT) -> bytes:
    told = {"topic": topic, "value": value, "received_at": text_of(state.agenda.now)}
    return json.dumps(told | ({"account": account} if topic == "stripe.objects" else {})).encode()


def as_listed(state: State, fact: AnyFact) -> Json:
    """An object as its list shows it to the mirror, expanded as the mirror asks."""
    store, now = state.stripe.store, state.agenda.now
    shown = store.shown(fact, now)
    if isinstance(fact, Refund):
        if fact.balance_transaction is not None:
            shown["balance_transaction"] = store.shown(store.find(fact.balance_transaction), now)
        shown["charge"] = store.shown(store.find(fact.charge), now)
    if isinstance(fact, BalanceTransaction) and fact.source is not None:
        shown["source"] = store.shown(store.find(fact.source), now)
    return shown


def mirrored(state: State, owner: str) -> Iterator[bytes]:
    """All that the mirror tells of an account."""
    store = state.stripe.store
    for kind in (BalanceTransaction, *KINDS):
        for fact in store.every(kind):
            if fact.owner == owner:
                for value in parted(as_listed(state, fact)):
                    yield line(state, "stripe.objects", value, owner)


def told_contents(state: State) -> Iterator[bytes]:
    at = datetime.fromtimestamp(state.agenda.now, UTC)
    store = state.stripe.store
    for payout in store.every(Payout):
        if has_told_contents(store.shown(payout, state.agenda.now)):
            ids = [t.id for t in store.every(BalanceTransaction) if t.payout == payout.id]
            for told in contents(payout.id, ids, SPEAKER, told_at=at):
                yield line(state, "stripe.objects", json.loads(told.envelope.data))


def thin(state: State) -> Iterator[bytes]:
    """The thin twins of all events, and what each names, resolved."""
    store = state.stripe.store
    for event in store.every(Event):
        twin: Json = thin_notification(event, store.dice, platform=store.account)
        yield line(state, "stripe.events", twin)
        related = twin["related_object"]
        if event.owner == ACCOUNT and related and "id" in related:
            for value in parted(as_listed(state, store.find(related["id"]))):
                yield line(state, "stripe.objects", value)


def books_of(lines: Iterable[bytes]) -> tuple[Json, list[Json], list[Json]]:
    told: Json = preview([("told", list(lines))], Options(accounts=(ACCOUNT,))).as_json()
    entries = {e["reference"]: (e["postings"], e["reverses"]) for e in told["entries"]}
    assert told["refused"] == []
    return entries, told["balances"], told["discrepancies"]


def among(lines: list[bytes], others: Iterable[bytes], seed: int) -> list[bytes]:
    """The lines in their order, with the others anywhere between them, some of them twice."""
    dice = random.Random(seed)
    found = list(others)
    found += [each for each in found if dice.random() < 0.3]
    places = [(number, 0, told) for number, told in enumerate(lines)]
    places += [(dice.randrange(len(lines) + 1), 1, told) for told in found]
    return [told for _, _, told in sorted(places)]


@pytest.mark.parametrize("name", ["month", "faults"])
def test_all_that_the_mirror_and_thin_events_tell_besides_books_nothing_twice(name: str) -> None:
    state = played(name)
    store = state.stripe.store
    lines = [json.dumps(each).encode() for each in exported(state)]
    besides = [*mirrored(state, ACCOUNT), *told_contents(state), *thin(state)]
    for connected in sorted(store.owners() - {ACCOUNT}):
        besides.extend(mirrored(state, connected))
    expected = books_of(lines)
    assert {kind for kind in KINDS if store.every(kind)} >= {*COMMON}
    assert books_of(among(lines, besides, 7)) == expected
    assert books_of([*besides, *lines]) == expected


def test_snapshot_event_and_thin_event_of_one_change_come_to_the_books_of_either_alone() -> None:
    state = played("month")
    store = state.stripe.store
    snapshots = [
        told for told in map(json.dumps, exported(state)) if '"stripe.events"' in told[:40]
    ]
    movements = [
        line(state, "stripe.objects", store.shown(t, state.agenda.now))
        for t in store.every(BalanceTransaction)
        if t.owner == ACCOUNT
    ]
    both = [told.encode() for told in snapshots] + list(thin(state)) + movements
    by_snapshot = books_of([told.encode() for told in snapshots] + movements)
    by_thin = books_of([*thin(state), *movements])
    assert books_of(both)[:2] == by_snapshot[:2]
    assert by_thin[0] == by_snapshot[0]


def test_uncaptured_part_that_is_listed_as_a_refund_books_as_its_movement_says() -> None:
    common = {"currency": "usd", "created": 1_793_000_000, "livemode": False}
    charge = common | {
        "id": "ch_1", "object": "charge", "status": "succeeded", "captured": True,
        "amount": 10_000, "amount_captured": 7_000,
    }  # fmt: skip
    movement = common | {
        "id": "txn_2", "object": "balance_transaction", "type": "refund",
        "reporting_category": "partial_capture_reversal", "amount": -3_000, "fee": -87,
        "net": -2_913, "source": "re_1", "balance_type": "payments",
    }  # fmt: skip
    whole = movement | {
        "id": "txn_1", "type": "charge", "reporting_category": "charge", "amount": 10_000,
        "fee": 320, "net": 9_680, "source": "ch_1",
    }  # fmt: skip
    item = common | {"id": "re_1", "object": "refund", "status": "succeeded", "amount": 3_000}
    by_source = [charge, whole, movement | {"source": item | {"charge": "ch_1"}}]
    by_list = [item | {"charge": charge, "balance_transaction": movement}]
    told = [
        [value for each in found for value in parted(each)]
        for found in (by_source, by_list + by_source, by_source + by_list)
    ]
    state = played("month")
    first, *others = (books_of(line(state, "stripe.objects", v) for v in each) for each in told)
    assert {row["account"]: row["minor"] for row in first[1] if not row["key"]} == {
        "assets:stripe:balance": "6767",
        "expenses:stripe-fees": "233",
        "revenue:stripe": "-7000",
    }
    assert others == [first, first]
