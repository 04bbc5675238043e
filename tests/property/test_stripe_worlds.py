"""Worlds that mix everything Stripe does: the books are Stripe's own figures, in any order."""

import random
from collections import Counter
from typing import Final

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.stripe_worlds import IN_TRANSIT, SETTLING, Stripe, stripe_worlds
from tests.support.two_readings import ledgers_books, oracles_books

HELD: Final = {
    "payments": "assets:stripe:balance",
    "issuing": "assets:stripe:issuing",
    "refund_and_dispute_prefunding": "assets:stripe:refund-and-dispute-prefunding",
    "risk_reserved": "assets:stripe:reserve",
}


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.data_too_large])
@given(stripe_worlds(), st.integers())
def test_world_in_any_order_and_any_duplication_has_stripes_own_figures(
    world: Stripe, seed: int
) -> None:
    balances, digests = ledgers_books(world.told)

    dice = random.Random(seed)
    shuffled = [*world.told, *(each for each in world.told if dice.random() < 0.5)]
    dice.shuffle(shuffled)
    assert ledgers_books(shuffled) == (balances, digests)
    assert oracles_books(shuffled) == balances

    sums: Counter[str] = Counter()
    for (_, _, currency), minor in balances.items():
        sums[currency] += minor
    assert not any(sums.values())

    for (balance, currency), net in world.held.items():
        assert balances.get((HELD[balance], "", currency), 0) == net

    clearing = {at: m for at, m in balances.items() if at[0] in (SETTLING, IN_TRANSIT)}
    assert clearing == {at: minor for at, minor in world.left.items() if minor}
