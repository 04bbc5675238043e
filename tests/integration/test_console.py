"""The console over a real ledger: what it shows, what it lets in, and what became of it."""

import asyncio
import json
import os
import socket
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from services.console.permissions import Scope, Token, hash_of
from services.console.shell.api import Desk, application
from services.console.shell.command_desk import CommandDesk
from services.console.shell.readers import Views
from services.console.shell.service import look_after
from shared.contracts.books import BookData, BookMap
from shared.runtime.kafka import Publisher
from shared.runtime.metrics import Health
from tests.support.ledger import LedgerRig, charge, event, fresh_topics, until
from tests.support.plain_http import TRUSTS_NOBODY

pytestmark = pytest.mark.stack
Json = dict[str, Any]  # Any: JSON
CLERK, READER = {"Authorization": "Bearer clerk"}, {"Authorization": "Bearer reader"}
TOKENS = (
    Token(name="ada", sha256=hash_of("clerk"), scopes=frozenset(Scope), books=frozenset({"main"})),
    Token(name="eve", sha256=hash_of("reader"), scopes=frozenset({Scope.READ})),
)
BOOKS = BookMap(books=(BookData(), BookData(name="other")))


@dataclass(frozen=True, slots=True)
class Console:
    """A console in this process, over the rig's Kafka and Postgres."""

    http: httpx.AsyncClient
    health: Health

    async def get(self, path: str, **headers: str) -> httpx.Response:
        return await self.http.get(path, headers=READER | headers)

    async def ask(self, body: object, key: str = "k1", **headers: str) -> httpx.Response:
        return await self.http.post(
            "/v1/books/main/commands",
            content=json.dumps(body),
            headers=CLERK | {"Idempotency-Key": key, "Content-Type": "application/json"} | headers,
        )


@pytest.fixture
async def rig(kafka_bootstrap: str, empty_database_dsn: str) -> LedgerRig:
    await fresh_topics(kafka_bootstrap)
    return LedgerRig(kafka_bootstrap, empty_database_dsn)


@asynccontextmanager
async def console(
    rig: LedgerRig, *, tokens: tuple[Token, ...] = TOKENS, await_seconds: float = 10.0,
    bootstrap: str = "",
) -> AsyncGenerator[Console]:  # fmt: skip
    ledger, reconciler = Views(rig.dsn, "ledger"), Views(rig.dsn, "reconciler")
    publisher, health, stop = Publisher(bootstrap or rig.bootstrap), Health(), asyncio.Event()
    desk = Desk(
        books=BOOKS,
        tokens=tokens,
        ledger=ledger,
        reconciler=reconciler,
        commands=CommandDesk(
            publisher, ledger, await_seconds=await_seconds, clock=lambda: datetime.now(UTC)
        ),
        body_bytes_max=16_384,
        hosts_allowed=("console.test",),
    )
    transport = httpx.ASGITransport(app=application(desk, health))
    watching = asyncio.create_task(look_after(health, ledger, reconciler, publisher, stop))
    try:
        async with httpx.AsyncClient(transport=transport, base_url="http://console.test") as http:
            yield Console(http, health)
    finally:
        stop.set()
        await watching
        await publisher.stop()
        await ledger.close()
        await reconciler.close()


def dollars(minor: int) -> Json:
    return {"minor": str(minor), "currency": "usd", "exponent": 2}


def entry(minor: int = 500, debited: str = "assets:bank:main") -> Json:
    return {
        "kind": "manual_entry",
        "effective_at": "2026-11-03T00:00:00Z",
        "postings": [
            {"account": debited, "side": "debit", "amount": dollars(minor)},
            {"account": "equity:owner", "side": "credit", "amount": dollars(minor)},
        ],
        "reason": "opening balance",
    }


