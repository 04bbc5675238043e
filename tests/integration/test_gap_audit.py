"""The gap audit before the simulated Stripe, a real Kafka and a real Postgres."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from sandbox.world.scenario import ACCOUNT
from services.ingest.gaps import BALANCE_TRANSACTIONS, EVENTS, Tally
from services.ingest.shell.gap_lists import EventList
from services.ingest.shell.gap_walk import GapWalk
from services.ingest.shell.stripe_api import ApiRefused
from shared.contracts.topics import STRIPE_OBJECTS
from shared.runtime.kafka import Publication
from tests.support.auditing import AFTER_EVERYTHING, FROM_THE_BEGINNING, AuditRig, audit_rig
from tests.support.ledger import fresh_topics

pytestmark = pytest.mark.stack

WHOLE = (FROM_THE_BEGINNING, AFTER_EVERYTHING)
WE = "we_1SimulatedEndpoint"


@pytest.fixture
async def rig(kafka_bootstrap: str, database_dsn: str, tmp_path: Path) -> AsyncGenerator[AuditRig]:
    await fresh_topics(kafka_bootstrap)
    async with audit_rig(kafka_bootstrap, database_dsn, tmp_path) as found:
        yield found


def make(rig: AuditRig, charges: int) -> None:
    for n in range(charges):
        rig.world.runner.command({"do": "charge", "amount": 1_000 + n})
    rig.world.runner.advance(60)


async def test_look_counts_what_lacks_and_fetches_nothing(rig: AuditRig) -> None:
    make(rig, 3)
    for audited in rig.lists().values():
        looked = await rig.walk(audited, is_fetching=False).whole(*WHOLE)
        assert looked.tally.found == looked.tally.still_lacking == len(looked.missing) > 0
    assert await rig.events() == await rig.ids(STRIPE_OBJECTS) == []


async def test_exactly_what_lacks_is_fetched_and_everything_is_accounted_for(
    rig: AuditRig,
) -> None:
    make(rig, 3)
    lists = rig.lists()
    first = {n: await rig.walk(each).whole(*WHOLE) for n, each in lists.items()}
    make(rig, 2)
    for name, audited in rig.lists().items():
        had = first[name].tally.found
        assert first[name].tally == Tally(found=had, fetched=had)
        again = (await rig.walk(audited).whole(*WHOLE)).tally
        fresh = again.found - had
        assert again == Tally(found=had + fresh, already_had=had, fetched=fresh)
        assert fresh > 0
        quiet = (await rig.walk(audited).whole(*WHOLE)).tally
        assert quiet == Tally(found=again.found, already_had=again.found)
    for ids in (await rig.events(), await rig.ids(STRIPE_OBJECTS)):
        assert len(ids) == len(set(ids)) > 0


async def test_types_are_looked_for_alone(rig: AuditRig) -> None:
    make(rig, 2)
    audited = rig.lists(("charge.succeeded",))
    (name,) = audited.keys() - {BALANCE_TRANSACTIONS}
    looked = await rig.walk(audited[name], is_fetching=False).whole(*WHOLE)
    assert {missing.kind for missing in looked.missing} == {"charge.succeeded"}
    assert looked.tally.found == 2


async def test_long_walk_goes_on_where_the_process_before_it_stopped(rig: AuditRig) -> None:
    make(rig, 130)
    seen: list[str] = []
    steps = 0
    while True:
        # Each step by parts of a process that has just started.
        audited = rig.lists()[EVENTS]
        looked = await rig.walk(audited).step(*WHOLE, pages_max=1)
        steps += 1
        walk = await rig.store.walk(EVENTS)
        if looked is not None:
            break
        assert walk is not None
        assert walk.after_id not in seen
        seen.append(walk.after_id)
    assert steps > 2
    assert walk is None
    assert looked.tally.fetched == looked.tally.found == len(await rig.events())
    assert looked.tally.looked_for == looked.tally.found


async def test_walk_that_stood_at_what_is_gone_begins_anew(rig: AuditRig) -> None:
    make(rig, 130)
    audited = rig.lists()[EVENTS]
    assert await rig.walk(audited).step(*WHOLE, pages_max=1) is None
    walk = await rig.store.walk(EVENTS)
    assert walk is not None
    await rig.database.run(
        lambda tx: tx.execute("update audit_walks set after_id = 'evt_gone'")  # a test alone
    )
    with pytest.raises(ApiRefused):
        await rig.walk(audited).step(*WHOLE, pages_max=1)
    looked = await rig.walk(audited).step(*WHOLE, pages_max=1_000)
    assert looked is not None
    assert looked.tally.found == len(await rig.events())


async def test_what_lacks_is_given_its_grace_and_then_fetched_by_the_next_walk(
    rig: AuditRig,
) -> None:
    make(rig, 2)
    audited = rig.lists()[EVENTS]
    patient = GapWalk(
        audited, rig.store, is_fetching=True, beat=lambda: None, grace=timedelta(hours=1)
    )
    looked = await patient.step(*WHOLE, pages_max=9)
    assert looked is not None
    assert looked.tally.still_lacking == looked.tally.found == len(looked.missing)
    assert await rig.events() == []
    async with rig.database.connection() as connection:
        await connection.execute("update missing_items set since = since - interval '1 hour'")
    looked = await patient.step(*WHOLE, pages_max=9)
    assert looked is not None
    assert looked.tally.fetched == looked.tally.found == len(await rig.events())
    assert await rig.store.missing(EVENTS) == {}


async def test_money_that_the_mirror_has_told_and_the_log_lost_is_told_again(
    rig: AuditRig,
) -> None:
    make(rig, 2)
    audited = rig.lists()[BALANCE_TRANSACTIONS]
    await rig.walk(audited).whole(*WHOLE)
    before = sorted(await rig.ids(STRIPE_OBJECTS))
    await rig.database.run(lambda tx: tx.execute("delete from positions"))
    await rig.database.run(lambda tx: tx.execute("delete from stored_transactions"))
    await fresh_topics(rig.kafka)
    looked = await rig.walk(rig.lists()[BALANCE_TRANSACTIONS]).whole(*WHOLE)
    assert looked.tally == Tally(found=2, fetched=2)
    assert sorted(await rig.ids(STRIPE_OBJECTS)) == before


async def test_watch_fetches_after_a_downtime_and_tells_nothing_of_a_sound_way_in(
    rig: AuditRig,
) -> None:
    make(rig, 120)
    watch = rig.watch(event_grace_seconds="0")
    while await rig.store.walk(EVENTS) or not await rig.ids(STRIPE_OBJECTS):
        await watch.look()
    listed = await rig.walk(rig.lists()[EVENTS], is_fetching=False).whole(*WHOLE)
    assert listed.tally.still_lacking == 0
    assert listed.tally.found == len(await rig.events())
    assert await rig.said() == []


async def test_endpoint_that_is_switched_off_is_told_until_it_is_on_again(rig: AuditRig) -> None:
    watch = rig.watch()
    await watch.look()
    sender = rig.world.runner.sender
    assert sender is not None
    sender.is_disabled = True
    await watch.look()
    await watch.look()
    # A poller that was started meanwhile knows from the topic what was told.
    later = rig.watch()
    await later.look()
    assert await rig.said() == [f"+webhook_endpoint_disabled {WE}"]
    sender.is_disabled = False
    await later.look()
    await later.look()
    assert await rig.said() == [
        f"+webhook_endpoint_disabled {WE}",
        f"-webhook_endpoint_disabled {WE}",
    ]
    opened, mended = await rig.reports()
    assert (opened.id, opened.since) == (mended.id, mended.since)


async def test_endpoint_at_another_address_is_missing_where_ours_is_known(rig: AuditRig) -> None:
    await rig.watch(public_url="https://pay.example.com").look()
    assert await rig.said() == []
    await rig.watch(public_url="https://elsewhere.example.com").look()
    assert await rig.said() == ["+webhook_endpoint_missing main"]


async def test_silence_is_told_and_taken_back_by_the_next_webhook(rig: AuditRig) -> None:
    now = datetime.now(UTC)
    hours = [now - timedelta(hours=10 + n) for n in range(24 * 7 * 3)]
    await webhooks(rig, hours, are_listable=False)
    watch = rig.watch()
    await watch.look()
    assert await rig.said() == [f"+events_silent {ACCOUNT}"]
    await webhooks(rig, [now], are_listable=False)
    await watch.look()
    assert await rig.said() == [f"+events_silent {ACCOUNT}", f"-events_silent {ACCOUNT}"]


async def webhooks(rig: AuditRig, received: list[datetime], *, are_listable: bool = True) -> None:
    """The index as so many webhooks would leave it: weeks cannot be waited for."""
    rows = [
        (n, f"evt_{at.timestamp()}", ACCOUNT, at if are_listable else None, at)
        for n, at in enumerate(received, start=int(received[0].timestamp()))
    ]
    async with rig.database.connection() as connection:
        await connection.executemany(
            'insert into stored_events (partition, "offset", event_id, form, event_type, account,'
            " object_id, created, received_at, appended_at, via, endpoint, book, livemode,"
            " is_foreign, resent_from) values (900, $1, $2, 'snapshot', 'charge.succeeded', $3, '',"
            " $4, $5, $5, 'webhook', 'main', 'main', false, false, '')",
            rows,
        )


async def test_list_that_is_empty_although_the_log_has_something_is_an_alarm(
    rig: AuditRig,
) -> None:
    await webhooks(rig, [datetime.now(UTC) - timedelta(hours=2 + n) for n in range(5)])
    looked = await rig.walk(rig.lists()[EVENTS]).whole(*WHOLE)
    assert looked.tally == Tally(unlisted=5)
    assert looked.is_suspiciously_empty
    await rig.watch().look()
    assert await rig.said() == [f"+event_list_empty {ACCOUNT}/events"]


async def test_event_that_cannot_be_fetched_is_told_until_it_is_on_the_log(
    rig: AuditRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(rig, 1)
    asked = EventList.fetch

    async def refusing(self: EventList, items: list[Any]) -> dict[str, str]:  # Any: items
        refused = [item for item in items if item.kind == "charge.succeeded"]
        others = [item for item in items if item.kind != "charge.succeeded"]
        return {**await asked(self, others), **{i.id: "it has no object" for i in refused}}

    monkeypatch.setattr(EventList, "fetch", refusing)
    await rig.watch(event_grace_seconds="0").look()
    (told,) = await rig.reports()
    assert told.discrepancy == "event_missing"
    assert told.explanation.endswith("it cannot be fetched: it has no object.")
    assert told.subject not in await rig.events()
    monkeypatch.undo()
    await rig.watch(event_grace_seconds="0").look()
    assert told.subject in await rig.events()
    assert await rig.said() == [f"+event_missing {told.subject}", f"-event_missing {told.subject}"]


async def test_record_that_is_no_balance_transaction_is_left_out_of_the_index(
    rig: AuditRig,
) -> None:
    await rig.publisher.publish_all([Publication(STRIPE_OBJECTS, b"k", None)], 30)
    make(rig, 1)
    looked = await rig.walk(rig.lists()[BALANCE_TRANSACTIONS]).whole(*WHOLE)
    assert looked.tally == Tally(found=1, fetched=1)


def tallystick(rig: AuditRig, *arguments: str) -> subprocess.CompletedProcess[str]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith("TALLYSTICK_")}
    return subprocess.run(
        [sys.executable, "-m", "tallystick", "ingest", *arguments],
        env=clean | rig.settings | {"COLUMNS": "200"},
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=120,
        check=False,
    )


async def run(rig: AuditRig, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command beside the world, which this loop serves."""
    return await asyncio.to_thread(tallystick, rig, *arguments)


