"""People's acts over real topics: decided once, on record, and known again to a new database."""

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from services.console.permissions import Scope, Token, hash_of
from services.console.shell.act_desk import ActDesk
from services.console.shell.api import Desk, application
from services.console.shell.command_desk import CommandDesk
from services.console.shell.readers import Views
from services.console.shell.reconciling_reports import WORDS, ReportName
from services.reconciler.acts.sign_off import OnItsWay
from services.reconciler.facts.kinds import IN_TRANSIT, Fact, Leg
from services.reconciler.facts.known import fold
from services.reconciler.shell.judging.acts import on_its_way
from services.reconciler.shell.keeping import memory
from services.reconciler.shell.process import HERE, SCHEMA
from shared.contracts import topics
from shared.contracts.acts import ACT_DECIDED, RECONCILER_ACT, ActDecided
from shared.contracts.books import BookMap
from shared.contracts.envelope import Envelope
from shared.contracts.schemas import type_of
from shared.runtime.kafka import Publication, Publisher
from shared.runtime.metrics import Health
from shared.runtime.migrations import migrate
from shared.runtime.postgres import Database
from tests.support.ledger import LedgerRig, fresh_topics
from tests.support.reconciler import (
    ACCOUNT,
    LONG_AGO,
    ReconcilerRig,
    line,
    payout,
)
from tests.support.reconciler_facts import booking
from tests.support.reconciler_facts import payout as expected

pytestmark = [pytest.mark.stack]
PAYOUT = "po_1QK7mWLkdIwHu7ixRt5vXa2B"
FAILED = "po_1QJ3nZLkdIwHu7ixPq8sYc9D"


@pytest.fixture
async def rig(kafka_bootstrap: str, database_dsn: str) -> ReconcilerRig:
    await fresh_topics(kafka_bootstrap)
    return ReconcilerRig(kafka_bootstrap, database_dsn)


def act(key: str, **told: Any) -> Publication:  # Any: fields of an act
    asked = RECONCILER_ACT.validate_json(
        json.dumps({"idempotency_key": key, "actor": "ada", "reason": "why"} | told)
    )
    return Publication(
        topics.RECONCILIATION_COMMANDS,
        f"main|{key}".encode(),
        Envelope(
            id=f"act_{key}_{told.get('force', '')}",
            source="test",
            type=type_of(type(asked)),
            time=datetime.now(UTC),
            data=asked.model_dump_json().encode(),
            extensions={"book": "main"},
        ),
    )


def paired(line_id: str, name: str) -> list[dict[str, Any]]:
    return [{"lines": [{"account": ACCOUNT, "id": line_id}], "objects": [{"object": name}]}]


async def decisions(rig: ReconcilerRig) -> dict[str, ActDecided]:
    told = [ACT_DECIDED.validate_json(r.value) for r in await rig.records(topics.DECISIONS)]
    return {each.message_id: each for each in told}


async def test_acts_are_decided_once_and_known_again_when_the_tables_are_lost(
    rig: ReconcilerRig,
) -> None:
    await rig.publish(
        payout(PAYOUT, 10_000, arrival=LONG_AGO),
        payout(FAILED, 500, arrival=LONG_AGO, status="failed"),
        line("l1", 10_000, on=LONG_AGO.date(), text="CASH DEPOSIT ACME WIDGETS"),
        line("l2", -300, on=LONG_AGO.date(), text="ACCOUNT CHARGE"),
    )
    with rig.process() as running:
        await rig.quiet(running)
        lives = await rig.lives()
        failed = next(r.id for r in await rig.reports() if r.discrepancy == "payout_failed")
        assert lives[f"payout_overdue {PAYOUT}"] == ["open"]
        resolve = {"kind": "discrepancies", "act": "resolve", "code": "accepted"}
        match = act("k1", kind="match_by_hand", matches=paired("l1", PAYOUT))
        await rig.publish(
            match,
            act("k2", kind="match_by_hand", matches=paired("l9", PAYOUT)),
            act("k3", **resolve, discrepancies=[failed]),
            act(
                "k4",
                kind="write_off",
                items=[{"line": {"account": ACCOUNT, "id": "l2"}}],
            ),
            act("k5", kind="sign_off", account=ACCOUNT, currency="usd", through="2026-01-31"),
        )
        await rig.quiet(running)
        await rig.publish(
            match, act("k1", kind="match_by_hand", matches=paired("l1", PAYOUT), force=True)
        )
        await rig.quiet(running)
        assert running.stop() == 0
    told = await decisions(rig)
    assert {key: d.outcome.value for key, d in sorted(told.items())} == {
        "act_k1_": "accepted",
        "act_k1_True": "conflict",
        "act_k2_": "refused",
        "act_k3_": "accepted",
        "act_k4_": "accepted",
        "act_k5_": "refused",
    }
    assert "no posted line l9" in told["act_k2_"].detail
    assert "no bank balance" in told["act_k5_"].detail
    lives = await rig.lives()
    assert lives[f"payout_overdue {PAYOUT}"] == ["open", "resolved"]
    assert lives["unidentified_bank_debit l2"] == ["open", "resolved"]
    assert lives[f"payout_failed {FAILED}"] == ["open", "resolved"]
    await assert_nothing_is_told_anew_from_empty_tables(rig)


