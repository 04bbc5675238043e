"""The door when something is away: it is asked to stop, killed, without its Kafka, too crowded."""

import asyncio
import contextlib
import time
from collections.abc import Iterator

import httpx
import pytest

from sandbox.stack import Stack
from shared.contracts.errors import Unavailable
from shared.contracts.messages import Verdict
from shared.contracts.topics import INGEST_VERDICTS, STRIPE_EVENTS
from shared.runtime.kafka import (
    create_topics,
    delete_topics,
    end_offsets,
    topic_problems,
)
from tests.support.ingest import (
    HOOK,
    SECRET,
    by_event,
    door,
    event_body,
    free_port,
    id_of,
    records_since,
    service,
    signed,
)
from tests.support.plain_http import TRUSTS_NOBODY
from tests.support.stack import embedded_stack

pytestmark = pytest.mark.stack
ANSWER_SECONDS_MAX = 2.0


async def test_verdicts_of_the_last_answers_are_kept_when_the_door_is_asked_to_stop(
    kafka: str,
) -> None:
    since = await end_offsets(kafka, [INGEST_VERDICTS])
    bodies = [event_body() for _ in range(50)]
    with door(kafka) as process:
        process.await_answer("/readyz")
        async with httpx.AsyncClient(
            base_url=process.url, timeout=10, verify=TRUSTS_NOBODY
        ) as client:
            answers = await asyncio.gather(
                *(client.post(HOOK, content=b, headers=signed(b)) for b in bodies)
            )
        assert {a.status_code for a in answers} == {200}
        assert await asyncio.to_thread(process.stop) == 0, process.told()
    records = await records_since(kafka, INGEST_VERDICTS, since)
    told = {Verdict.model_validate_json(r.value).event_id for r in records}
    assert {id_of(body) for body in bodies} <= told


@pytest.mark.fault
@pytest.mark.parametrize("place", ["before_send", "after_send", "after_ack", "before_reply"])
async def test_door_killed_at_a_failpoint_loses_nothing_that_it_answered_2xx(
    place: str, kafka: str
) -> None:
    since = await end_offsets(kafka, [STRIPE_EVENTS])
    promised: set[str] = set()
    broken = 0
    gate = asyncio.Semaphore(8)
    with door(kafka, failpoint=f"{place}:40") as process:
        process.await_answer("/readyz")
        async with httpx.AsyncClient(
            base_url=process.url, timeout=10, verify=TRUSTS_NOBODY
        ) as client:

            async def deliver() -> None:
                nonlocal broken
                body = event_body()
                async with gate:
                    try:
                        answer = await client.post(HOOK, content=body, headers=signed(body))
                    except httpx.TransportError:
                        broken += 1
                    else:
                        if answer.status_code == 200:
                            promised.add(id_of(body))

            await asyncio.gather(*(deliver() for _ in range(80)))
        assert await asyncio.to_thread(process.child.wait, 10) == 137
    assert broken > 0
    assert len(promised) >= 30
    kept = by_event(await records_since(kafka, STRIPE_EVENTS, since))
    assert promised <= kept.keys()


def answered_in_time(answer: httpx.Response) -> bool:
    return answer.elapsed.total_seconds() < ANSWER_SECONDS_MAX


async def test_door_that_never_saw_kafka_answers_503_with_retry_after() -> None:
    with door(f"127.0.0.1:{free_port()}") as process:
        async with httpx.AsyncClient(
            base_url=process.url, timeout=10, verify=TRUSTS_NOBODY
        ) as client:
            body = event_body()
            answer = await client.post(HOOK, content=body, headers=signed(body))
            assert (answer.status_code, answer.json()["error"]["reason"]) == (503, "unavailable")
            assert int(answer.headers["retry-after"]) > 0
            assert answered_in_time(answer)
            refused = await client.post(HOOK, content=body, headers={})
            assert refused.status_code == 400
            assert (await client.get("/readyz")).status_code == 503
        assert await asyncio.to_thread(process.stop) == 0


@pytest.fixture(scope="module")
def own_stack() -> Iterator[Stack]:
    """A stack that no other test needs: these break it."""
    with embedded_stack() as own:
        yield own


