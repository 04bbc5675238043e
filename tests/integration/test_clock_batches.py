"""A clock tick, and what it hears of lines and credit notes in its own batch and before."""

from datetime import UTC, datetime
from typing import Any, Final

import pytest

from shared.contracts.books import Basis, BookData, BookMap
from shared.contracts.topics import LEDGER_COMMANDS, STRIPE_OBJECTS
from shared.runtime.kafka import Partition
from tests.support.in_force import Topics, projector

pytestmark = pytest.mark.stack

Json = dict[str, Any]  # Any: JSON
DAY: Final = 86_400
BEGAN: Final = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp())
BOOKS: Final = BookMap(books=(BookData(basis=Basis.ACCRUAL),))
INVOICE: Final[Json] = {
    "id": "in_1", "object": "invoice", "status": "open", "created": BEGAN, "currency": "usd",
    "customer": "cus_1", "total": 36_500, "amount_due": 36_500, "amount_paid": 0,
    "amount_remaining": 36_500, "starting_balance": 0, "ending_balance": 0, "livemode": False,
    "total_excluding_tax": 36_500, "status_transitions": {"finalized_at": BEGAN + 60},
    "lines": {"object": "list", "has_more": False, "data": [
        {"id": "il_1", "object": "line_item", "amount": 36_500, "currency": "usd",
         "period": {"start": BEGAN, "end": BEGAN + 365 * DAY}}]},
}  # fmt: skip
NOTE: Final[Json] = {
    "id": "cn_1", "object": "credit_note", "invoice": "in_1", "customer": "cus_1",
    "amount": 32_500, "total": 32_500, "currency": "usd", "status": "issued", "livemode": False,
    "created": BEGAN + 40 * DAY, "pre_payment_amount": 32_500, "refunds": [],
    "lines": {"object": "list", "data": [
        {"id": "cnli_1", "invoice_line_item": "il_1", "amount": 32_500}]},
}  # fmt: skip
TICK: Final[Json] = {
    "kind": "tick_clock", "idempotency_key": "t1", "book": "main", "until": "2026-05-01T00:00:00Z"
}  # fmt: skip


@pytest.mark.parametrize("cuts", [((NOTE,), (INVOICE, TICK)), ((NOTE, INVOICE, TICK),), (
    (INVOICE,), (NOTE,), (TICK,))], ids=["note before", "all at once", "one by one"])  # fmt: skip
async def test_tick_knows_what_was_taken_back_of_a_line_that_comes_with_it(
    database_dsn: str, cuts: tuple[tuple[Json, ...], ...]
) -> None:
    places = {
        "in_1": Partition(STRIPE_OBJECTS, 0),
        "cn_1": Partition(STRIPE_OBJECTS, 1),
    }
    topics = Topics()
    async with projector(database_dsn, book_map=BOOKS) as one:
        for batch in cuts:
            await one.take(
                *(
                    topics.tell(places.get(each.get("id", ""), Partition(LEDGER_COMMANDS, 0)), each)
                    for each in batch
                )
            )
        async with one.database.transaction() as tx:
            rows = await tx.fetch(
                "select account, key, minor from open_items where account = 'liabilities:unearned'"
            )
    # All that was left after forty days was taken back, and the tick comes after that.
    assert [tuple(row) for row in rows] == []
