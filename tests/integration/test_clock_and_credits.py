"""Invoices on accrual basis, clock ticks and customers' credits over real topics and a database."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from services.console.shell.api import Desk, application
from services.console.shell.clock_watch import ClockWatch
from services.console.shell.command_desk import CommandDesk
from services.console.shell.readers import Views
from services.ledger.shell.rebuilding.rebuild import rebuild_and_compare
from shared.contracts import topics
from shared.contracts.commands import GrantCredits, SpendCredits, TickClock
from shared.contracts.envelope import Envelope, rfc3339
from shared.contracts.messages import Outcome
from shared.contracts.schemas import type_of
from shared.runtime.kafka import Publication, Publisher
from shared.runtime.metrics import Health
from tests.support.ledger import ROOT, LedgerRig, charge, event

pytestmark = pytest.mark.stack

BOOKS: Final = """
[[books]]
name = "main"
basis = "accrual"
sells_credits = true
"""
Json = dict[str, Any]  # Any: JSON
DAY: Final = 86_400
TODAY: Final = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
BEGAN: Final = int((TODAY - timedelta(days=100)).timestamp())


def usd(minor: int) -> Json:
    return {"minor": str(minor), "currency": "usd", "exponent": 2}


def asked(kind: type[TickClock | GrantCredits | SpendCredits], **told: Any) -> Publication:
    """A command as the console publishes it."""
    command = kind.model_validate(told, strict=False)
    envelope = Envelope(
        id=f"cmd-{command.idempotency_key}",
        source="tests",
        type=type_of(kind),
        time=datetime.now(UTC),
        data=command.model_dump_json().encode(),
        subject=command.idempotency_key,
        extensions={"book": "main"},
    )
    key = f"main {command.idempotency_key}".encode()
    return Publication(topics.LEDGER_COMMANDS, key, envelope)


def tick(key: str, days: int) -> Publication:
    until = datetime.fromtimestamp(BEGAN, UTC) + timedelta(days=days)
    return asked(TickClock, idempotency_key=key, until=rfc3339(until))


def invoice(**more: object) -> Json:
    """An invoice of 365.00 for a year that began a hundred days ago, and 69.35 of tax."""
    return {
        "id": "in_1", "object": "invoice", "status": "open", "created": BEGAN, "currency": "usd",
        "customer": "cus_1", "total": 43_435, "amount_due": 43_435, "amount_paid": 0,
        "amount_remaining": 43_435, "starting_balance": 0, "ending_balance": 0,
        "total_excluding_tax": 36_500, "status_transitions": {"finalized_at": BEGAN + 60},
        "lines": {"object": "list", "has_more": False, "data": [
            {"id": "il_1", "object": "line_item", "amount": 36_500, "currency": "usd",
             "period": {"start": BEGAN, "end": BEGAN + 365 * DAY}},
        ]},
    } | more  # fmt: skip


async def balances(rig: LedgerRig) -> Mapping[str, int]:
    """What stands on each account and key."""
    keyed = await rig.fetch("select account, key, minor from ledger_read.open_items")
    whole = await rig.fetch("select account, minor from ledger_read.balances where minor <> 0")
    found = {f"{row['account']}[{row['key']}]": int(row["minor"]) for row in keyed}
    return found | {row["account"]: int(row["minor"]) for row in whole}


async def answers(rig: LedgerRig) -> dict[str, Outcome]:
    """The outcome of each command by its key."""
    return {each.subject: each for each in await rig.outcomes() if each.reason == "command"}


@pytest.fixture
def books_file(tmp_path: Path) -> Path:
    path = tmp_path / "books.toml"
    path.write_text(BOOKS, encoding="utf-8")
    return path


async def test_clock_releases_what_was_served_and_a_rebuild_does_the_same(
    rig: LedgerRig, books_file: Path
) -> None:
    async with rig.ledger(books_file=books_file):
        await rig.publish(
            event("evt_1", invoice(), "invoice.finalized"),
            event("evt_2", charge("ch_1", 43_435, payment_intent="pi_1", customer="cus_1")),
            event(
                "evt_3",
                {
                    "id": "inpay_1", "object": "invoice_payment", "invoice": "in_1",
                    "amount_paid": 43_435, "currency": "usd", "status": "paid",
                    "payment": {"type": "payment_intent", "payment_intent": "pi_1"},
                },
                "invoice_payment.paid",
            ),
        )  # fmt: skip
        await rig.caught_up()
        await rig.publish(tick("tick-1", 40))
        await rig.caught_up()
        first = await balances(rig)
        assert first["liabilities:unearned[il_1]"] == -32_500
        assert (first["revenue:stripe"], first["liabilities:tax"]) == (-4_000, -6_935)
        assert "assets:receivable" not in first
        assert first["memo:credits[cus_1]"] == 43_435

        # The same day again, an older day, the invoice told again: nothing more.
        await rig.publish(
            tick("tick-2", 40), tick("tick-3", 7), event("evt_4", invoice(), "invoice.updated")
        )
        await rig.caught_up()
        assert await balances(rig) == first

        # The rest of the year is taken back, and the customer gets it as a credit.
        note: Json = {
            "id": "cn_1", "object": "credit_note", "invoice": "in_1", "customer": "cus_1",
            "amount": 32_500, "total": 32_500, "currency": "usd", "status": "issued",
            "created": BEGAN + 40 * DAY, "pre_payment_amount": 0, "post_payment_amount": 32_500,
            "refunds": [], "lines": {"object": "list", "data": [
                {"id": "cnli_1", "invoice_line_item": "il_1", "amount": 32_500}]},
        }  # fmt: skip
        await rig.publish(event("evt_5", note, "credit_note.created"), tick("tick-4", 90))
        await rig.caught_up()
        await rig.publish(tick("tick-5", 100))
        await rig.caught_up()
        last = await balances(rig)
        assert "liabilities:unearned[il_1]" not in last
        assert last["revenue:stripe"] == -4_000
        assert last["liabilities:customer-balance[cus_1]"] == -32_500
        told = await answers(rig)
        assert {told[f"tick-{n}"].outcome for n in range(1, 6)} == {"accepted"}
        assert (told["tick-1"].decided or {})["earned"] == [usd(4_000)]
        assert (told["tick-3"].decided or {})["lines"] == 0
    books = rig.settings(books_file=books_file).books()
    compared, _ = await rebuild_and_compare(rig.settings().kafka, rig.dsn, books)
    assert compared.differences == ()


async def test_credits_are_bought_once_named_by_a_session_and_never_spent_twice(
    rig: LedgerRig, books_file: Path
) -> None:
    session = {
        "id": "cs_1", "object": "checkout.session", "payment_status": "paid", "status": "complete",
        "payment_intent": "pi_1", "amount_total": 1_000, "currency": "usd", "customer": None,
        "customer_details": {"email": "Jenny@Example.com"}, "created": 1_795_000_000,
    }  # fmt: skip
    bought = charge("ch_1", 1_000, payment_intent="pi_1", customer=None)
    async with rig.ledger(books_file=books_file):
        await rig.publish(
            event("evt_1", session, "checkout.session.completed"),
            event("evt_2", bought),
            event("evt_3", bought, "charge.updated"),
            event("evt_4", session, "checkout.session.async_payment_succeeded"),
        )
        await rig.caught_up()
        customer = "jenny@example.com"
        await rig.publish(
            asked(SpendCredits, idempotency_key="s1", customer=customer, amount=usd(700)),
            asked(SpendCredits, idempotency_key="s2", customer=customer, amount=usd(700)),
            asked(SpendCredits, idempotency_key="s1", customer=customer, amount=usd(700)),
            asked(GrantCredits, idempotency_key="g1", customer="cus_2", amount=usd(5)),
        )
        await rig.caught_up()
        rows = await rig.fetch(
            "select customer, minor, available_minor from ledger_read.customer_credits"
        )
        told = await answers(rig)
        outcomes = sorted(str(told[key].outcome) for key in ("s1", "s2"))
        assert outcomes == ["accepted", "refused"]
        assert {row["customer"]: int(row["minor"]) for row in rows} == {customer: 300, "cus_2": 5}
        moves = await rig.fetch(
            "select kind, minor from ledger_read.customer_credit_movements"
            " where book = 'main' and customer = $1 order by recorded_at, sequence",
            customer,
        )
        assert sorted((row["kind"], int(row["minor"])) for row in moves) == [
            ("credits_assigned", 1_000),
            ("credits_spent", -700),
        ]
        published = [e for e in await rig.entries() if e.kind.startswith("credits")]
        assert sorted(e.kind for e in published) == [
            "credits_assigned",
            "credits_granted",
            "credits_issued",
            "credits_spent",
        ]
        memo = await rig.value(
            "select count(*) from ledger_read.trial_balance where account like 'memo:%'"
        )
        assert memo == 2
    books = rig.settings(books_file=books_file).books()
    compared, _ = await rebuild_and_compare(rig.settings().kafka, rig.dsn, books)
    assert compared.differences == ()


async def run(rig: LedgerRig, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command line as a person types it."""
    given = {k: v for k, v in os.environ.items() if not k.startswith("TALLYSTICK_")}
    return await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "tallystick", *arguments],
        cwd=ROOT,
        env=given
        | {
            "TALLYSTICK_KAFKA_BOOTSTRAP": rig.bootstrap,
            "TALLYSTICK_POSTGRES_DSN": rig.dsn,
            "TALLYSTICK_STACK_DIR": str(folder),
            "TALLYSTICK_BOOKS_FILE": str(folder / "books.toml"),
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


async def test_credits_and_ticks_on_the_command_line(
    rig: LedgerRig, books_file: Path, tmp_path: Path
) -> None:
    async with rig.ledger(books_file=books_file):
        await rig.publish(event("evt_1", invoice(), "invoice.finalized"))
        await rig.caught_up()
        ticked = await run(rig, tmp_path, "tick")
        assert (ticked.returncode, ticked.stderr) == (0, "")
        assert "ticked until" in ticked.stdout
        again = await run(rig, tmp_path, "tick")
        assert "already" in again.stdout
        assert (await balances(rig))["liabilities:unearned[il_1]"] == -26_500

        granted = await run(rig, tmp_path, "credits", "cus_1", "--grant", "5.00 usd")
        assert granted.returncode == 0, granted.stderr
        spent = await run(rig, tmp_path, "credits", "cus_1", "--spend", "7.00 usd")
        assert spent.returncode != 0
        assert "has 5.00 USD available, not 7.00 USD" in spent.stderr
        shown = await run(rig, tmp_path, "credits", "cus_1", "--json")
        told = json.loads(shown.stdout)
        (held,) = told["credits"]
        assert (held["balance"], held["held"], held["available"]) == (usd(500), usd(0), usd(500))
        assert [each["kind"] for each in told["movements"]] == ["credits_granted"]
        text = await run(rig, tmp_path, "credits", "cus_1")
        assert "5.00 USD" in text.stdout
        assert "credits_granted" in text.stdout
        listed = await run(rig, tmp_path, "credits")
        assert "cus_1" in listed.stdout


async def test_console_ticks_once_a_day_and_shows_credits(rig: LedgerRig, books_file: Path) -> None:
    books = rig.settings(books_file=books_file).books()
    ledger, reconciler = Views(rig.dsn, "ledger"), Views(rig.dsn, "reconciler")
    publisher, health = Publisher(rig.bootstrap), Health()
    commands = CommandDesk(publisher, ledger, await_seconds=10, clock=lambda: datetime.now(UTC))
    desk = Desk(books, (), ledger, reconciler, commands, 16_384, ("console.test",))
    transport = httpx.ASGITransport(app=application(desk, health))
    async with (
        rig.ledger(books_file=books_file),
        httpx.AsyncClient(transport=transport, base_url="http://console.test") as http,
    ):
        await publisher.start()
        try:
            days = [TODAY - timedelta(days=1), TODAY - timedelta(hours=3), TODAY, TODAY]
            moments = iter(days)
            watch = ClockWatch(books, ledger, commands, health, lambda: next(moments), seconds=900)
            await rig.caught_up()
            await watch.look()  # nothing is to be earned yet: no tick
            await rig.publish(event("evt_1", invoice(), "invoice.finalized"))
            for kind, key, minor in ((GrantCredits, "g1", 500), (SpendCredits, "s1", 200)):
                told_of = {"customer": "a/b", "amount": usd(minor)}
                await rig.publish(asked(kind, idempotency_key=key, **told_of))
                await rig.caught_up()
            for _ in range(3):
                await watch.look()
            await rig.caught_up()
            told = await answers(rig)
            ticks = sorted(key for key in told if key.startswith("clock:"))
            assert len(ticks) == 2
            assert (await balances(rig))["liabilities:unearned[il_1]"] == -26_500

            listed = (await http.get("/v1/books/main/credits")).json()
            assert [(c["customer"], c["balance"]) for c in listed["credits"]] == [("a/b", usd(300))]
            first = (await http.get("/v1/books/main/credits/a%2Fb?limit=1")).json()
            last = (
                await http.get("/v1/books/main/credits/a%2Fb", params={"after": first["next"]})
            ).json()
            moved = [*first["movements"], *last["movements"]]
            assert sorted(each["amount"]["minor"] for each in moved) == ["-200", "500"]
            assert last["next"] is None
            assert (
                await http.get("/v1/books/main/credits/x", params={"after": "?"})
            ).status_code == 400
        finally:
            await publisher.stop()
            await ledger.close()
            await reconciler.close()
