"""The door killed over and over, at each place where it can be between two statements.

`TALLYSTICK_TEST_DOOR_KILLS` says how many kills there are at each of the four places; a few in
the suite, 25 for the promise.
"""

import asyncio
import os
import random

import pytest

from shared.contracts.topics import STRIPE_EVENTS
from shared.runtime.kafka import create_topics, end_offsets
from tests.support.ingest import door, records_since
from tests.support.ledger import until
from tests.support.sender import Sender

KILLS = int(os.environ.get("TALLYSTICK_TEST_DOOR_KILLS", "6"))
DELIVERIES_A_SECOND = 200
KILLED = 137

pytestmark = [pytest.mark.stack, pytest.mark.fault, pytest.mark.timeout(120 + 12 * KILLS)]


@pytest.mark.parametrize("place", ["before_send", "after_send", "after_ack", "before_reply"])
async def test_door_killed_again_and_again_under_load_keeps_all_that_it_answered_2xx(
    place: str, kafka_bootstrap: str
) -> None:
    await create_topics(kafka_bootstrap)
    since = await end_offsets(kafka_bootstrap, [STRIPE_EVENTS])
    sender, stop = Sender(a_second=DELIVERIES_A_SECOND), asyncio.Event()
    dice = random.Random(place)
    sending = asyncio.create_task(sender.run(stop))
    for _ in range(KILLS):
        with door(kafka_bootstrap, failpoint=f"{place}:{dice.randint(5, 40)}") as process:
            sender.url = process.url
            assert await asyncio.to_thread(process.child.wait, 30) == KILLED, process.told()
    with door(kafka_bootstrap) as process:
        sender.url = process.url
        enough = len(sender.promised) + DELIVERIES_A_SECOND

        async def accepts_again() -> bool:
            return len(sender.promised) >= enough

        await until("the door to accept again", accepts_again, seconds=30)
        stop.set()
        await sending
    kept = {r.envelope().id for r in await records_since(kafka_bootstrap, STRIPE_EVENTS, since)}
    assert sender.broken >= KILLS
    assert sender.promised <= kept