async def test_command_is_booked_once_replayed_and_contradicted(rig: LedgerRig) -> None:
    async with rig.ledger(), console(rig) as shown:
        await rig.caught_up(published=False)
        booked = await shown.ask(entry())
        assert (booked.status_code, booked.json()["reference"]) == (201, "command:ada:k1")
        assert booked.json()["as_of"]
        again = await shown.ask(entry())
        assert (again.status_code, again.json()["message_id"]) == (200, booked.json()["message_id"])
        other = await shown.ask(entry(501))
        assert other.status_code == 409
        both = await asyncio.gather(*(shown.ask(entry(), "k2") for _ in range(5)))
        assert {answer.status_code for answer in both} <= {200, 201}
        contested = await asyncio.gather(*(shown.ask(entry(n), "k3") for n in (1, 2, 3)))
        assert sorted(answer.status_code for answer in contested) == [201, 409, 409]
        refused = await shown.ask(entry(5, "expenses:nowhere"), "k4")
        assert refused.status_code == 422
        assert "expenses:nowhere" in refused.json()["reason"]
        assert (await shown.ask(entry(5, "expenses:nowhere"), "k4")).status_code == 422
        assert (await shown.ask(entry(5), "k4")).status_code == 409
        rate = {"kind": "exchange_rate", "base": "eur", "quote": "usd", "rate": "1.0853",
                "on": "2026-11-03"}  # fmt: skip
        assert (await shown.ask(rate, "k5")).status_code == 201
        assert (await shown.ask(rate, "k5")).status_code == 200
        for looked in (
            await shown.get("/v1/books/main/commands/ada:k1"),
            await shown.get("/v1/books/main/commands/k1", **CLERK),
        ):
            assert [told["outcome"] for told in looked.json()["outcomes"]] == ["accepted"]
        await rig.caught_up()
    booked_by_command = await rig.value(
        "select count(*) from ledger_read.entries where kind = 'manual_entry'"
    )
    assert booked_by_command == 3


async def test_command_not_decided_in_time_says_where_to_look(rig: LedgerRig) -> None:
    async with rig.ledger():
        await rig.caught_up(published=False)
    async with console(rig, await_seconds=0.2) as shown:
        taken = await shown.ask(entry(), "a key/with %41 ?&#")
        assert (taken.status_code, taken.json()["status"]) == (202, "pending")
        where = taken.headers["location"]
        async with rig.ledger():

            async def decided() -> bool:
                found = await shown.http.get(where, headers=READER)
                return bool(found.json()["outcomes"])

            await until("the command's outcome", decided)
        assert (await shown.ask(entry(), "a key/with %41 ?&#")).status_code == 200


async def test_books_are_shown_as_of_positions_and_page_by_page(rig: LedgerRig) -> None:
    async with rig.ledger(), console(rig) as shown:
        await rig.publish(*(event(f"evt_{n}", charge(f"ch_{n}", 100 + n)) for n in range(37)))
        await rig.caught_up()
        total = sum(100 + n for n in range(37))
        trial = (await shown.get("/v1/books/main/trial-balance")).json()
        assert trial["is_balanced"] is True
        assert trial["totals"][0]["debit"] == dollars(total)
        # One more is the command that says what the books began with.
        assert sum(place["next_offset"] for place in trial["as_of"]) == 37 + 1
        below = (await shown.get("/v1/books/main/balances?account=assets")).json()["balances"]
        assert below == [{"account": "assets:stripe:settling", "balance": dollars(total)}]
        assert (await shown.get("/v1/books/main/balances?account=asset")).json()["balances"] == []
        for name, kind in (("entries", "entries"), ("open-items", "open_items")):
            found, after = [], ""
            while True:
                page = (await shown.get(f"/v1/books/main/{name}?limit=5&after={after}")).json()
                assert len(page[kind]) <= 5
                found += page[kind]
                if page["next"] is None:
                    break
                after = page["next"]
            keys = {row.get("reference") or row["key"] for row in found}
            assert len(found) == len(keys) == 37
        assert all(len(row["postings"]) == 2 for row in (await entries(shown)))
        assert (await shown.get("/v1/books/other/trial-balance")).json()["accounts"] == []


async def entries(shown: Console) -> list[Json]:
    found: list[Json] = (await shown.get("/v1/books/main/entries?limit=1000")).json()["entries"]
    return found


