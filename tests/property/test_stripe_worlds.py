"""Worlds that mix everything Stripe does: the books are Stripe's own figures, in any order."""

import json
import random
from collections import Counter
from datetime import UTC, datetime
from typing import Final

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from oracle.model import Books as OracleBooks
from oracle.model import model_of
from oracle.values import Position, Record
from services.ledger.activation.in_force import InForce
from services.ledger.posting_rules import Input, decide
from shared.contracts.envelope import Envelope
from tallystick.preview.books import Books
from tests.support.stripe_worlds import IN_TRANSIT, SETTLING, At, Json, Stripe, stripe_worlds

NOW: Final = datetime(2026, 11, 21, tzinfo=UTC)
HELD: Final = {
    "payments": "assets:stripe:balance",
    "issuing": "assets:stripe:issuing",
    "refund_and_dispute_prefunding": "assets:stripe:refund-and-dispute-prefunding",
    "risk_reserved": "assets:stripe:reserve",
}
Told = list[tuple[str, Json]]


def ledgers_books(told: Told) -> tuple[dict[At, int], frozenset[bytes]]:
    """What the ledger has on each account, key and currency, and the digest of every entry."""
    books = Books()
    for topic, value in told:
        message = Input(topic, Envelope("m", "s", "t", NOW, json.dumps(value).encode()), NOW)
        for remark in books.take(decide(message, InForce()), NOW):
            assert remark.outcome in ("nothing_to_book", "noted"), remark
    digests = frozenset(recorded.entry.digest() for recorded in books.entries())
    return {(b.account, b.key, b.currency.code): b.minor for b in books.balances()}, digests


def oracles_books(told: Told) -> dict[At, int]:
    """What the oracle has, of the first telling of each fact."""
    records = [
        Record(Position(topic, 0, n), {"book": "main", "id": str(n)}, json.dumps(value).encode())
        for n, (topic, value) in enumerate(told)
    ]
    model = model_of(records, OracleBooks())
    assert not model.unreadable
    assert not model.refused
    sums: Counter[At] = Counter()
    for tellings in model.tellings.values():
        for leg in tellings[0].fact.legs:
            sums[leg.account, leg.key, leg.currency] += leg.minor
    return {at: minor for at, minor in sums.items() if minor}


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
