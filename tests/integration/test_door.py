"""The door as a process before a real Kafka: what it promises, keeps and refuses."""

import asyncio
import contextlib
import time
import uuid
from collections.abc import AsyncGenerator, Iterator

import httpx
import pytest

from shared.contracts.messages import Verdict, VerdictReason
from shared.contracts.topics import INGEST_VERDICTS, STRIPE_EVENTS
from shared.runtime.kafka import Partition, end_offsets
from tests.support.ingest import (
    HOOK,
    SECRET,
    ServiceProcess,
    by_event,
    door,
    event_body,
    id_of,
    records_since,
    signed,
)
from tests.support.plain_http import TRUSTS_NOBODY

pytestmark = pytest.mark.stack
VERDICT_SECONDS_MAX = 15.0


@pytest.fixture(scope="module")
def open_door(kafka: str) -> Iterator[ServiceProcess]:
    with door(kafka, body_bytes_max="4096", webhook_secret_previous="whsec_older") as process:
        process.await_answer("/readyz")
        yield process


@pytest.fixture
async def client(open_door: ServiceProcess) -> AsyncGenerator[httpx.AsyncClient, None]:
    async with httpx.AsyncClient(base_url=open_door.url, timeout=10, verify=TRUSTS_NOBODY) as found:
        yield found


@pytest.fixture
async def since(kafka: str) -> dict[Partition, int]:
    return await end_offsets(kafka, [STRIPE_EVENTS, INGEST_VERDICTS])


async def verdict_of(kafka: str, since: dict[Partition, int], sha256_or_event: str) -> Verdict:
    """The verdict on a delivery, waited for: it is written behind the answer."""
    deadline = time.monotonic() + VERDICT_SECONDS_MAX
    while time.monotonic() < deadline:
        for record in await records_since(kafka, INGEST_VERDICTS, since):
            verdict = Verdict.model_validate_json(record.value)
            if sha256_or_event in (verdict.event_id, verdict.body_sha256, verdict.detail):
                return verdict
    raise AssertionError("no verdict came")


async def test_event_answered_2xx_is_on_the_topic_byte_for_byte_with_its_signature(
    client: httpx.AsyncClient, kafka: str, since: dict[Partition, int]
) -> None:
    body = event_body()
    headers = signed(body)
    answer = await client.post(HOOK, content=body, headers=headers)
    assert (answer.status_code, answer.json()) == (200, {"received": True})
    record = by_event(await records_since(kafka, STRIPE_EVENTS, since))[id_of(body)]
    assert record.value == body
    assert record.key == b"|ch_1"
    envelope = record.envelope()
    assert envelope.extension("signature") == headers["Stripe-Signature"]
    assert envelope.extension("book") == "main"
    assert envelope.extension("livemode") == "false"
    assert envelope.extension("via") == "webhook"


async def test_every_delivery_of_a_crowd_that_is_answered_2xx_is_on_the_topic(
    client: httpx.AsyncClient, kafka: str, since: dict[Partition, int]
) -> None:
    bodies = [event_body() for _ in range(300)]
    gate = asyncio.Semaphore(32)

    async def deliver(body: bytes) -> str | None:
        async with gate:
            answer = await client.post(HOOK, content=body, headers=signed(body))
        return id_of(body) if answer.status_code == 200 else None

    promised = set(await asyncio.gather(*map(deliver, bodies))) - {None}
    assert len(promised) == len(bodies)
    assert promised <= by_event(await records_since(kafka, STRIPE_EVENTS, since)).keys()


async def test_same_event_delivered_twice_is_accepted_twice_and_kept_twice(
    client: httpx.AsyncClient, kafka: str, since: dict[Partition, int]
) -> None:
    body = event_body()
    for _ in range(2):
        assert (await client.post(HOOK, content=body, headers=signed(body))).status_code == 200
    records = await records_since(kafka, STRIPE_EVENTS, since)
    assert [r.value for r in records if r.envelope().id == id_of(body)] == [body, body]


