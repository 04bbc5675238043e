"""`tallystick events` before a real door, Kafka, Postgres and ledger: found, proved, sent again."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from msgspec import structs

from services.ingest.shell.event_index import READ_MIGRATIONS, READ_SCHEMA, EventIndex
from services.ingest.shell.poll_store import MIGRATIONS, SCHEMA
from shared.contracts.topics import STRIPE_EVENTS
from shared.runtime.kafka import KafkaAddress
from shared.runtime.migrations import migrate
from shared.runtime.postgres import Database
from tallystick.events.selection import Selection
from tallystick.events.topic import newest_of_topic
from tests.support.ingest import (
    HOOK,
    SECRET,
    ServiceProcess,
    door,
    event_body,
    free_port,
    service,
    signed,
)
from tests.support.ledger import ROOT, LedgerRig, charge, event, fresh_topics, until
from tests.support.plain_http import TRUSTS_NOBODY

pytestmark = pytest.mark.stack


@dataclass
class Desk:
    """An operator before an open door: what comes is delivered by hand."""

    rig: LedgerRig
    door: ServiceProcess
    folder: Path

    async def deliver(self, event_id: str, charge_id: str = "ch_1", **changes: object) -> bytes:
        """A charge's event through the door, and its bytes."""
        shown = charge(charge_id)
        body = event_body(event_id, data={"object": shown}, **changes)
        async with httpx.AsyncClient(
            base_url=self.door.url, timeout=10, verify=TRUSTS_NOBODY
        ) as client:
            answer = await client.post(HOOK, content=body, headers=signed(body))
        assert answer.status_code == 200, answer.text
        return body

    async def indexed(self) -> int:
        """Bring the index to the topic's end; how many records that were."""
        await migrate(self.rig.dsn, schema=SCHEMA, folder=MIGRATIONS)
        await migrate(self.rig.dsn, schema=READ_SCHEMA, folder=READ_MIGRATIONS)
        database = await Database.open(self.rig.dsn, search_path=SCHEMA)
        try:
            index = EventIndex(database, KafkaAddress(self.rig.bootstrap), beat=lambda: None)
            return await index.catch_up()
        finally:
            await database.close()

    async def run(
        self, *arguments: str, secret: str | None = SECRET, database: bool = True
    ) -> subprocess.CompletedProcess[bytes]:
        """`tallystick events …` as an operator of this installation runs it."""
        return await self.command("events", *arguments, secret=secret, database=database)

    async def command(
        self,
        *arguments: str,
        secret: str | None = SECRET,
        database: bool = True,
        mode: str = "test",
    ) -> subprocess.CompletedProcess[bytes]:
        """`tallystick …` with the settings of this installation."""
        given = {k: v for k, v in os.environ.items() if not k.startswith("TALLYSTICK_")}
        given |= {
            "TALLYSTICK_KAFKA_BOOTSTRAP": self.rig.bootstrap,
            "TALLYSTICK_STACK_DIR": str(self.folder),
            "TALLYSTICK_INGEST_DOOR_PORT": str(self.door.port),
            "TALLYSTICK_INGEST_MODE": mode,
        }
        if secret is not None:
            given["TALLYSTICK_INGEST_WEBHOOK_SECRET"] = secret
        if database:
            given["TALLYSTICK_POSTGRES_DSN"] = self.rig.dsn
        return await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-m", "tallystick", *arguments],
            cwd=ROOT,
            env=given,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=60,
            check=False,
        )

    async def listed(self, *arguments: str, database: bool = True) -> list[dict[str, Any]]:
        """The deliveries of `tallystick events list`; JSON."""
        done = await self.run("list", "--json", *arguments, database=database)
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture
async def desk(
    kafka_bootstrap: str, database_dsn: str, tmp_path: Path
) -> AsyncGenerator[Desk, None]:
    await fresh_topics(kafka_bootstrap)
    with door(kafka_bootstrap) as process:
        process.await_answer("/readyz")
        yield Desk(LedgerRig(kafka_bootstrap, database_dsn), process, tmp_path)
    await fresh_topics(kafka_bootstrap)


async def test_index_keeps_every_delivery_once_and_for_ever_however_often_it_catches_up(
    desk: Desk,
) -> None:
    for _ in range(2):
        await desk.deliver("evt_twice")
    assert await desk.indexed() == 2
    assert await desk.indexed() == 0
    await desk.deliver("evt_later", created=1)
    assert await desk.indexed() == 1
    rows = await desk.rig.fetch(
        "select event_id, event_type, object_id, via from ingest_read.events order by appended_at"
    )
    assert [tuple(row) for row in rows] == [
        ("evt_twice", "charge.succeeded", "ch_1", "webhook"),
        ("evt_twice", "charge.succeeded", "ch_1", "webhook"),
        ("evt_later", "charge.succeeded", "ch_1", "webhook"),
    ]