async def assert_nothing_is_told_anew_from_empty_tables(rig: ReconcilerRig) -> None:
    matches, reports = await rig.matches(), await rig.reports()
    assert len(matches) == 2
    await rig.fetch("drop schema reconciler cascade")
    await rig.fetch("drop schema reconciler_read cascade")
    with rig.process() as running:
        await rig.quiet(running)
        assert running.stop() == 0
    assert await rig.matches() == matches
    assert await rig.reports() == reports
    assert len(await decisions(rig)) == 6
    rows = await rig.fetch("select key, outcome from reconciler_read.decisions order by number")
    assert len(rows) == 6


CLERK = {"Authorization": "Bearer clerk"}
TOKENS = (
    Token(name="ada", sha256=hash_of("clerk"), scopes=frozenset(Scope), books=frozenset({"main"})),
    Token(name="eve", sha256=hash_of("other"), scopes=frozenset({Scope.READ, Scope.COMMAND})),
)


@asynccontextmanager
async def console(rig: ReconcilerRig) -> AsyncGenerator[httpx.AsyncClient]:
    """A console in this process, over the rig's Kafka and Postgres."""
    ledger, reconciler = Views(rig.dsn, "ledger"), Views(rig.dsn, "reconciler")
    publisher = Publisher(rig.bootstrap)
    await publisher.start()

    def now() -> datetime:
        return datetime.now(UTC)

    desk = Desk(
        books=BookMap(),
        tokens=TOKENS,
        ledger=ledger,
        reconciler=reconciler,
        commands=CommandDesk(publisher, ledger, await_seconds=10, clock=now),
        body_bytes_max=16_384,
        hosts_allowed=("console.test",),
        acts=ActDesk(publisher, reconciler, ledger, await_seconds=10, clock=now),
    )
    transport = httpx.ASGITransport(app=application(desk, Health()))
    try:
        async with httpx.AsyncClient(transport=transport, base_url="http://console.test") as http:
            yield http
    finally:
        await publisher.stop()
        await ledger.close()
        await reconciler.close()


async def test_what_was_in_transit_is_told_of_the_day_that_is_signed_and_not_of_the_signing(
    database_dsn: str,
) -> None:
    await migrate(database_dsn, schema=SCHEMA, folder=HERE / "migrations")
    database = await Database.open(database_dsn, search_path=SCHEMA)
    sent, arrived = (datetime(2026, 1, day, 9, tzinfo=UTC) for day in (30, 31))
    arrived += timedelta(days=2)
    told: list[Fact] = [
        expected(PAYOUT, 10_000, arrival=arrived.date(), destination="ba_1"),
        booking("stripe:balance_transaction:t1", Leg(IN_TRANSIT, PAYOUT, "usd", 10_000), on=sent),
        booking("stripe:balance_transaction:t2", Leg(IN_TRANSIT, "po_x", "jpy", 7), on=sent),
        booking("match:m1:1", Leg(IN_TRANSIT, PAYOUT, "usd", -10_000), on=arrived),
    ]
    async with database.transaction() as tx:
        # It arrived long before anybody signs, and nobody judges by it any more.
        facts = fold(told)
        await memory.put_facts(tx, "main", facts, dormant=set(facts))
        found = [
            await on_its_way(tx, "main", "usd", before=datetime(2026, *day, tzinfo=UTC))
            for day in ((1, 30), (2, 1), (2, 3))
        ]
    await database.close()
    assert found == [[], [OnItsWay(PAYOUT, 10_000, "ba_1")], []]


