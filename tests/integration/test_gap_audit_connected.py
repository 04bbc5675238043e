"""The gap audit of connected accounts, and of a Stripe that slows us down."""

import asyncio
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from sandbox.world.scenario import ACCOUNT, CONNECTED
from services.ingest.gaps import BALANCE_TRANSACTIONS, EVENTS, Tally
from services.ingest.polled import Connected
from services.ingest.shell.connected import ConnectedAccounts
from services.ingest.shell.gap_watch import Audited, GapWatch
from services.ingest.shell.stripe_api import StripeApi
from shared.contracts.envelope import Envelope
from shared.contracts.errors import Unavailable
from shared.contracts.topics import STRIPE_EVENTS, STRIPE_OBJECTS
from shared.runtime.kafka import Record
from tests.support.auditing import AFTER_EVERYTHING, FROM_THE_BEGINNING, AuditRig, audit_rig
from tests.support.ingest import records_since
from tests.support.ledger import fresh_topics
from tests.support.world import KEY

pytestmark = pytest.mark.stack

WHOLE = (FROM_THE_BEGINNING, AFTER_EVERYTHING)
OTHER = CONNECTED[0]


@pytest.fixture
async def rig(kafka_bootstrap: str, database_dsn: str, tmp_path: Path) -> AsyncGenerator[AuditRig]:
    await fresh_topics(kafka_bootstrap)
    async with audit_rig(kafka_bootstrap, database_dsn, tmp_path) as found:
        yield found


def earn(rig: AuditRig, theirs: int = 2) -> None:
    """Payments that are a connected account's own, beside one of ours."""
    rig.world.runner.command({"do": "charge", "amount": 1_000})
    for n in range(theirs):
        rig.world.runner.command({"do": "direct_charge", "amount": 10_000 + n})
    rig.world.runner.advance(60)


def lists_of(rig: AuditRig, account: str) -> dict[str, Audited]:
    """The lists of one account, by parts of a process that has just started."""
    return {each.list.resource: each for each in rig.auditing().lists((account,), ())}


async def whole(rig: AuditRig, audited: Audited, *, is_fetching: bool = True) -> Tally:
    walk = rig.walk(audited.list, is_fetching=is_fetching)
    looked = await walk.whole(*WHOLE)
    assert looked.account == audited.list.account
    return looked.tally


async def told(rig: AuditRig, topic: str) -> list[tuple[Record, Envelope]]:
    return [(r, r.envelope()) for r in await records_since(rig.kafka, topic, {})]


async def test_connected_account_s_events_are_held_against_the_log_and_fetched_as_its_own(
    rig: AuditRig,
) -> None:
    earn(rig)
    theirs = lists_of(rig, OTHER)
    looked = await whole(rig, theirs[EVENTS], is_fetching=False)
    assert looked.still_lacking == looked.found > 0
    assert await rig.events() == []
    assert await whole(rig, theirs[EVENTS]) == Tally(found=looked.found, fetched=looked.found)
    for record, envelope in await told(rig, STRIPE_EVENTS):
        assert envelope.extension("account") == OTHER
        assert envelope.extension("foreign") == "true"
        assert envelope.extension("via") == "fetched"
        assert record.key is not None
        assert record.key.startswith(f"{OTHER}|".encode())
        # As a Connect endpoint is sent it, whoever asked for it.
        assert json.loads(record.value)["account"] == OTHER
    # By whatever process it is looked for again, it is there, and once.
    again = await whole(rig, lists_of(rig, OTHER)[EVENTS])
    assert again == Tally(found=looked.found, already_had=looked.found)


