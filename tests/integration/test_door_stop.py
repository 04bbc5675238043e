"""The door asked to stop in the middle of its work: a rollout is no reason to lose an event."""

import asyncio

import httpx
import pytest

from shared.contracts.messages import Verdict, VerdictReason
from shared.contracts.topics import INGEST_VERDICTS, STRIPE_EVENTS
from shared.runtime.kafka import end_offsets
from tests.support.ingest import HOOK, door, event_body, records_since, signed
from tests.support.ledger import until
from tests.support.plain_http import TRUSTS_NOBODY
from tests.support.sender import Sender

pytestmark = pytest.mark.stack

STOPS = 2
DELIVERIES_A_SECOND = 400
STOP_SECONDS_MAX = 8.0


async def test_body_that_is_still_coming_when_the_door_stops_is_answered_503(kafka: str) -> None:
    body = event_body()
    lines = [f"POST {HOOK} HTTP/1.1", "Host: door", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in signed(body).items()]
    with door(kafka) as process:
        await asyncio.to_thread(process.await_answer, "/readyz")
        reader, writer = await asyncio.open_connection("127.0.0.1", process.port)
        writer.write("\r\n".join([*lines, "", ""]).encode() + body[:-1])
        await writer.drain()

        async def has_begun() -> bool:
            async with httpx.AsyncClient(verify=TRUSTS_NOBODY) as client:
                told = (await client.get(f"{process.url}/metrics")).text
            return "ingest_in_flight 1.0" in told

        await until("the body to be waited for", has_begun, seconds=5)
        assert await asyncio.to_thread(process.stop) == 0
        answer = await reader.read()
        writer.close()
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert b"retry-after" in answer
        assert "Traceback" not in process.told()


async def test_door_asked_to_stop_under_load_keeps_all_that_it_answered_and_says_so(
    kafka: str,
) -> None:
    since = await end_offsets(kafka, [STRIPE_EVENTS, INGEST_VERDICTS])
    sender, stop = Sender(a_second=DELIVERIES_A_SECOND), asyncio.Event()
    sending: asyncio.Task[None] | None = None
    for number in range(1, STOPS + 1):
        with door(kafka) as process:
            await asyncio.to_thread(process.await_answer, "/readyz")
            sender.url = process.url
            sending = sending or asyncio.create_task(sender.run(stop))

            async def is_at_work(enough: int = number * DELIVERIES_A_SECOND // 2) -> bool:
                return len(sender.promised) >= enough

            await until("the door to be at work", is_at_work, seconds=15)
            async with asyncio.timeout(STOP_SECONDS_MAX):
                assert await asyncio.to_thread(process.stop) == 0, process.told()
    assert sending is not None
    stop.set()
    await sending
    kept = {r.envelope().id for r in await records_since(kafka, STRIPE_EVENTS, since)}
    verdicts = [
        Verdict.model_validate_json(r.value)
        for r in await records_since(kafka, INGEST_VERDICTS, since)
    ]
    assert sender.promised <= kept
    accepted = {v.event_id for v in verdicts if v.reason is VerdictReason.ACCEPTED}
    assert sender.promised <= accepted
