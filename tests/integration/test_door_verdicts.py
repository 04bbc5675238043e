"""The door's verdicts on disk: what the topic has, without a secret, and never in the way."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from services.ingest.shell.verdict_folder import broken_links, files_in
from shared.contracts.messages import Verdict, VerdictReason
from shared.contracts.topics import INGEST_VERDICTS
from shared.runtime.kafka import end_offsets
from tallystick.verdicts import verdict_of
from tests.support.ingest import (
    HOOK,
    SECRET,
    door,
    event_body,
    free_port,
    id_of,
    records_since,
    signed,
)
from tests.support.plain_http import TRUSTS_NOBODY

pytestmark = pytest.mark.stack
WAIT_SECONDS = 10.0
E_MAIL = "canary.person@example.com"
API_KEY = "sk_live_canary00000000000000"
CARD = "4000002500003155"


def lines_in(folder: Path) -> list[bytes]:
    """The lines of verdicts in a folder."""
    found = files_in(folder) if folder.is_dir() else []
    lines = [line for path in found for line in path.read_bytes().splitlines()]
    return [line for line in lines if verdict_of(line) is not None]


def verdicts_in(folder: Path) -> list[Verdict]:
    return [Verdict.model_validate_json(line) for line in lines_in(folder)]


async def fact(what: str, is_so: Callable[[], bool]) -> None:
    """Wait for a fact on disk, with a bound."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not is_so():
        assert time.monotonic() < deadline, what
        await asyncio.sleep(0.05)  # bounded poll: the deadline above


async def test_verdicts_on_disk_are_those_on_the_topic_and_tell_no_secret(
    kafka: str, tmp_path: Path
) -> None:
    folder = tmp_path / "verdicts"
    since = await end_offsets(kafka, [INGEST_VERDICTS])
    good = event_body(email=E_MAIL, key=API_KEY, card=CARD)
    with door(kafka, verdicts_dir=str(folder)) as process:
        process.await_answer("/readyz")
        async with httpx.AsyncClient(
            base_url=process.url, timeout=10, verify=TRUSTS_NOBODY
        ) as client:
            for headers in (signed(good), signed(good, secret=API_KEY), {}, signed(good, at=1)):
                await client.post(HOOK, content=good, headers=headers)
            await client.post(HOOK, content=good, headers={"Stripe-Signature": SECRET})
            await client.post(f"/webhooks/stripe/{E_MAIL}", content=good, headers=signed(good))
            await client.post(HOOK + f"?key={API_KEY}", content=E_MAIL.encode(), headers={})
        await fact("seven lines", lambda: len(lines_in(folder)) == 7)
        assert await asyncio.to_thread(process.stop) == 0
        log = process.told().encode()
    verdicts = verdicts_in(folder)
    reasons = [verdict.reason for verdict in verdicts]
    assert reasons[:5] == [
        VerdictReason.ACCEPTED,
        VerdictReason.BAD_SIGNATURE,
        VerdictReason.MISSING_HEADER,
        VerdictReason.OUT_OF_TOLERANCE,
        VerdictReason.MALFORMED_HEADER,
    ]
    accepted = verdicts[0]
    assert accepted.event_id == id_of(good)
    assert accepted.secret_id == "current"
    assert accepted.body_bytes == len(good)
    assert accepted.judged_microseconds > 0
    assert accepted.ack_microseconds > 0
    assert {verdict.ack_microseconds for verdict in verdicts[1:]} == {0}
    records = await records_since(kafka, INGEST_VERDICTS, since)
    assert {record.value for record in records} == set(lines_in(folder))
    assert broken_links(folder) == []
    written = b"".join(path.read_bytes() for path in files_in(folder))
    published = b"".join(record.value + repr(record.headers).encode() for record in records)
    signatures = [header.rpartition("=")[2] for header in signed(good).values()]
    for canary in (SECRET, E_MAIL, API_KEY, CARD, *signatures):
        for where in (written, published, log):
            assert canary.encode() not in where


async def test_refusals_while_kafka_is_away_are_on_disk(tmp_path: Path) -> None:
    folder = tmp_path / "verdicts"
    with door(f"127.0.0.1:{free_port()}", verdicts_dir=str(folder)) as process:
        async with httpx.AsyncClient(
            base_url=process.url, timeout=10, verify=TRUSTS_NOBODY
        ) as client:
            body = event_body()
            answer = await client.post(HOOK, content=body, headers=signed(body))
            assert answer.status_code == 503
        await fact("one line", lambda: len(lines_in(folder)) == 1)
        assert await asyncio.to_thread(process.stop) == 0
    (verdict,) = verdicts_in(folder)
    assert (verdict.reason, verdict.event_id) == (VerdictReason.UNAVAILABLE, id_of(body))


async def test_folder_that_cannot_be_written_is_warned_of_and_the_door_goes_on(
    kafka: str, tmp_path: Path
) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.write_text("not a folder")
    since = await end_offsets(kafka, [INGEST_VERDICTS])
    with door(kafka, verdicts_dir=str(in_the_way / "verdicts")) as process:
        process.await_answer("/readyz")
        async with httpx.AsyncClient(
            base_url=process.url, timeout=10, verify=TRUSTS_NOBODY
        ) as client:
            bodies = [event_body() for _ in range(5)]
            for body in bodies:
                answer = await client.post(HOOK, content=body, headers=signed(body))
                assert answer.status_code == 200
            await fact("a warning in the log", lambda: "verdicts.unwritten" in process.told())
            ready = await client.get("/readyz")
            assert ready.status_code == 200
            assert "not written" in ready.json()["warnings"]["verdicts_dir"]
            # It goes on as soon as it can.
            in_the_way.unlink()
            await fact("the lines", lambda: len(lines_in(in_the_way / "verdicts")) == 5)
            await fact("it in the log", lambda: "verdicts.written_again" in process.told())
            assert "warnings" not in (await client.get("/readyz")).json()
        assert await asyncio.to_thread(process.stop) == 0
        assert process.told().count("verdicts.unwritten") == 1
    ids = {verdict.event_id for verdict in verdicts_in(in_the_way / "verdicts")}
    assert ids == {id_of(body) for body in bodies}
    told = [Verdict.model_validate_json(r.value).event_id for r in await records_since(kafka, INGEST_VERDICTS, since)]  # fmt: skip
    assert set(told) == ids
