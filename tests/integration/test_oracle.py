"""The oracle over real topics and a real journal: equal, or told where not."""

import asyncio
import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
import orjson
import pytest

from shared.contracts import topics
from shared.contracts.envelope import Envelope
from shared.runtime.kafka import Publication
from tests.support.ledger import LedgerRig, charge, event, fresh_topics, garbage, polled

pytestmark = pytest.mark.stack
ROOT = Path(__file__).parents[2]
Json = dict[str, Any]  # Any: the oracle's report


async def audited(rig: LedgerRig, *options: str) -> tuple[int, Json]:
    """The oracle as a process of its own: its exit code and its report."""
    given = {k: v for k, v in os.environ.items() if not k.startswith("TALLYSTICK_")}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "oracle", "--json", "--kafka", rig.bootstrap, *options,
        cwd=ROOT,
        env=given | {"TALLYSTICK_POSTGRES_DSN": rig.dsn},
        stdout=subprocess.PIPE,
    )  # fmt: skip
    said, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, json.loads(said)


def txn(txn_id: str, kind: str, amount: int, fee: int, source: str) -> Json:
    return {
        "id": txn_id, "object": "balance_transaction", "amount": amount, "fee": fee,
        "net": amount - fee, "currency": "usd", "type": kind, "reporting_category": kind,
        "balance_type": "payments", "source": source, "created": 1_795_000_000,
        "available_on": 1_795_000_000, "status": "available", "fee_details": [],
    }  # fmt: skip


def ours(topic: str, key: str, name: str, value: Json) -> Publication:
    envelope = Envelope(
        id=name,
        source="test",
        type="com.tallystick.test.v1",
        time=datetime.now(UTC),
        data=orjson.dumps(value),
        extensions={"book": "main"},
    )
    return Publication(topic, key.encode(), envelope)


def dollars(minor: int) -> Json:
    return {"minor": str(minor), "currency": "usd", "exponent": 2}


def world() -> list[Publication]:
    """A bit of everything, doubled, contradicted and broken."""
    told: list[Publication] = []
    for n in range(40):
        sale = charge(f"ch_{n}", 1_000 + n)
        told += [
            event(f"evt_{n}", sale),
            event(f"evt_{n}", sale),
            polled(sale),
            polled(txn(f"txn_{n}", "charge", 1_000 + n, 59, f"ch_{n}")),
        ]
    refund = {"id": "re_1", "object": "refund", "amount": 300, "currency": "usd", "charge": "ch_1",
              "created": 1_795_000_100, "status": "failed"}  # fmt: skip
    line = {"kind": "line", "account": "main", "id": "l_1", "booked_on": "2026-11-03"}
    clears = [
        {"account": "liabilities:suspense", "key": "l_1", "amount": dollars(5_000)},
        {"account": "assets:stripe:in-transit", "key": "po_1", "amount": dollars(-5_000)},
    ]
    match = {"id": "mtc_1", "revision": 1, "match_kind": "bank_line", "book": "main",
             "effective_at": "2026-11-03T00:00:00Z", "clears": clears}  # fmt: skip
    entry = {
        "kind": "manual_entry", "idempotency_key": "k_1", "book": "main",
        "effective_at": "2026-11-03T00:00:00Z",
        "postings": [
            {"account": "assets:bank:main", "side": "debit", "amount": dollars(77)},
            {"account": "equity:owner", "side": "credit", "amount": dollars(77)},
        ],
    }  # fmt: skip
    nowhere = entry | {"idempotency_key": "k_2"}
    nowhere["postings"] = [
        {"account": "expenses:nowhere", "side": "debit", "amount": dollars(1)},
        {"account": "equity:owner", "side": "credit", "amount": dollars(1)},
    ]
    told += [
        event("evt_r", refund, "refund.failed"),
        event("evt_1", charge("ch_1", 9_999)),  # the id of another event, with another content
        polled(charge("ch_2", 8_888)),  # another amount for a charge that was told
        event("evt_x", charge("ch_x", 10.5), "charge.succeeded"),  # type: ignore[arg-type]  # no money
        garbage("evt_bad", b"not json"),
        polled(txn("txn_po", "payout", -5_000, 0, "po_1")),
        polled(txn("txn_new", "quantum_rebate", 777, 0, "qr_1")),
        ours(topics.BANK_OBSERVATIONS, "main", "l_1:1", line | {"amount": dollars(4_000)}),
        ours(
            topics.BANK_OBSERVATIONS, "main", "l_1:2",
            line | {"revision": 2, "amount": dollars(5_000), "previous": dollars(4_000)},
        ),
        ours(topics.MATCHES, "mtc_1", "m_1", match | {"kind": "match_made", "rule": "strong"}),
        ours(topics.MATCHES, "mtc_1", "m_2", match | {"kind": "match_undone", "reason": "x"}),
        ours(topics.LEDGER_COMMANDS, "main|k_1", "c_1", entry),
        ours(topics.LEDGER_COMMANDS, "main|k_1", "c_1", entry),
        ours(topics.LEDGER_COMMANDS, "main|k_2", "c_2", nowhere),
    ]  # fmt: skip
    return told


