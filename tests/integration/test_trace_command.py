"""`tallystick trace` over a real journal: every step down to the bytes, and each proved."""

import asyncio
import base64
import hashlib
import hmac
import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from msgspec import structs

from services.ledger.shell.proof.signing import SigningKey
from shared.contracts.tree_heads import key_id_of
from shared.runtime.kafka import Publication
from tests.support.ledger import ROOT, LedgerRig, charge, event, polled, until

pytestmark = pytest.mark.stack
SECRET = "whsec_of_the_trace_test"


def signed(publication: Publication, *, secret: str = SECRET) -> Publication:
    """The same delivery as the door stores it, with the header that Stripe sent along."""
    envelope = publication.envelope
    assert envelope is not None
    at = int(time.time())
    mac = hmac.new(secret.encode(), b"%d." % at + envelope.data, hashlib.sha256).hexdigest()
    more = {"signature": f"t={at},v1={mac}", "endpoint": "main", "verdict": "accepted"}
    return replace(
        publication, envelope=structs.replace(envelope, extensions=dict(envelope.extensions) | more)
    )


async def trace(
    rig: LedgerRig, folder: Path, *arguments: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    given = {k: v for k, v in os.environ.items() if not k.startswith("TALLYSTICK_")}
    return await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "tallystick", "trace", *arguments],
        cwd=ROOT,
        env=given
        | {
            "TALLYSTICK_KAFKA_BOOTSTRAP": rig.bootstrap,
            "TALLYSTICK_POSTGRES_DSN": rig.dsn,
            "TALLYSTICK_STACK_DIR": str(folder),
            "TALLYSTICK_INGEST_WEBHOOK_SECRET": SECRET,
        }
        | environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


async def test_trace_follows_a_figure_to_bytes_whose_signature_is_verified_again(
    rig: LedgerRig, tmp_path: Path
) -> None:
    sale = signed(event("evt_1", charge("ch_1", 5_000)))
    forged = signed(event("evt_2", charge("ch_2", 700)), secret="whsec_of_somebody_else")
    async with rig.ledger():
        await rig.publish(sale, forged, polled(charge("ch_3", 100)))
        await rig.caught_up()
    told = await trace(rig, tmp_path, "assets:stripe:settling[ch_1]", "--json")
    assert told.returncode == 0, told.stderr
    answer: dict[str, Any] = json.loads(told.stdout)  # Any: JSON
    assert answer["balance"] == [{"minor": "5000", "currency": "usd", "exponent": 2}]
    (entry,) = answer["entries"]
    assert entry["reference"] == "stripe:payment:ch_1"
    assert (entry["digest_holds"], entry["chain_holds"], entry["sound"]) == (True, True, True)
    assert entry["rule"]["function"] == "services.ledger.rules.payments.payment"
    assert entry["retold"]["holds"] is True
    assert entry["proof"]["standing"] == "accepted"
    assert sale.envelope is not None
    assert base64.b64decode(entry["message"]["body_b64"]) == sale.envelope.data
    same = await trace(rig, tmp_path, entry["message"]["position"])
    assert same.stdout.startswith("stripe:payment:ch_1  (book main)\n")
    assert "holds: version 2 makes the same entry" in same.stdout
    assert (
        "  type      charge.succeeded, com.stripe.event from stripe/test, about ch_1\n"
        in same.stdout
    )
    by_place = await trace(rig, tmp_path, f"{entry['origin']}#{entry['sequence']}")
    assert by_place.stdout == same.stdout
    polled_one = await trace(rig, tmp_path, "stripe:payment:ch_3")
    assert polled_one.returncode == 0
    assert "unsigned: read from Stripe's API with our own key" in polled_one.stdout
    bad = await trace(rig, tmp_path, "stripe:payment:ch_2")
    assert bad.returncode == 1
    assert "failed: bad_signature" in bad.stdout
    older = tmp_path / "older.secret"
    older.write_text("whsec_of_somebody_else\n")
    rotated = await trace(rig, tmp_path, "stripe:payment:ch_2", "--secret-file", str(older))
    assert rotated.returncode == 0
    assert "proof     accepted: the signature fits the secret 'given'" in rotated.stdout
    whole = await trace(rig, tmp_path, "revenue:stripe", "--limit", "2")
    assert whole.stdout.startswith("revenue:stripe  -58.00 USD  (the newest 2 entries)\n")


