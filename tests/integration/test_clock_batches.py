"""A clock tick, and what it hears of lines and credit notes in its own batch and before."""

from datetime import UTC, datetime
from typing import Any, Final

import pytest

from shared.contracts.books import Basis, BookData, BookMap
from shared.contracts.topics import LEDGER_COMMANDS, STRIPE_EVENTS, STRIPE_OBJECTS
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


LINES: Final = [f"il_{number:02}" for number in range(1, 13)]
SEATS: Final[Json] = INVOICE | {
    "total": 438_000, "total_excluding_tax": 438_000, "amount_due": 438_000,
    "amount_remaining": 438_000,
    "lines": {"object": "list", "has_more": False, "data": [
        INVOICE["lines"]["data"][0] | {"id": line} for line in LINES]},
}  # fmt: skip
WHOLE: Final[Json] = NOTE | {
    "amount": 390_000, "total": 390_000, "pre_payment_amount": 390_000,
    "lines": {"object": "list", "has_more": False, "data": [
        {"id": f"cnli_{line}", "invoice_line_item": line, "amount": 32_500} for line in LINES]},
}  # fmt: skip
SHOWN: Final[Json] = {
    "id": "evt_1", "object": "event", "type": "credit_note.created", "created": BEGAN + 40 * DAY,
    "livemode": False, "data": {"object": WHOLE | {
        "lines": {"object": "list", "has_more": True, "data": WHOLE["lines"]["data"][:10]}}},
}  # fmt: skip
OTHER: Final[Json] = WHOLE | {"amount": 389_999, "total": 389_999, "pre_payment_amount": 389_999}
LATER: Final[Json] = TICK | {"idempotency_key": "t2", "until": "2026-06-01T00:00:00Z"}


@pytest.mark.parametrize(
    "batches",
    [
        ((SEATS,), (SHOWN,), (WHOLE,), (TICK,)),
        ((SEATS, SHOWN, WHOLE, TICK),),
        ((SEATS, SHOWN), (WHOLE, TICK)),
        ((SHOWN,), (WHOLE,), (SEATS, TICK)),
        ((SHOWN,), (SEATS, WHOLE, TICK)),
        ((WHOLE,), (SHOWN,), (SEATS, TICK)),
        ((SEATS, WHOLE), (SHOWN, TICK)),
        ((SEATS, SHOWN, TICK), (WHOLE,), (WHOLE,), (LATER,)),
        ((SEATS, SHOWN, WHOLE), (OTHER,), (TICK,)),
    ],
    ids=["one by one", "all at once", "in two", "lines last", "with the lines", "whole first",
         "whole before", "after a tick", "contradicted"],
)  # fmt: skip
async def test_credit_note_told_in_part_and_whole_takes_back_of_each_line_once_in_any_order(
    database_dsn: str, batches: tuple[tuple[Json, ...], ...]
) -> None:
    places = {
        "in_1": Partition(STRIPE_OBJECTS, 0),
        "cn_1": Partition(STRIPE_OBJECTS, 1),
        "evt_1": Partition(STRIPE_EVENTS, 0),
    }
    topics = Topics()
    async with projector(database_dsn, book_map=BOOKS) as one:
        for batch in batches:
            await one.take(
                *(
                    topics.tell(places.get(each.get("id", ""), Partition(LEDGER_COMMANDS, 0)), each)
                    for each in batch
                )
            )
        async with one.database.transaction() as tx:
            left = await tx.fetch(
                "select key, minor from open_items where account = 'liabilities:unearned'"
            )
            cuts = await tx.fetch(
                "select line, reference, minor, at from unearned_cuts order by line"
            )
    assert [tuple(row) for row in left] == []
    noted_at = datetime.fromtimestamp(BEGAN + 40 * DAY, UTC)
    assert [tuple(row) for row in cuts] == [
        (line, "stripe:credit_note:cn_1", 32_500, noted_at) for line in LINES
    ]