async def test_list_finds_by_index_and_fills_its_lag_and_says_so(desk: Desk) -> None:
    await desk.deliver("evt_old", "ch_old")
    await desk.deliver("evt_other", "ch_other", type="payout.paid")
    await desk.indexed()
    await desk.deliver("evt_new", "ch_new")
    done = await desk.run("list")
    assert b"the index stands 1 records behind" in done.stderr
    ids = [line.split()[3] for line in done.stdout.decode().splitlines()[1:]]
    assert ids == ["evt_new", "evt_other", "evt_old"]
    assert [e["id"] for e in await desk.listed("--type", "charge.*")] == ["evt_new", "evt_old"]
    assert [e["id"] for e in await desk.listed("--type", "payout.paid")] == ["evt_other"]
    assert [e["id"] for e in await desk.listed("--object", "ch_old")] == ["evt_old"]
    assert [e["id"] for e in await desk.listed("--limit", "1")] == ["evt_new"]
    assert [e["id"] for e in await desk.listed("--until", "1h")] == []
    assert len(await desk.listed("--since", "1h", "--via", "webhook")) == 3


async def test_list_without_a_database_reads_the_topic_and_finds_the_same(desk: Desk) -> None:
    for number in range(5):
        await desk.deliver(f"evt_{number}", f"ch_{number}")
    await desk.indexed()
    by_index = await desk.listed("--limit", "3")
    assert await desk.listed("--limit", "3", database=False) == by_index
    assert len(by_index) == 3
    done = await desk.run("list", database=False)
    assert b"the topic itself was read" in done.stderr


async def test_topic_read_without_an_index_is_read_no_further_than_to_a_bound(desk: Desk) -> None:
    for number in range(6):
        await desk.deliver(f"evt_{number}", f"ch_{number}")
    kafka, now = KafkaAddress(desk.rig.bootstrap), datetime.now(UTC)
    whole, nothing = await newest_of_topic(kafka, Selection(), now=now)
    assert ({e.event_id for e in whole}, nothing) == ({f"evt_{n}" for n in range(6)}, 0)
    some, unread = await newest_of_topic(kafka, Selection(), now=now, records_max=4)
    assert len(some) + unread == 6
    assert 0 < len(some) <= 4
    newest = {
        p: max(e.offset for e in whole if e.partition == p) for p in {e.partition for e in some}
    }
    assert newest.items() <= {(e.partition, e.offset) for e in some}


async def test_poller_without_an_api_key_makes_the_index_and_says_that_it_asks_nobody(
    desk: Desk,
) -> None:
    await desk.deliver("evt_before")
    port = free_port()
    environment = {
        "TALLYSTICK_KAFKA_BOOTSTRAP": desk.rig.bootstrap,
        "TALLYSTICK_POSTGRES_DSN": desk.rig.dsn,
        "TALLYSTICK_INGEST_POLLER_PORT": str(port),
        "TALLYSTICK_INGEST_POLL_INTERVAL_SECONDS": "0.2",
    }
    with service("services.ingest", "poller", port=port, environment=environment) as process:
        await asyncio.to_thread(process.await_answer, "/readyz")
        told = (await asyncio.to_thread(httpx.get, f"{process.url}/readyz")).json()
        assert "no API key" in told["warnings"]["stripe"]
        await desk.deliver("evt_after")

        async def is_indexed() -> bool:
            done = await desk.run("list")
            assert b"the topic itself was read" not in done.stderr
            return b"evt_after" in done.stdout and b"behind" not in done.stderr

        await until("the index to have it", is_indexed, seconds=20)
        assert process.stop() == 0
        assert process.told().count("poller.asks_nobody") == 1
    assert {e["id"] for e in await desk.listed()} == {"evt_before", "evt_after"}


async def test_show_gives_every_delivery_with_its_proof_and_the_bytes_exactly(desk: Desk) -> None:
    body = await desk.deliver("evt_shown")
    await desk.deliver("evt_noise", "ch_noise")
    await desk.indexed()
    raw = await desk.run("show", "evt_shown", "--raw")
    assert (raw.returncode, raw.stdout) == (0, body)
    proved = await desk.run("show", "evt_shown")
    assert b"proof     accepted: the signature fits the secret 'current'" in proved.stdout
    assert SECRET.encode() not in proved.stdout + proved.stderr
    other = await desk.run("show", "evt_shown", "--json", secret="whsec_of_nobody")
    assert json.loads(other.stdout)["proof"]["standing"] == "failed"
    none = await desk.run("show", "evt_shown", secret=None)
    assert b"cannot prove: no secret here" in none.stdout
    missing = await desk.run("show", "evt_missing")
    assert missing.returncode == 1
    assert b"No delivery of evt_missing is stored" in missing.stderr


