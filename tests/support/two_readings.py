"""The same messages read twice: by the ledger, and by the oracle that was written apart from it."""

import json
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from oracle.model import Books as OracleBooks
from oracle.model import model_of
from oracle.values import Position, Record
from services.ledger.activation.in_force import InForce
from services.ledger.decisions import RULES_VERSION
from services.ledger.posting_rules import Input, decide
from shared.contracts.envelope import Envelope
from tallystick.preview.books import Books
from tests.support.stripe_worlds import At, Json

NOW: Final = datetime(2026, 11, 21, tzinfo=UTC)
Told = Sequence[tuple[str, Json]]


def ledgers_books(told: Told, rules: int = RULES_VERSION) -> tuple[dict[At, int], frozenset[bytes]]:
    """What the ledger has on each account, key and currency, and the digest of every entry."""
    books = Books()
    for topic, value in told:
        message = Input(topic, Envelope("m", "s", "t", NOW, json.dumps(value).encode()), NOW)
        for remark in books.take(decide(message, InForce(rules_version=rules)), NOW):
            assert remark.outcome in ("nothing_to_book", "noted"), remark
    digests = frozenset(recorded.entry.digest() for recorded in books.entries())
    return {(b.account, b.key, b.currency.code): b.minor for b in books.balances()}, digests


def oracles_books(told: Told, rules: int = RULES_VERSION) -> dict[At, int]:
    """What the oracle has, of the first telling of each fact that it is sure of."""
    records = [
        Record(Position(topic, 0, n), {"book": "main", "id": str(n)}, json.dumps(value).encode())
        for n, (topic, value) in enumerate(told)
    ]
    model = model_of(records, OracleBooks().by_rules(rules))
    assert not model.unreadable
    assert not model.refused
    sums: Counter[At] = Counter()
    for tellings in model.tellings.values():
        sure = [told.fact for told in tellings if told.fact.is_sure]
        for leg in sure[0].legs if sure else ():
            sums[leg.account, leg.key, leg.currency] += leg.minor
    return {at: minor for at, minor in sums.items() if minor}
