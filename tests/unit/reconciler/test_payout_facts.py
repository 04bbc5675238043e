"""What a payout is made of, as the API tells it."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from services.reconciler.facts.contents import PayoutContents
from services.reconciler.facts.kinds import BalanceTransaction, Fact
from services.reconciler.facts.readers import facts_of
from shared.contracts import topics
from shared.contracts.books import BookMap
from shared.contracts.envelope import Envelope
from shared.contracts.errors import Unreadable

AT = datetime(2026, 11, 20, 12, tzinfo=UTC)
CHARGE: dict[str, Any] = {
    "id": "txn_1",
    "object": "balance_transaction",
    "type": "charge",
    "reporting_category": "charge",
    "source": "ch_1",
    "amount": 10_000,
    "fee": 320,
    "net": 9_680,
    "currency": "usd",
    "created": 1_763_000_000,
    "available_on": 1_763_172_800,
    "balance_type": "payments",
}
CONTENTS: dict[str, Any] = {
    "id": "po_1.contents.1",
    "object": "payout_contents",
    "payout": "po_1",
    "part": 1,
    "parts": 1,
    "count": 2,
    "balance_transactions": ["txn_1", "txn_2"],
}


def told(shown: dict[str, Any]) -> tuple[Fact, ...]:
    envelope = Envelope("1", "test", "x", AT, json.dumps(shown).encode())
    return facts_of(topics.STRIPE_OBJECTS, envelope, received_at=AT, books=BookMap())[1]


def test_balance_transaction_tells_its_amounts_where_all_of_them_can_be_read() -> None:
    (movement,) = told(CHARGE)
    assert isinstance(movement, BalanceTransaction)
    assert (movement.amount_minor, movement.fee_minor, movement.net_minor) == (10_000, 320, 9_680)
    assert (movement.currency, movement.source) == ("usd", "ch_1")
    (bare,) = told(CHARGE | {"net": None})
    assert isinstance(bare, BalanceTransaction)
    assert (bare.net_minor, bare.currency) == (0, "")
    assert bare.merged(movement) == movement == movement.merged(bare)


def test_contents_of_a_payout_are_kept_and_expect_nothing() -> None:
    assert told(CONTENTS) == (PayoutContents("po_1", 1, 1, 2, ("txn_1", "txn_2")),)


@pytest.mark.parametrize("wrong", [{"count": None}, {"balance_transactions": "txn_1"}])
def test_contents_without_a_count_or_a_list_are_none(wrong: dict[str, Any]) -> None:
    with pytest.raises(Unreadable, match="contents of a payout"):
        told(CONTENTS | wrong)
