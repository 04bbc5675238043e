"""Worlds of invoices: the books are the simulator's own figures, on either basis, in any order."""

import json
import random
from collections import Counter
from datetime import UTC, datetime
from typing import Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from oracle.model import BookData as OracleBook
from oracle.model import Books as OracleBooks
from oracle.model import model_of
from oracle.passed_on import followers, movers
from oracle.stripe import Wants
from oracle.values import Position, Record
from services.ledger.activation.in_force import InForce
from services.ledger.posting_rules import Input, decide
from shared.contracts.books import Basis, BookData, BookMap
from shared.contracts.envelope import Envelope
from tallystick.preview.books import Books
from tests.support.invoice_bills import Billing
from tests.support.invoice_worlds import invoice_worlds
from tests.support.stripe_worlds import At, Json

NOW: Final = datetime(2026, 11, 21, tzinfo=UTC)
Told = list[tuple[str, Json]]


def ledgers_books(told: Told, basis: Basis) -> tuple[dict[At, int], frozenset[bytes]]:
    """What the ledger has on each account, key and currency, and the digest of every entry."""
    in_force = InForce(BookMap(books=(BookData(basis=basis),)))
    books = Books()
    for topic, value in told:
        message = Input(topic, Envelope("m", "s", "t", NOW, json.dumps(value).encode()), NOW)
        for remark in books.take(decide(message, in_force), NOW):
            assert remark.outcome in ("nothing_to_book", "noted"), remark
    digests = frozenset(recorded.entry.digest() for recorded in books.entries())
    return {(b.account, b.key, b.currency.code): b.minor for b in books.balances()}, digests


def oracles_books(told: Told, basis: Basis) -> dict[At, int]:
    """What the oracle has, of the first telling of each fact."""
    records = [
        Record(Position(topic, 0, n), {"book": "main", "id": str(n)}, json.dumps(value).encode())
        for n, (topic, value) in enumerate(told)
    ]
    wants = Wants(invoices=basis is Basis.ACCRUAL)
    model = model_of(records, OracleBooks({"main": OracleBook(wants=wants)}))
    assert not model.unreadable
    assert not model.refused
    sums: Counter[At] = Counter()
    facts = {name: tellings[0].fact for name, tellings in model.tellings.items()}
    moving = movers(facts)
    for on in model.passed_on:
        facts |= {after.name: after for _, after in followers(moving, on)}
    for fact in facts.values():
        for leg in fact.legs:
            sums[leg.account, leg.key, leg.currency] += leg.minor
    return {at: minor for at, minor in sums.items() if minor}


@pytest.mark.parametrize("basis", list(Basis))
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.data_too_large])
@given(world=invoice_worlds(), seed=st.integers())
def test_invoices_in_any_order_and_any_duplication_make_the_simulators_books(
    basis: Basis, world: Billing, seed: int
) -> None:
    balances, digests = ledgers_books(world.told, basis)
    own = world.accrual if basis is Basis.ACCRUAL else world.cash
    assert balances == {at: minor for at, minor in own.items() if minor}

    dice = random.Random(seed)
    shuffled = [*world.told, *(each for each in world.told if dice.random() < 0.5)]
    dice.shuffle(shuffled)
    assert ledgers_books(shuffled, basis) == (balances, digests)
    assert oracles_books(shuffled, basis) == balances