async def test_door_whose_topics_are_missing_refuses_to_go_on(own_stack: Stack) -> None:
    await create_topics(own_stack.kafka_bootstrap)
    await delete_topics(own_stack.kafka_bootstrap, [INGEST_VERDICTS])
    deadline = time.monotonic() + 30
    while not await topic_problems(own_stack.kafka_bootstrap):
        assert time.monotonic() < deadline
    environment = {
        "TALLYSTICK_KAFKA_BOOTSTRAP": own_stack.kafka_bootstrap,
        "TALLYSTICK_INGEST_DOOR_PORT": str(free_port()),
        "TALLYSTICK_INGEST_WEBHOOK_SECRET": SECRET,
    }
    with service("services.ingest", "door", port=0, environment=environment) as process:
        assert await asyncio.to_thread(process.child.wait, 30) == 78
        assert "topic ingest.verdicts is missing" in process.told()


async def topics_are_there(kafka: str) -> None:
    """Create the topics; one that was deleted takes the broker a moment to forget."""
    deadline = time.monotonic() + 30
    while await topic_problems(kafka):
        assert time.monotonic() < deadline
        with contextlib.suppress(Unavailable):
            await create_topics(kafka)


@pytest.mark.fault
async def test_kafka_killed_under_the_door_gives_503_in_time_and_2xx_again_when_it_is_back(
    own_stack: Stack,
) -> None:
    own = own_stack
    await topics_are_there(own.kafka_bootstrap)
    with door(own.kafka_bootstrap) as process:
        process.await_answer("/readyz")
        limits = httpx.Limits(max_connections=200)
        async with httpx.AsyncClient(
            base_url=process.url, timeout=10, limits=limits, verify=TRUSTS_NOBODY
        ) as client:
            promised: list[str] = []

            async def deliver() -> httpx.Response:
                body = event_body()
                answer = await client.post(HOOK, content=body, headers=signed(body))
                if answer.status_code == 200:
                    promised.append(id_of(body))
                return answer

            assert (await deliver()).status_code == 200
            await asyncio.to_thread(own.kill, "kafka")
            for _ in range(3):
                answers = await asyncio.gather(*(deliver() for _ in range(20)))
                assert {a.status_code for a in answers} == {503}
                assert all(map(answered_in_time, answers))
            assert len(promised) == 1
            assert (await client.get("/readyz")).status_code == 503
            await asyncio.to_thread(own.start)
            # With no delivery that would show it: a balancer sends none to a door that is not ready.
            await asyncio.to_thread(process.await_answer, "/readyz")
            deadline = time.monotonic() + 30
            while (await deliver()).status_code != 200:
                assert time.monotonic() < deadline, process.told()
            assert (await client.get("/readyz")).status_code == 200
    kept = by_event(await records_since(own.kafka_bootstrap, STRIPE_EVENTS, {}))
    assert set(promised) <= kept.keys()


async def test_crowd_past_the_bound_is_told_to_come_again(kafka: str) -> None:
    with door(kafka, in_flight_max="1") as process:
        process.await_answer("/readyz")
        async with httpx.AsyncClient(
            base_url=process.url, timeout=10, verify=TRUSTS_NOBODY
        ) as client:
            bodies = [event_body() for _ in range(40)]
            answers = await asyncio.gather(
                *(client.post(HOOK, content=b, headers=signed(b)) for b in bodies)
            )
        assert {a.status_code for a in answers} == {200, 503}
        assert all("retry-after" in a.headers for a in answers if a.status_code == 503)


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({}, "no signing secret"),
        ({"TALLYSTICK_INGEST_WEBHOOK_SECRET": " "}, "empty or has odd characters"),
        ({"TALLYSTICK_INGEST_WEBHOK_SECRET": "whsec_1"}, "no such setting"),
        (
            {"TALLYSTICK_INGEST_WEBHOOK_SECRET": "whsec_1", "TALLYSTICK_INGEST_FAILPOINT": "after_ack"},
            "only where every endpoint is of test mode",
        ),
        (
            {
                "TALLYSTICK_INGEST_WEBHOOK_SECRET": "whsec_1",
                "TALLYSTICK_INGEST_MODE": "live",
                "TALLYSTICK_INGEST_FAILPOINT": "after_ack",
            },
            "only where every endpoint is of test mode",
        ),
        (
            {"TALLYSTICK_INGEST_WEBHOOK_SECRET": "whsec_1", "TALLYSTICK_INGEST_STRIPE_ACCOUNT": "acct_1"},
            "no book names the Stripe account acct_1",
        ),
    ],
)  # fmt: skip
def test_door_that_cannot_be_safe_refuses_to_start(settings: dict[str, str], word: str) -> None:
    with service("services.ingest", "door", port=0, environment=settings) as process:
        assert process.child.wait(30) == 78
        assert word in process.told()
        assert "whsec_1" not in process.told()