async def test_verify_ends_with_1_when_one_delivery_does_not_hold(desk: Desk) -> None:
    for number in range(3):
        await desk.deliver(f"evt_{number}", f"ch_{number}")
    held = await desk.run("verify", "--since", "1h", "--json")
    assert held.returncode == 0
    assert json.loads(held.stdout)["accepted"] == 3
    unknown = await desk.run("verify", "evt_unknown")
    assert unknown.returncode == 1
    assert unknown.stderr.endswith(b"no such delivery\n")
    forged = event("evt_forged", charge("ch_forged"))
    assert forged.envelope is not None
    written = {"endpoint": "main", "via": "webhook", "signature": f"t=1,v1={'0' * 64}"}
    await desk.rig.publish(
        replace(forged, envelope=structs.replace(forged.envelope, extensions=written))
    )
    broken = await desk.run("verify", "--json")
    told = json.loads(broken.stdout)
    assert (broken.returncode, told["accepted"], told["failed"]) == (1, 3, 1)
    assert [failure["id"] for failure in told["failures"]] == ["evt_forged"]


async def test_resend_goes_byte_for_byte_through_the_door_is_marked_and_books_nothing_new(
    desk: Desk,
) -> None:
    body = await desk.deliver("evt_again")
    async with desk.rig.ledger():
        await desk.rig.caught_up()
        booked = [entry.reference for entry in await desk.rig.entries()]
        assert len(booked) > 0
        asked = await desk.run("resend", "evt_again")
        assert asked.returncode == 4
        assert b"1 delivery goes through" in asked.stderr
        assert len(await desk.rig.records(STRIPE_EVENTS)) == 1
        sent = await desk.run("resend", "evt_again", "--yes")
        assert sent.returncode == 0, sent.stderr
        await desk.rig.caught_up()
        assert [entry.reference for entry in await desk.rig.entries()] == booked
    first, again = sorted(await desk.rig.records(STRIPE_EVENTS), key=lambda r: r.offset)
    assert (first.value, again.value) == (body, body)
    assert again.envelope().extension("resent") == first.position
    assert not first.envelope().extension("resent")
    told = await desk.listed("--via", "resent")
    assert [(e["id"], e["resent_from"]) for e in told] == [("evt_again", first.position)]
    assert (await desk.run("verify")).returncode == 0


async def test_resend_of_a_choice_sends_each_event_once_and_of_an_unknown_id_nothing(
    desk: Desk,
) -> None:
    for _ in range(2):
        await desk.deliver("evt_1", "ch_1")
    await desk.deliver("evt_2", "ch_2")
    await desk.deliver("evt_3", "ch_3", type="charge.updated")
    sent = await desk.run(
        "resend", "--type", "charge.succeeded", "--since", "1h", "--yes", "--json"
    )
    told = [json.loads(line) for line in sent.stdout.splitlines()]
    assert sorted((each["id"], each["status"]) for each in told) == [("evt_1", 200), ("evt_2", 200)]
    unknown = await desk.run("resend", "evt_1", "evt_unknown", "--yes")
    assert unknown.returncode == 1
    assert b"evt_unknown" in unknown.stderr
    assert len(await desk.rig.records(STRIPE_EVENTS)) == 6


async def test_trigger_makes_a_signed_event_with_its_objects_as_often_as_asked(desk: Desk) -> None:
    done = await desk.command(
        "trigger", "charge.refunded", "--dup", "2", "--amount", "12.34", "--json"
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert {"charge", "refund", "balance_transaction"} <= set(told["made"])
    refunded = await desk.listed("--type", "charge.refunded")
    assert [event["object"] for event in refunded] == [told["made"]["charge"]] * 2
    raw = await desk.run("show", refunded[0]["id"], "--raw")
    shown = json.loads(raw.stdout)["data"]["object"]
    assert (shown["amount"], shown["amount_refunded"]) == (1_234, 1_234)
    verified = json.loads((await desk.run("verify", "--json")).stdout)
    assert (verified["accepted"], verified["failed"]) == (6, 0)


async def test_trigger_and_secret_are_refused_in_live_mode(desk: Desk) -> None:
    live = await desk.command("trigger", "charge.succeeded", mode="live")
    assert live.returncode == 4
    assert b"live mode" in live.stderr
    for mode in ("live", "test"):
        secret = await desk.command("listen", "--print-secret", mode=mode)
        assert (secret.returncode, secret.stdout) == (4, b"")
        assert SECRET.encode() not in secret.stderr
    assert await desk.rig.records(STRIPE_EVENTS) == []