async def test_event_signed_with_the_older_secret_is_accepted_and_the_verdict_names_it(
    client: httpx.AsyncClient, kafka: str, since: dict[Partition, int]
) -> None:
    body = event_body()
    answer = await client.post(HOOK, content=body, headers=signed(body, secret="whsec_older"))
    assert answer.status_code == 200
    verdict = await verdict_of(kafka, since, id_of(body))
    assert (verdict.reason, verdict.secret_id) == (VerdictReason.ACCEPTED, "previous")
    assert verdict.body_bytes == len(body)


REFUSED: dict[str, tuple[dict[bytes, bytes], VerdictReason]] = {
    "no header": ({}, VerdictReason.MISSING_HEADER),
    "words": ({b"Stripe-Signature": b"hello"}, VerdictReason.MALFORMED_HEADER),
    "bytes": ({b"Stripe-Signature": b"t=\xff,v1=\xff"}, VerdictReason.MALFORMED_HEADER),
    "a time that is none": (
        {b"Stripe-Signature": b"t=now,v1=" + b"0" * 64},
        VerdictReason.BAD_TIMESTAMP,
    ),
    "another's": (
        {b"Stripe-Signature": b"t=%d,v1=" % time.time() + b"0" * 64},
        VerdictReason.BAD_SIGNATURE,
    ),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_delivery_that_stripe_did_not_sign_is_refused_with_its_reason_and_kept_nowhere(
    name: str, client: httpx.AsyncClient, kafka: str, since: dict[Partition, int]
) -> None:
    headers, reason = REFUSED[name]
    body = event_body()
    answer = await client.post(HOOK, content=body, headers=headers)
    assert answer.status_code == 400
    assert answer.json()["error"]["reason"] == reason
    assert not await records_since(
        kafka, STRIPE_EVENTS, {p: at for p, at in since.items() if p.topic == STRIPE_EVENTS}
    )


@pytest.mark.parametrize("seconds", [-400, 400])
async def test_delivery_signed_too_long_ago_or_ahead_is_refused_and_audited(
    seconds: int, client: httpx.AsyncClient, kafka: str, since: dict[Partition, int]
) -> None:
    body = event_body()
    headers = signed(body, at=time.time() + seconds)
    answer = await client.post(HOOK, content=body, headers=headers)
    assert (answer.status_code, answer.json()["error"]["reason"]) == (400, "out_of_tolerance")
    verdict = await verdict_of(kafka, since, answer.json()["error"]["detail"])
    # The event was not read, since it may be a replay.
    assert (verdict.reason, verdict.event_id) == (VerdictReason.OUT_OF_TOLERANCE, "")


async def test_delivery_with_two_signature_headers_is_refused(client: httpx.AsyncClient) -> None:
    body = event_body()
    value = signed(body)["Stripe-Signature"]
    answer = await client.post(
        HOOK, content=body, headers=[("Stripe-Signature", value), ("Stripe-Signature", value)]
    )
    assert (answer.status_code, answer.json()["error"]["reason"]) == (400, "malformed_header")


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"not json", "not_json"),
        (b"\xff\xfe\x00", "not_json"),
        (b"[]", "not_an_event"),
        (b"null", "not_an_event"),
        (b'{"object":"charge"}', "not_an_event"),
        (event_body(object="v2.core.event"), "not_an_event"),
        (event_body(livemode=True), "wrong_mode"),
    ],
)
async def test_signed_body_that_is_no_event_of_ours_is_a_clear_4xx(
    body: bytes, reason: str, client: httpx.AsyncClient
) -> None:
    answer = await client.post(HOOK, content=body, headers=signed(body))
    assert (answer.status_code, answer.json()["error"]["reason"]) == (400, reason)


async def test_body_too_large_is_refused_by_its_length_and_while_it_streams(
    client: httpx.AsyncClient,
) -> None:
    body = event_body(padding="x" * 5000)

    async def stream() -> AsyncGenerator[bytes, None]:
        for _ in range(64):
            yield b"x" * 1024

    for content in (body, stream()):
        answer = await client.post(HOOK, content=content, headers=signed(body))
        assert (answer.status_code, answer.json()["error"]["reason"]) == (413, "body_too_large")