async def test_console_opens_to_those_who_may_and_to_nobody_else(rig: LedgerRig) -> None:
    async with rig.ledger(), console(rig) as shown:
        await rig.caught_up(published=False)
        get, path = shown.http.get, "/v1/books/main/balances"
        assert (await get(path)).status_code == 401
        assert (await get(path, headers={"Authorization": "Bearer nobody"})).status_code == 401
        assert (await get("/v1/books/other/balances", headers=CLERK)).status_code == 403
        assert (await get(path, headers=READER)).status_code == 200
        assert (await shown.ask(entry(), Authorization="Bearer reader")).status_code == 403
        of_all = {"kind": "activate", "what": "rules_version", "value": 1}
        assert (await shown.ask(of_all)).status_code == 403
        assert (await get(path, headers=READER | {"Host": "evil.test"})).status_code == 400
        assert (await get("/v1/books/none/balances", headers=READER)).status_code == 404
    async with console(rig, tokens=()) as unlocked:
        assert (await unlocked.http.get(path)).status_code == 200
        assert (await unlocked.ask(entry())).status_code == 403
    assert await rig.value("select count(*) from ledger_read.entries") == 0


BAD: dict[str, tuple[Callable[[Console], Any], int]] = {  # Any: a coroutine
    "no key": (lambda c: c.ask(entry(), ""), 400),
    "a key too long": (lambda c: c.ask(entry(), "k" * 501), 400),
    "no command": (lambda c: c.ask({"kind": "close"}), 400),
    "another book in the body": (lambda c: c.ask(entry() | {"book": "other"}), 400),
    "an amount that is a number": (
        lambda c: c.ask(entry() | {"postings": [{"account": "a:b", "side": "debit", "amount": 5}]}),
        400,
    ),
    "not JSON": (lambda c: c.ask(entry(), **{"Content-Type": "text/plain"}), 415),
    "too large": (lambda c: c.ask(entry() | {"description": "x" * 20_000}), 413),
    "a cursor of something else": (lambda c: c.get("/v1/books/main/entries?after=xyz"), 400),
    "a limit past the bound": (lambda c: c.get("/v1/books/main/entries?limit=5000"), 400),
    "a state that is none": (lambda c: c.get("/v1/books/main/discrepancies?state=odd"), 400),
    "a NUL in an account": (lambda c: c.get("/v1/books/main/balances?account=%00"), 400),
    "a NUL in a key": (lambda c: c.get("/v1/books/main/commands/%00"), 400),
    "a method that is none": (lambda c: c.http.delete("/v1/books/main/entries"), 405),
    "a path that is none": (lambda c: c.get("/v1/nothing"), 404),
}


async def test_bad_request_is_a_clear_4xx(rig: LedgerRig) -> None:
    async with rig.ledger(), console(rig) as shown:
        await rig.caught_up(published=False)
        for name, (request, status) in BAD.items():
            answer = await request(shown)
            assert answer.status_code == status, name
            assert answer.json()["detail"], name
    assert await rig.value("select count(*) from ledger_read.entries") == 0


async def test_console_before_the_ledger_and_without_kafka_says_why_and_takes_nothing(
    rig: LedgerRig,
) -> None:
    async with console(rig) as early:
        answer = await early.get("/v1/books/main/balances")
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")

        async def said() -> bool:
            ready = await early.http.get("/readyz")
            return ready.status_code == 503 and "ledger" in ready.json()["reasons"]

        await until("the reason", said)
        assert (await early.http.get("/livez")).status_code == 200
    async with rig.ledger():
        await rig.caught_up(published=False)
    async with console(rig, bootstrap="127.0.0.1:1") as alone:
        asked = asyncio.get_running_loop().time()
        answer = await alone.ask(entry())
        assert answer.status_code == 503
        assert asyncio.get_running_loop().time() - asked < 3
        assert (await alone.get("/v1/books/main/balances")).status_code == 200