async def test_backfill_after_downtime_answers_precisely(rig: AuditRig) -> None:
    make(rig, 4)
    seen = await run(rig, "audit", "--since", "400d", "--json")
    assert seen.returncode == 1, seen.stderr
    events, money = (json.loads(line) for line in seen.stdout.splitlines())
    assert (events["list"], money["list"]) == (EVENTS, BALANCE_TRANSACTIONS)
    assert events["found"] == events["still_lacking"] == len(events["missing"]) > 0
    assert events["listed_since"] is not None  # Stripe keeps 30 days of it
    assert money["listed_since"] is None
    assert await rig.events() == []

    refused = await run(rig, "backfill", "--since", "400d")
    assert (refused.returncode, await rig.events()) == (4, [])
    assert "nobody to ask" in refused.stderr

    done = await run(rig, "backfill", "--since", "400d", "--yes", "--json")
    assert done.returncode == 0, done.stderr
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert [each["fetched"] for each in told] == [events["found"], money["found"]]
    assert [(each["already_had"], each["still_lacking"]) for each in told] == [(0, 0)] * 2
    assert sorted(await rig.events()) == sorted(m["id"] for m in events["missing"])
    assert sorted(await rig.ids(STRIPE_OBJECTS)) == sorted(m["id"] for m in money["missing"])

    make(rig, 1)
    again = await run(rig, "backfill", "--since", "400d", "--yes")
    assert again.returncode == 0, again.stderr
    rows = [line.split() for line in again.stdout.splitlines() if line.startswith(ACCOUNT)]
    assert [row[4] for row in rows] == [str(events["found"]), str(money["found"])]
    assert all(int(row[5]) > 0 == int(row[6]) for row in rows)
    assert "reaches back to" in again.stdout
    clean = await run(rig, "audit", "--since", "400d")
    assert clean.returncode == 0, clean.stdout


async def test_audit_with_a_key_that_is_refused_says_so_and_never_that_nothing_lacks(
    rig: AuditRig,
) -> None:
    rig.settings["TALLYSTICK_INGEST_STRIPE_API_KEY"] = "sk_test_wrong"
    done = await run(rig, "audit")
    assert done.returncode == 4
    assert "Stripe refuses" in done.stdout
    assert "sk_test_wrong" not in done.stdout + done.stderr