async def test_trace_of_an_entry_that_was_touched_says_what_does_not_hold(
    rig: LedgerRig, tmp_path: Path
) -> None:
    async with rig.ledger():
        await rig.publish(*(signed(event(f"evt_{n}", charge(f"ch_{n}"))) for n in range(3)))
        await rig.caught_up()
    owner = await asyncpg.connect(rig.dsn)
    await owner.execute("alter table ledger.postings disable trigger all")
    await owner.execute("alter table ledger.entries disable trigger all")
    touched = (
        "select origin_id, sequence from ledger.entries where reference = 'stripe:payment:ch_1'"
    )
    await owner.execute(
        f"update ledger.postings set minor = 7 where (origin_id, sequence) in ({touched})"
    )
    await owner.execute(
        "update ledger.entries set description = 'x' where reference = 'stripe:payment:ch_2'"
    )
    await owner.close()
    money = await trace(rig, tmp_path, "stripe:payment:ch_1")
    assert money.returncode == 1
    assert "content   DOES NOT HOLD" in money.stdout
    words = await trace(rig, tmp_path, "stripe:payment:ch_2")
    assert words.returncode == 1
    assert "content   holds" in words.stdout
    assert "chain     DOES NOT HOLD" in words.stdout


async def test_trace_of_what_is_not_there_says_why_and_what_to_do(
    rig: LedgerRig, tmp_path: Path
) -> None:
    async with rig.ledger():
        await rig.publish(event("evt_1", charge("ch_1", 0, amount_captured=0)))
        await rig.caught_up()
    none = await trace(rig, tmp_path, "stripe:payment:ch_9")
    assert none.returncode == 1
    what, why, fix = none.stderr.splitlines()
    assert what == "Nothing is booked under stripe:payment:ch_9"
    assert why.startswith("  why: ")
    assert "tallystick events list --object ch_9" in fix
    late = await trace(rig, tmp_path, "stripe.events/0@99999")
    assert "not so far" in late.stderr
    empty = await trace(rig, tmp_path, "revenue:stripe", "--book", "other")
    assert empty.returncode == 1
    assert empty.stderr.startswith("No entry is of book 'other'")
    assert (await trace(rig, tmp_path, "ch_9")).returncode == 2
    (record,) = await rig.records("stripe.events")
    zero = await trace(rig, tmp_path, record.position)
    assert zero.returncode == 0
    assert zero.stdout.startswith("nothing_to_book (zero_amount)")


async def test_trace_without_kafka_tells_what_the_journal_knows(
    rig: LedgerRig, tmp_path: Path
) -> None:
    async with rig.ledger():
        await rig.publish(signed(event("evt_1", charge("ch_1"))))
        await rig.caught_up()
    told = await trace(
        rig, tmp_path, "stripe:payment:ch_1", TALLYSTICK_KAFKA_BOOTSTRAP="127.0.0.1:1"
    )
    assert told.returncode == 3
    assert "chain     holds" in told.stdout
    assert "NOT READ: the topic cannot be read" in told.stdout


async def test_trace_tells_the_signed_head_that_an_entry_stands_in(
    rig: LedgerRig, tmp_path: Path
) -> None:
    key = SigningKey.new()
    async with rig.ledger(ledger_tree_head_seconds=0.01, ledger_tree_head_key=key.text):
        await rig.publish(signed(event("evt_1", charge("ch_1"))), polled(charge("ch_2")))
        await rig.caught_up()

        async def told() -> bool:
            return bool(await rig.value("select size from ledger.tree_heads") == 2)

        await until("the head", told)
    shown = await trace(rig, tmp_path, "stripe:payment:ch_1")
    assert shown.returncode == 0, shown.stderr
    name = key_id_of(key.public_key)
    assert (
        f"holds: leaf 0 in the head of 2 entries of book main, signed by key {name}" in shown.stdout
    )
    owner = await asyncpg.connect(rig.dsn)
    await owner.execute(
        "set session_replication_role = replica;"
        " update ledger.entries set chain = decode(repeat('ab', 32), 'hex')"
        " where reference = 'stripe:payment:ch_1'"
    )
    await owner.close()
    touched = await trace(rig, tmp_path, "stripe:payment:ch_1", "--json")
    assert touched.returncode == 1
    (entry,) = json.loads(touched.stdout)["entries"]
    assert (entry["chain_holds"], entry["head"]["holds"]) == (False, False)