async def test_oracle_of_honest_books_finds_them_equal_while_they_grow_and_after(
    rig: LedgerRig,
) -> None:
    async with rig.ledger():
        await rig.publish(*world())
        while_growing, _ = await audited(rig)
        await rig.caught_up()
        code, report = await audited(rig)
    assert (code, report["undecided"], report["differences"]) == (0, "", [])
    assert while_growing in (0, 2)  # 2: the views or the first entries were not there yet
    assert report["compared"]["entries"] >= 80
    # One more is the command that says what the books began with.
    assert report["compared"]["records"] == len(world()) + 1
    assert report["notes"] == {"unreadable": 1, "refused": 1}


async def test_audit_command_runs_the_oracle_and_ends_as_it_does(rig: LedgerRig) -> None:
    async def asked() -> tuple[int | None, str]:
        given = {k: v for k, v in os.environ.items() if not k.startswith("TALLYSTICK_")}
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tallystick", "audit",
            cwd=ROOT, stdout=subprocess.PIPE,
            env=given
            | {"TALLYSTICK_KAFKA_BOOTSTRAP": rig.bootstrap, "TALLYSTICK_POSTGRES_DSN": rig.dsn},
        )  # fmt: skip
        said, _ = await process.communicate()
        return process.returncode, said.decode()

    code, said = await asked()
    assert (code, "Not decided" in said) == (2, True)
    async with rig.ledger():
        await rig.publish(event("evt_1", charge("ch_1")))
        await rig.caught_up()
    code, said = await asked()
    assert (code, "equal what the topics tell" in said) == (0, True)
    await tampered(rig, "update ledger.postings set minor = minor + 1")
    code, said = await asked()
    assert (code, "First difference: legs_differ" in said) == (1, True)


async def tampered(rig: LedgerRig, *statements: str) -> None:
    """What somebody with all rights can do: switch the guards off and write."""
    connection = await asyncpg.connect(rig.dsn)
    try:
        await connection.execute("set session_replication_role = replica")
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


FAULTS = {
    "update ledger.postings set minor = minor + 1 where account = 'revenue:stripe'": "legs_differ",
    "update ledger.postings set key = 'ch_other' where key = 'ch_5'": "legs_differ",
    "delete from ledger.postings where key = 'ch_7'": "unbalanced",
    "delete from ledger.entries where reference = 'stripe:payment:ch_9'": "missing",
    "update ledger.entries set recorded_at = recorded_at + interval '1 s'"
    " where reference = 'stripe:payment:ch_9'": "chain_broken",
    "update ledger.balances set debit_minor = debit_minor + 1"
    " where account = 'assets:stripe:balance'": "cached_balance_differs",
    "delete from ledger.open_items where account = 'liabilities:suspense'": "open_item_differs",
    "delete from ledger.seen_events where identity = 'evt_3'": "event_missing",
    "with parked as (delete from ledger.dead_letters)"
    " delete from ledger.outcomes where outcome = 'refused'": "skipped_in_silence",
    "delete from ledger.outcomes where outcome = 'conflict'": "conflict_not_noted",
}


async def test_oracle_sees_what_somebody_with_all_rights_changed(rig: LedgerRig) -> None:
    async with rig.ledger():
        await rig.publish(*world())
        await rig.caught_up()
    code, report = await audited(rig)
    assert (code, report["differences"]) == (0, [])
    await tampered(rig, "create schema kept")
    kept = ("postings", "entries", "balances", "open_items", "seen_events", "dead_letters",
            "outcomes")  # fmt: skip
    await tampered(rig, *(f"create table kept.{t} as table ledger.{t}" for t in kept))
    for fault, kind in FAULTS.items():
        await tampered(rig, fault)
        code, report = await audited(rig)
        assert code == 1, fault
        assert kind in {found["kind"] for found in report["differences"]}, fault
        await tampered(
            rig,
            *(f"delete from ledger.{t}" for t in kept),
            *(f"insert into ledger.{t} overriding system value table kept.{t}" for t in kept),
        )
    assert (await audited(rig))[0] == 0


async def test_oracle_without_views_or_topics_or_with_records_gone_does_not_decide(
    rig: LedgerRig,
) -> None:
    code, report = await audited(rig)
    assert (code, report["verdict"]) == (2, "undecided")
    async with rig.ledger():
        await rig.publish(event("evt_1", charge("ch_1")))
        await rig.caught_up()
        assert (await audited(rig))[0] == 0
        code, report = await audited(rig, "--postgres", "postgresql://nobody@127.0.0.1:1/none")
        assert code == 2
        assert "Postgres" in report["undecided"]
    await fresh_topics(rig.bootstrap)
    code, report = await audited(rig)
    assert code == 2
    assert "ends at 0" in report["undecided"]


async def test_oracle_holds_the_books_against_a_truth_of_the_world(
    rig: LedgerRig, tmp_path: Path
) -> None:
    async with rig.ledger():
        await rig.publish(event("evt_1", charge("ch_1", 1_000)))
        await rig.caught_up()
    truth = tmp_path / "truth.json"
    rows = [
        {"account": "assets:stripe:settling", "key": "ch_1", "currency": "usd", "minor": "1000"},
        {"account": "revenue:stripe", "currency": "usd", "minor": "-1000"},
    ]
    truth.write_text(json.dumps({"complete": True, "balances": rows}))
    assert (await audited(rig, "--truth", str(truth)))[0] == 0
    truth.write_text(json.dumps({"complete": True, "balances": rows[:1]}))
    code, report = await audited(rig, "--truth", str(truth))
    assert code == 1
    assert {found["subject"] for found in report["differences"]} == {"main:revenue:stripe:usd"}