async def test_lists_of_two_accounts_are_told_apart_in_what_they_have_and_lack(
    rig: AuditRig,
) -> None:
    earn(rig)
    ours, theirs = lists_of(rig, ""), lists_of(rig, OTHER)
    for name in (EVENTS, BALANCE_TRANSACTIONS):
        own = await whole(rig, ours[name])
        assert own.fetched == own.found > 0
        # What is on the log of ours counts for nothing at theirs.
        other = await whole(rig, theirs[name])
        assert (other.already_had, other.unlisted) == (0, 0)
        assert other.fetched == other.found > 0
    for topic in (STRIPE_EVENTS, STRIPE_OBJECTS):
        ids = Counter(envelope.id for _, envelope in await told(rig, topic))
        assert set(ids.values()) == {1}
    money = [e for _, e in await told(rig, STRIPE_OBJECTS) if e.subject.startswith("txn_")]
    by_account = Counter(e.extension("account") for e in money)
    assert by_account[OTHER] == 2
    assert {e.extension("foreign") for e in money if e.extension("account") == OTHER} == {"true"}
    assert {e.extension("foreign") for e in money if e.extension("account") == ACCOUNT} == {""}


def watch_of(rig: AuditRig, accounts: ConnectedAccounts) -> GapWatch:
    return rig.auditing(event_grace_seconds="0").watch(lambda: accounts.known)


async def test_watch_fetches_what_connected_accounts_lack_also_without_a_mirror(
    rig: AuditRig,
) -> None:
    earn(rig)
    accounts = ConnectedAccounts(api=rig.api, connected=Connected(is_all=True), beat=lambda: None)
    assert accounts.known == ()
    assert OTHER in await accounts.look()
    watch = watch_of(rig, accounts)
    async with asyncio.timeout(60):
        while (await whole(rig, lists_of(rig, OTHER)[EVENTS], is_fetching=False)).still_lacking:
            await watch.look()
        while not any(e.extension("account") == OTHER for _, e in await told(rig, STRIPE_OBJECTS)):
            await watch.look()
    assert await rig.said() == []


@pytest.mark.parametrize("asked", [OTHER, "all"])
async def test_command_audits_the_connected_accounts_that_are_asked_for(
    rig: AuditRig, asked: str
) -> None:
    earn(rig)
    clean = {k: v for k, v in os.environ.items() if not k.startswith("TALLYSTICK_")}
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "tallystick", "ingest", "audit", "--since", "400d", "--json"],
        env=clean | rig.settings | {"TALLYSTICK_INGEST_CONNECTED_ACCOUNTS": asked},
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=120,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    lacking = {(row["account"], row["list"]): row["still_lacking"] for row in rows}
    assert lacking[OTHER, EVENTS] > 0
    assert lacking[OTHER, BALANCE_TRANSACTIONS] == 2
    assert lacking[ACCOUNT, EVENTS] > 0


async def test_walk_that_stripe_slows_down_again_and_again_comes_to_its_end(
    rig: AuditRig,
) -> None:
    for n in range(130):
        rig.world.runner.command({"do": "charge", "amount": 1_000 + n})
    rig.world.runner.advance(60)
    await rig.world.knobs("stripe", rate_limited_every=2)
    tally = await whole(rig, lists_of(rig, "")[EVENTS])
    assert tally == Tally(found=tally.found, fetched=tally.found)
    assert tally.found > 200
    ids = await rig.events()
    assert len(ids) == len(set(ids)) == tally.found


async def test_walk_that_stripe_refuses_for_too_long_goes_on_later_from_where_it_stood(
    rig: AuditRig,
) -> None:
    for n in range(130):
        rig.world.runner.command({"do": "charge", "amount": 1_000 + n})
    rig.world.runner.advance(60)
    audited = lists_of(rig, "")[EVENTS]
    assert await rig.walk(audited.list).step(*WHOLE, pages_max=1) is None
    stood = await rig.store.walk(EVENTS)
    assert stood is not None
    impatient = StripeApi(
        KEY, base=rig.world.stripe_url, requests_per_second=100, patience_seconds=0.5
    )
    rig.api, patient = impatient, rig.api
    await rig.world.knobs("stripe", rate_limited_every=1)
    with pytest.raises(Unavailable, match="429"):
        await rig.walk(lists_of(rig, "")[EVENTS].list).step(*WHOLE, pages_max=1)
    rig.api = patient
    await impatient.close()
    await rig.world.knobs("stripe", rate_limited_every=0)
    assert await rig.store.walk(EVENTS) == stood
    looked = await rig.walk(audited.list).step(*WHOLE, pages_max=1_000)
    assert looked is not None
    ids = await rig.events()
    assert len(ids) == len(set(ids)) == looked.tally.found