async def test_console_as_a_process_answers_and_stops_when_told(rig: LedgerRig) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    given = {k: v for k, v in os.environ.items() if not k.startswith("TALLYSTICK_")}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.console",
        cwd=Path(__file__).parents[2],
        env=given
        | {
            "TALLYSTICK_KAFKA_BOOTSTRAP": rig.bootstrap,
            "TALLYSTICK_POSTGRES_DSN": rig.dsn,
            "TALLYSTICK_CONSOLE_PORT": str(port),
            "TALLYSTICK_CONSOLE_TOKEN_SHA256": hash_of("clerk"),
        },
    )  # fmt: skip
    try:
        async with (
            rig.ledger(),
            httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", verify=TRUSTS_NOBODY) as http,
        ):
            await rig.caught_up(published=False)

            async def reads() -> bool:
                try:
                    found = await http.get("/v1/books/main/trial-balance", headers=CLERK)
                except httpx.TransportError:
                    return False
                return found.status_code == 200

            await until("the console", reads)
            assert (await http.get("/livez")).status_code == 200
            assert "reconciler" in (await http.get("/readyz")).json()["reasons"], "it has no views"
            assert (await http.get("/openapi.json")).json()["openapi"] == "3.1.0"
        process.terminate()
        assert await asyncio.wait_for(process.wait(), 15) == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


MIGRATIONS = Path(__file__).parents[2] / "services/reconciler/shell"


async def test_discrepancies_are_shown_in_their_full_state(rig: LedgerRig) -> None:
    connection = await asyncpg.connect(rig.dsn)
    try:
        for schema, folder in (
            ("reconciler", "migrations"),
            ("reconciler_read", "read_migrations"),
        ):
            await connection.execute(f'create schema "{schema}"')
            await connection.execute(f'set search_path = "{schema}"')
            for file in sorted((MIGRATIONS / folder).glob("*.sql")):
                await connection.execute(file.read_text("utf-8"))
        columns = await connection.fetch(
            "select column_name, data_type from information_schema.columns"
            " where table_schema = 'reconciler' and table_name = 'discrepancies'"
            " and is_nullable = 'NO' and column_default is null"
        )
        known: Json = {
            "book": "main", "revision": 2, "kind": "payout_overdue", "state": "open",
            "subject": "po_1", "opened_at": datetime(2026, 11, 3, tzinfo=UTC),
            "changed_at": datetime(2026, 11, 4, tzinfo=UTC), "amount_minor": 9_680,
            "currency": "usd", "exponent": 2,
            "record": json.dumps({"expected": "96.80 USD", "found": "nothing"}),
        }  # fmt: skip
        for number in range(3):
            told = known | {"id": f"dsc_{number}"}
            for column in columns:
                told.setdefault(column["column_name"], _something(column["data_type"]))
            names = ", ".join(f'"{name}"' for name in told)
            places = ", ".join(f"${n}" for n in range(1, len(told) + 1))
            await connection.execute(
                f"insert into reconciler.discrepancies ({names}) values ({places})", *told.values()
            )
    finally:
        await connection.close()
    async with console(rig) as shown:
        first = (await shown.get("/v1/books/main/discrepancies?state=open&limit=2")).json()
        assert [row["id"] for row in first["discrepancies"]] == ["dsc_0", "dsc_1"]
        assert first["discrepancies"][0] | {"opened_at": ""} == {
            "id": "dsc_0", "revision": 2, "kind": "payout_overdue", "state": "open",
            "subject": "po_1", "amount": dollars(9_680), "expected": "96.80 USD",
            "found": "nothing", "explanation": "", "next_step": "", "opened_at": "",
            "changed_at": "2026-11-04T00:00:00Z", "resolved_at": None,
        }  # fmt: skip
        rest = await shown.get(f"/v1/books/main/discrepancies?after={first['next']}")
        assert [row["id"] for row in rest.json()["discrepancies"]] == ["dsc_2"]
        none = await shown.get("/v1/books/main/discrepancies?state=resolved")
        assert none.json()["discrepancies"] == []


def _something(kind: str) -> object:
    return {"boolean": False, "jsonb": "{}", "bytea": b"", "text": ""}.get(kind, 0)