async def test_acts_certificates_and_reports_go_over_http(rig: ReconcilerRig) -> None:
    await rig.publish(
        payout(PAYOUT, 10_000, arrival=LONG_AGO),
        line("l1", 10_000, on=LONG_AGO.date(), text="CASH DEPOSIT ACME WIDGETS"),
    )
    ledger = LedgerRig(rig.bootstrap, rig.dsn)
    path = "/v1/books/main"
    async with ledger.ledger(), console(rig) as http:
        with rig.process() as running:
            await rig.quiet(running)
            asked = {"kind": "match_by_hand", "matches": paired("l1", PAYOUT), "reason": "letter"}
            headers = CLERK | {"Idempotency-Key": "k1"}
            taken = await http.post(f"{path}/reconciliation/acts", json=asked, headers=headers)
            assert (taken.status_code, taken.json()["reason"]) == (201, "matched 1 by hand")
            again = await http.post(f"{path}/reconciliation/acts", json=asked, headers=headers)
            assert again.status_code == 200
            other = await http.post(
                f"{path}/reconciliation/acts", json=asked | {"force": True}, headers=headers
            )
            assert other.status_code == 409
            wrong = await http.post(
                f"{path}/reconciliation/acts",
                json=asked | {"matches": paired("l9", PAYOUT)},
                headers=CLERK | {"Idempotency-Key": "k2"},
            )
            assert (wrong.status_code, "no posted line" in wrong.json()["reason"]) == (422, True)
            away = {
                "kind": "write_off",
                "reason": "gone",
                "items": [{"object": PAYOUT, "account": "expenses:bank-feees"}],
            }
            unknown = await http.post(
                f"{path}/reconciliation/acts", json=away, headers=CLERK | {"Idempotency-Key": "k4"}
            )
            assert (unknown.status_code, unknown.json()["decided"]["rule"]) == (
                422,
                "account_known",
            )
            assert "did you mean expenses:bank-fees?" in unknown.json()["reason"]
            eve = {"Authorization": "Bearer other", "Idempotency-Key": "k3"}
            closed = await http.post(f"{path}/reconciliation/acts", json=asked, headers=eve)
            assert closed.status_code == 403
            await rig.quiet(running)
            told = await http.get(f"{path}/reconciliation/acts/ada:k1", headers=CLERK)
            assert [d["outcome"] for d in told.json()["decisions"]] == ["accepted"]
            certificate = f"{path}/payouts/{PAYOUT}/certificate"
            shown = (await http.get(certificate, headers=CLERK)).json()
            assert shown["status"] == "waits"
            page = await http.get(certificate, headers=CLERK | {"Accept": "text/html"})
            assert "default-src 'none'" in page.headers["content-security-policy"]
            assert page.text.startswith("<!doctype html>")
            missing = await http.get(f"{path}/payouts/po_none/certificate", headers=CLERK)
            assert missing.status_code == 404
            span = {"from": "2026-01-01", "to": "2026-01-31", "account": ACCOUNT}
            for name in ReportName:
                reports = f"{path}/reconciliation/reports/{name}"
                takes = {word: span[word] for word in WORDS[name]}
                report = await http.get(reports, params=takes, headers=CLERK)
                assert report.status_code == 200, report.text
                assert report.json()["clocks"]["both read at"]
                if "account" in takes:
                    takes["account"] = "nope"
                    report = await http.get(reports, params=takes, headers=CLERK)
                    assert (report.status_code, "'nope'" in report.text) == (400, True)
            assert (await http.get(f"{path}/reconciliation/sign-offs", headers=CLERK)).json()[
                "is_chained"
            ]
