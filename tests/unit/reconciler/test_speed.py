"""Many lines against many payouts, in the worlds that cost most; `make bench` says how long."""

import sys
from collections.abc import Callable
from datetime import date, timedelta
from random import Random
from types import FrameType
from typing import TYPE_CHECKING

import pytest

from services.reconciler.facts.kinds import Fact
from services.reconciler.reconcile import reconcile
from tests.support.reconciler_facts import LATER, facts_of, line, payout

if TYPE_CHECKING:
    from _typeshed import TraceFunction

FEW = 150
TIMES = 4
LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghjkmnpqrstuvwxyz23456789"


def ids(count: int) -> list[str]:
    random = Random(1)
    return [f"po_1{''.join(random.choices(LETTERS, k=23))}" for _ in range(count)]


def cut_references(count: int) -> list[Fact]:
    random = Random(2)
    told: list[Fact] = []
    for i, name in enumerate(ids(count)):
        day = date(2026, 1, 5) + timedelta(days=random.randrange(300))
        minor = random.randrange(1_000, 10_000_000)
        told += payout(name, minor, arrival=day), line(name[:18], minor, id=f"l{i}", on=day)
    return told


def nothing_but_amounts(count: int) -> list[Fact]:
    random = Random(3)
    told: list[Fact] = []
    for i, name in enumerate(ids(count)):
        minor = random.randrange(1_000, 10_000_000)
        told += payout(name, minor), line("STRIPE", minor + i % 2, id=f"l{i}")
    return told


def one_amount_on_one_day(count: int) -> list[Fact]:
    return [
        fact
        for i, name in enumerate(ids(count))
        for fact in (payout(name), line("STRIPE", id=f"l{i}"))
    ]


def more_lines_than_payouts_of_one_amount(count: int) -> list[Fact]:
    days = (date(2026, 11, 10), date(2026, 11, 11))
    lines = [line("STRIPE", id=f"l{i}", on=days[i % 2]) for i in range(count)]
    return [*(payout(name) for name in ids(count)[: count // 2]), *lines]


def lines_run(told: list[Fact]) -> int:
    """How many lines of code a reconciliation runs: its work, whatever else the machine does."""
    facts, count = facts_of(told), 0

    def seen(frame: FrameType, event: str, argument: object) -> "TraceFunction":
        nonlocal count
        del frame, argument
        count += event == "line"
        return seen

    before = sys.gettrace()
    sys.settrace(seen)
    try:
        reconcile(facts, at=LATER)
    finally:
        sys.settrace(before)
    return count


@pytest.mark.parametrize(
    "world",
    [
        cut_references,
        nothing_but_amounts,
        one_amount_on_one_day,
        more_lines_than_payouts_of_one_amount,
    ],
)
def test_work_of_reconciling_grows_with_the_lines_and_not_with_their_square(
    world: Callable[[int], list[Fact]],
) -> None:
    assert lines_run(world(FEW * TIMES)) < lines_run(world(FEW)) * TIMES * 3 // 2
