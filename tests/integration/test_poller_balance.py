"""Stripe's balance as the poller tells it, with the movements that are in it."""

from collections.abc import AsyncGenerator

import pytest

from shared.contracts.topics import STRIPE_OBJECTS
from tests.support.poller import Polling, polling_of

pytestmark = pytest.mark.stack


@pytest.fixture
async def polling(kafka: str, database_dsn: str) -> AsyncGenerator[Polling, None]:
    async with polling_of(kafka, database_dsn) as found:
        yield found


async def test_balance_that_stood_still_is_told_with_the_movements_in_it_twice(
    polling: Polling,
) -> None:
    """Twice, for a difference counts when two readings show it; then only when it has moved."""
    made = polling.do("charge", amount=4_200)["balance_transaction"]
    for _ in range(3):
        await polling.mirror.poll()
    objects = await polling.objects()
    (transaction,) = objects[made]
    one, two = objects["balance_reading"]
    assert [one["id"], two["id"]] == ["balance_reading.1", "balance_reading.2"]
    assert one["totals"] == [
        {"balance_type": "payments", "currency": "usd", "amount": transaction["net"]},
        {"balance_type": "refund_and_dispute_prefunding", "currency": "usd", "amount": 0},
    ]
    assert (one["created_to"], one["last"]) == (transaction["created"], [made])
    stands_at = {
        str(record.partition): record.offset
        for record in await polling.records(STRIPE_OBJECTS)
        if record.envelope().subject == made
    }
    assert all(one["ends"][partition] > offset for partition, offset in stands_at.items())
    more = polling.do("charge", amount=100)["balance_transaction"]
    await polling.mirror.poll()
    last = (await polling.objects())["balance_reading"][-1]
    assert (last["id"], last["last"]) == ("balance_reading.1", [more])
