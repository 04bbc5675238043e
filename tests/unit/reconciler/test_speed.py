"""Ten thousand lines against ten thousand payouts, in the worlds that cost most."""

from collections.abc import Callable
from datetime import date, timedelta
from random import Random
from time import perf_counter

import pytest

from services.reconciler.facts import Fact
from services.reconciler.reconcile import reconcile
from tests.support.reconciler_facts import LATER, facts_of, line, payout

COUNT = 10_000
SECONDS_MAX = 10
LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghjkmnpqrstuvwxyz23456789"


def ids() -> list[str]:
    random = Random(1)
    return [f"po_1{''.join(random.choices(LETTERS, k=23))}" for _ in range(COUNT)]


def cut_references() -> list[Fact]:
    random = Random(2)
    told: list[Fact] = []
    for i, name in enumerate(ids()):
        day = date(2026, 1, 5) + timedelta(days=random.randrange(300))
        minor = random.randrange(1_000, 10_000_000)
        told += payout(name, minor, arrival=day), line(name[:18], minor, id=f"l{i}", on=day)
    return told


def nothing_but_amounts() -> list[Fact]:
    random = Random(3)
    told: list[Fact] = []
    for i, name in enumerate(ids()):
        minor = random.randrange(1_000, 10_000_000)
        told += payout(name, minor), line("STRIPE", minor + i % 2, id=f"l{i}")
    return told


def one_amount_on_one_day() -> list[Fact]:
    return [
        fact for i, name in enumerate(ids()) for fact in (payout(name), line("STRIPE", id=f"l{i}"))
    ]


def more_lines_than_payouts_of_one_amount() -> list[Fact]:
    days = (date(2026, 11, 10), date(2026, 11, 11))
    lines = [line("STRIPE", id=f"l{i}", on=days[i % 2]) for i in range(COUNT)]
    return [*(payout(name) for name in ids()[: COUNT // 2]), *lines]


@pytest.mark.parametrize(
    "world",
    [
        cut_references,
        nothing_but_amounts,
        one_amount_on_one_day,
        more_lines_than_payouts_of_one_amount,
    ],
)
def test_ten_thousand_lines_are_reconciled_within_ten_seconds(
    world: Callable[[], list[Fact]],
) -> None:
    facts = facts_of(world())
    before = perf_counter()
    reconcile(facts, at=LATER)
    assert perf_counter() - before < SECONDS_MAX