async def test_body_without_end_is_cut_off_without_an_end(open_door: ServiceProcess) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", open_door.port)
    writer.write(b"POST /webhooks/stripe/main HTTP/1.1\r\nHost: x\r\n")
    writer.write(b"Transfer-Encoding: chunked\r\n\r\n")
    sent = 0
    with contextlib.suppress(ConnectionError):
        while not reader.at_eof() and sent < 64 * 1024 * 1024:
            writer.write(b"10000\r\n" + b"x" * 65_536 + b"\r\n")
            await writer.drain()
            sent += 65_536
    # What is in the buffers of both sides comes on top of the bound.
    assert sent < 32 * 1024 * 1024
    writer.close()


async def test_body_that_does_not_come_is_not_waited_for_long(kafka: str) -> None:
    with door(kafka, body_timeout_seconds="0.5") as process:
        reader, writer = await asyncio.open_connection("127.0.0.1", process.port)
        writer.write(b"POST /webhooks/stripe/main HTTP/1.1\r\nHost: x\r\n")
        writer.write(b"Content-Length: 100\r\n\r\nhalf")
        async with asyncio.timeout(5):
            assert (await reader.readline()).startswith(b"HTTP/1.1 408")
        writer.close()


async def test_body_of_exactly_the_bound_is_taken(client: httpx.AsyncClient) -> None:
    event_id = f"evt_{uuid.uuid4().hex}"
    body = event_body(event_id, padding="")
    body = event_body(event_id, padding="x" * (4096 - len(body)))
    assert len(body) == 4096
    assert (await client.post(HOOK, content=body, headers=signed(body))).status_code == 200


async def test_encoded_body_is_refused(client: httpx.AsyncClient) -> None:
    body = event_body()
    headers = signed(body) | {"Content-Encoding": "gzip"}
    answer = await client.post(HOOK, content=body, headers=headers)
    assert (answer.status_code, answer.json()["error"]["reason"]) == (415, "body_encoded")


@pytest.mark.parametrize("path", ["/webhooks/stripe/other", "/webhooks/stripe/", "/webhooks/stripe/main/x", "/webhooks/stripe/%6dain%2f"])  # fmt: skip
async def test_unknown_endpoint_is_404(path: str, client: httpx.AsyncClient) -> None:
    body = event_body()
    answer = await client.post(path, content=body, headers=signed(body))
    assert (answer.status_code, answer.json()["error"]["reason"]) == (404, "unknown_endpoint")


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"])
async def test_other_methods_are_405(method: str, client: httpx.AsyncClient) -> None:
    answer = await client.request(method, HOOK)
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


async def test_health_and_metrics_tell_of_the_deliveries(client: httpx.AsyncClient) -> None:
    body = event_body()
    await client.post(HOOK, content=body, headers=signed(body))
    assert (await client.get("/readyz")).json() == {"ready": True, "reasons": {}}
    metrics = (await client.get("/metrics")).text
    assert (
        'tallystick_ingest_requests_total{endpoint="main",outcome="accepted",reason="accepted"}'
        in metrics
    )
    assert "tallystick_ingest_verdicts_dropped_total 0.0" in metrics


async def test_no_secret_is_in_the_log_or_in_the_verdicts(
    client: httpx.AsyncClient,
    open_door: ServiceProcess,
    kafka: str,
    since: dict[Partition, int],
) -> None:
    body = event_body(email="someone@example.com")
    await client.post(HOOK, content=body, headers=signed(body))
    await client.post(HOOK, content=body, headers={"Stripe-Signature": SECRET})
    await verdict_of(kafka, since, id_of(body))
    kept = [r.value + repr(r.headers).encode() for r in await records_since(kafka, INGEST_VERDICTS, since)]  # fmt: skip
    for text in (*kept, open_door.told().encode()):
        assert SECRET.encode() not in text
        assert b"someone@example.com" not in text
