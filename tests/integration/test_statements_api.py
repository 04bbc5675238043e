"""Statements over HTTP and on the command line, over a real journal."""

import asyncio
import csv
import io
import json
import os
import subprocess
import sys
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from services.console.shell.api import Desk, application
from services.console.shell.command_desk import CommandDesk
from services.console.shell.readers import Views
from shared.contracts.books import BookData, BookMap
from shared.runtime.kafka import Publisher
from shared.runtime.metrics import Health
from tests.support.commanded import Commanded, commanded
from tests.support.statements import EUR

pytestmark = pytest.mark.stack
Json = dict[str, Any]  # Any: JSON
NOW = datetime(2026, 4, 1, 12, tzinfo=UTC)
STATEMENTS = "/v1/books/main/statements"
ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Shown:
    """A journal and a console over it."""

    dsn: str
    journal: Commanded
    http: httpx.AsyncClient

    async def get(self, path: str, **words: str) -> httpx.Response:
        return await self.http.get(f"{STATEMENTS}/{path}", params=words)


def at(month: int, day: int) -> datetime:
    return datetime(2026, month, day, 10, tzinfo=UTC)


@pytest.fixture(scope="module")
async def shown(fresh_database: Callable[[], str]) -> AsyncGenerator[Shown]:
    dsn, book = fresh_database(), BookData(reporting_currency="usd")
    async with commanded(dsn, book) as journal:
        journal.rate("eur", "usd", "1.10", date(2026, 1, 1))
        journal.entry(at(1, 5), at(1, 5), ("assets:bank:main", 100_000), ("equity:owner", -100_000))
        for day in range(1, 21):
            journal.entry(
                at(2, day), at(2, day), ("assets:stripe:settling", 1_000),
                ("revenue:stripe", -1_000), key=f"ch_{day}",
            )  # fmt: skip
        journal.entry(at(3, 9), at(3, 9), ("assets:bank:eur", 5_000), ("revenue:stripe", -5_000),
                      currency=EUR)  # fmt: skip
        journal.entry(at(2, 2), at(3, 10), ("expenses:compute", 700), ("liabilities:payable", -700))
        journal.rename("assets:bank:main", "House <b>Bank</b>", at(3, 20))
        await journal.book()
        ledger, reconciler = Views(dsn, "ledger"), Views(dsn, "reconciler")
        desk = Desk(
            books=BookMap(books=(book,)),
            tokens=(),
            ledger=ledger,
            reconciler=reconciler,
            commands=CommandDesk(
                Publisher("127.0.0.1:1"), ledger, await_seconds=0, clock=lambda: NOW
            ),
            body_bytes_max=1,
            hosts_allowed=("console.test",),
            clock=lambda: NOW,
        )
        transport = httpx.ASGITransport(app=application(desk, Health()))
        async with httpx.AsyncClient(transport=transport, base_url="http://console.test") as http:
            yield Shown(dsn, journal, http)
        await ledger.close()


async def test_balance_sheet_is_told_in_each_currency_and_in_one(shown: Shown) -> None:
    told = (await shown.get("balance-sheet")).json()
    assert [s["currency"] for s in told["statements"]] == ["eur", "usd"]
    assert told["statements"][1]["net_income"]["minor"] == str(20_000 - 700)
    one = told["reporting"]["statement"]
    assert one["assets"]["total"]["minor"] == str(100_000 + 20_000 + 5_500)
    assert one["is_balanced"] is told["is_sound"] is True
    assert told["reporting"]["closing_rates"] == [
        {"base": "eur", "quote": "usd", "on": "2026-01-01", "rate": "1.1"}
    ]
    assert sum(place["next_offset"] for place in told["as_of"]) == 25
    alone = (await shown.get("balance-sheet", reporting="", currency="eur")).json()
    assert (alone["reporting"], len(alone["statements"])) == (None, 1)
    missing = (await shown.get("balance-sheet", reporting="jpy")).json()["reporting"]
    assert (missing["statement"], len(missing["missing_rates"])) == (None, 2)


async def test_late_fact_stands_on_the_effective_axis_and_not_yet_on_the_recorded_one(
    shown: Shown,
) -> None:
    effective = (await shown.get("income-statement", to="2026-02-28", currency="usd")).json()
    assert effective["statements"][0]["net_income"]["minor"] == "19300"
    recorded = (
        await shown.get("income-statement", to="2026-02-28", recorded_as_of="2026-03-09")
    ).json()
    assert recorded["statements"][0]["net_income"]["minor"] == "20000"
    assert recorded["recorded_as_of"] == "2026-03-09"
    assert recorded["is_provisional"] is True
    moment = (await shown.get("trial-balance", as_of="2026-02-10T10:00:00Z", currency="usd")).json()
    (revenue,) = [
        row for row in moment["statements"][0]["accounts"] if row["account"] == "revenue:stripe"
    ]
    assert revenue["credit"]["minor"] == "10000"


async def test_answer_is_tagged_by_what_it_holds_for_and_not_told_twice(shown: Shown) -> None:
    for path in ("solvency", "general-ledger", "roll-up", "accounts/equity:owner"):
        first = await shown.get(path)
        tag = first.headers["etag"]
        same = await shown.http.get(f"{STATEMENTS}/{path}", headers={"If-None-Match": tag})
        assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", tag)
        other = await shown.http.get(
            f"{STATEMENTS}/{path}", params={"as_of": "2026-03-01"}, headers={"If-None-Match": tag}
        )
        assert other.status_code == 200


async def test_answer_is_the_same_until_something_is_booked_or_commanded(shown: Shown) -> None:
    tag = (await shown.get("balance-sheet")).headers["etag"]
    moved = "update ledger.positions set next_offset = next_offset + $2 where topic = $1"
    made = (
        "insert into ledger.positions select cluster_id, topic_id, 'bank.observations', 0, 7"
        " from ledger.positions limit 1 on conflict do nothing"
    )
    connection = await asyncpg.connect(shown.dsn)
    try:
        # A balance that was read at the bank books nothing.
        await connection.execute(made)
        assert (await shown.get("balance-sheet")).headers["etag"] == tag
        await connection.execute(moved, "ledger.commands", 1)
        assert (await shown.get("balance-sheet")).headers["etag"] != tag
    finally:
        await connection.execute(moved, "ledger.commands", -1)
        await connection.execute("delete from ledger.positions where topic = 'bank.observations'")
        await connection.close()


@pytest.mark.parametrize(
    "path", ["trial-balance", "balance-sheet", "general-ledger", "accounts/equity:owner", "roll-up"]
)
async def test_answer_is_a_page_for_a_browser_and_csv_where_that_is_asked_for(
    shown: Shown, path: str
) -> None:
    address = (
        f"{STATEMENTS}/{path}?to=2026-03-31" if "-sheet" not in path else f"{STATEMENTS}/{path}"
    )
    if path == "trial-balance":
        address = f"{STATEMENTS}/{path}?as_of=2026-03-31"
    browser = {"Accept": "text/html,application/xhtml+xml,*/*"}
    page = await shown.http.get(address, headers=browser)
    assert page.headers["content-type"].startswith("text/html")
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    assert page.text.startswith("<!doctype html>")
    assert "1,000.00" in page.text
    assert "<footer>\n<p>effective: " in page.text
    joined = "&amp;" if "?" in address else ""
    kept = address.partition("?")[2]
    assert f'<a href="?{kept}{joined}format=csv">as CSV</a>' in page.text
    as_csv = await shown.http.get(address, params={"format": "csv", **_words(address)})
    assert as_csv.headers["content-type"].startswith("text/csv")
    assert "1000.00" in as_csv.text
    as_json = await shown.http.get(address)
    assert as_json.json()["book"] == "main"
    tags = {each.headers["etag"] for each in (page, as_csv, as_json)}
    assert len(tags) == 3
    assert page.headers["vary"] == "Accept"


def _words(address: str) -> dict[str, str]:
    return dict(httpx.URL(address).params)


async def test_page_of_a_list_leads_to_the_next_and_keeps_what_was_asked(shown: Shown) -> None:
    words = {"limit": "7", "from": "2026-02-03", "format": "html"}
    first = await shown.get("general-ledger", **words)
    link = first.headers["link"].removeprefix("<").partition(">")[0]
    assert "limit=7&amp;from=2026-02-03&amp;format=html&amp;after=" in first.text
    second = await shown.http.get(link)
    assert second.status_code == 200
    assert second.text != first.text


async def test_account_is_called_what_it_was_called_at_the_moment_that_is_asked_for(
    shown: Shown,
) -> None:
    page = await shown.http.get(f"{STATEMENTS}/trial-balance", headers={"Accept": "text/html"})
    assert "House &lt;b&gt;Bank&lt;/b&gt; (assets:bank:main)" in page.text
    for path, words in (
        ("trial-balance", {}),
        ("balance-sheet", {}),
        ("general-ledger", {}),
        ("roll-up", {"by": "account"}),
        ("accounts/assets:bank:main", {}),
    ):
        for moment, name in (
            ({}, "House <b>Bank</b>"),
            ({"as_of": "2026-03-20"}, "House <b>Bank</b>"),
            ({"as_of": "2026-03-19"}, "assets:bank:main"),
            ({"recorded_as_of": "2026-03-19"}, "assets:bank:main"),
        ):
            told = (await shown.get(path, **words, **moment)).text
            assert '"account":"assets:bank:main"' in told
            assert f'"display":"{name}"' in told, (path, moment)
            written = await shown.get(path, **words, **moment, format="csv")
            rows = list(csv.DictReader(io.StringIO(written.text)))
            assert list(rows[0])[-1] == "display"
            named = {row["display"] for row in rows if "assets:bank:main" in row.values()}
            assert named == {name}, (path, moment)


async def test_account_and_ledger_page_to_their_end(shown: Shown) -> None:
    for path in ("accounts/revenue:stripe", "general-ledger"):
        lines: list[Json] = []
        words = {"limit": "7", "from": "2026-02-03"}
        while True:
            page = (await shown.get(path, **words)).json()
            for part in page.get("accounts", [page]):
                lines += part["lines"]
            if page["next"] is None:
                break
            words["after"] = page["next"]
        whole = (await shown.get(path, **{"from": "2026-02-03"})).json()
        expected = [line for part in whole.get("accounts", [whole]) for line in part["lines"]]
        assert lines == expected
        assert lines[-1]["balance"]["currency"]
    assert len(expected) == 2 * (18 + 1)


async def test_roll_ups_by_prefix_by_key_and_by_month(shown: Shown) -> None:
    by_root = (await shown.get("roll-up", depth="1", to="2026-02-28")).json()["lines"]
    assert [(n["account"], n["net"]["minor"]) for n in by_root] == [
        ("assets", "120000"), ("equity", "-100000"), ("expenses", "700"),
        ("liabilities", "-700"), ("revenue", "-20000"),
    ]  # fmt: skip
    keys = (await shown.get("roll-up", by="key", account="assets:stripe:settling")).json()["lines"]
    assert {n["key"]: n["net"]["minor"] for n in keys} == {f"ch_{n}": "1000" for n in range(1, 21)}
    months = (await shown.get("roll-up", by="month", account="revenue")).json()["lines"]
    assert [(n["begins"], n["credit"]["minor"]) for n in months] == [
        ("2026-03-01", "5000"),
        ("2026-02-01", "20000"),
    ]
    tags = "earned=revenue;cash=assets:bank,assets:stripe"
    by_tag = (await shown.get("roll-up", by="tag", tags=tags, to="2026-02-28")).json()["lines"]
    assert [(n["tag"], n["account"], n["net"]["minor"]) for n in by_tag] == [
        ("(untagged)", None, "-100000"), ("cash", None, "120000"), ("earned", None, "-20000"),
    ]  # fmt: skip
    told = json.dumps({"earned": ["revenue"], "cash": ["assets:bank", "assets:stripe"]})
    connection = await asyncpg.connect(shown.dsn)
    in_sql = await connection.fetch(
        "select tag, currency, debit_minor - credit_minor as net"
        " from ledger_read.turnover_by_tag('main', $1::jsonb, null, '2026-02-28')", told,
    )  # fmt: skip
    await connection.close()
    assert [tuple(row) for row in in_sql] == [("cash", "usd", 120_000), ("earned", "usd", -20_000)]
    monthly = (await shown.get("roll-up", by="month", account="revenue", tags=tags)).json()["lines"]
    assert [(n["begins"], n["tag"], n["credit"]["minor"]) for n in monthly] == [
        ("2026-03-01", "earned", "5000"),
        ("2026-02-01", "earned", "20000"),
    ]
    settling = "assets:stripe:settling"
    then = (await shown.get("roll-up", by="key", account=settling, as_of="2026-02-10")).json()
    now = (await shown.get("roll-up", by="key", account=settling)).json()
    assert 0 < len(then["lines"]) < len(now["lines"])
    two = f"first={settling}[ch_1],{settling}[ch_2]"
    by_key = (await shown.get("roll-up", by="key", account=settling, tags=two)).json()["lines"]
    assert [(n["tag"], n["net"]["minor"]) for n in by_key] == [
        ("(untagged)", "18000"),
        ("first", "2000"),
    ]


@pytest.mark.parametrize(
    ("path", "words", "status"),
    [
        ("balance-sheet", {"as_of": "soon"}, 400),
        ("balance-sheet", {"from": "2026-01-01"}, 400),
        ("cash-flow", {"from": "2026-03-01", "to": "2026-01-01"}, 400),
        ("accounts/assets:bank", {}, 404),
        ("accounts/nonsense", {}, 404),
        ("accounts/equity:owner", {"after": "xyz"}, 400),
        ("accounts/equity:owner", {"limit": "0"}, 400),
        ("general-ledger", {"after": "WzFd"}, 400),
        ("roll-up", {"by": "colour"}, 400),
        ("roll-up", {"by": "tag", "tags": "one=liabilities:connect[acct_1]"}, 400),
        ("roll-up", {"by": "account", "tags": "one=liabilities"}, 400),
        ("roll-up", {"by": "key"}, 400),
        ("roll-up", {"by": "day", "as_of": "2026-01-01T10:00:00Z"}, 400),
        ("roll-up", {"depth": "9"}, 400),
        ("roll-up", {"by": "tag"}, 400),
        ("roll-up", {"by": "tag", "tags": "cloud"}, 400),
        ("roll-up", {"tags": "a=b:c"}, 400),
        ("balance-sheet", {"format": "pdf"}, 400),
        ("nonsense", {}, 404),
    ],
)
async def test_bad_question_is_a_clear_4xx(
    shown: Shown, path: str, words: dict[str, str], status: int
) -> None:
    answer = await shown.get(path, **words)
    assert answer.status_code == status
    if "json" in answer.headers["content-type"]:
        assert answer.json()["detail"]


async def tallystick(shown: Shown, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    given = {k: v for k, v in os.environ.items() if not k.startswith("TALLYSTICK_")}
    return await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "tallystick", "report", *words],
        cwd=ROOT,
        env=given | {"TALLYSTICK_POSTGRES_DSN": shown.dsn, "TALLYSTICK_STACK_DIR": str(folder)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


async def test_command_line_writes_tables_csv_and_json_and_says_what_is_missing(
    shown: Shown, tmp_path: Path
) -> None:
    table = await tallystick(shown, tmp_path, "balance-sheet", "--as-of", "2026-03-31")
    assert table.returncode == 0
    words = " ".join(table.stdout.split())
    assert "Retained Earnings (equity:retained) 193.00" in words
    assert "effective: the end of 2026-03-31" in table.stdout
    assert "as of position: ledger.commands/0@" in table.stdout
    told = await tallystick(
        shown, tmp_path, "cash-flow", "--format", "json", "--from", "2026-03-01"
    )
    assert json.loads(told.stdout)["statements"][0]["closing_cash"]["minor"] == "5000"
    written = await tallystick(shown, tmp_path, "ledger", "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(written.stdout)))
    assert len(rows) == 2 * 23
    assert sum(int(row["minor"]) for row in rows) == 0
    missing = await tallystick(shown, tmp_path, "balance-sheet", "--reporting", "jpy")
    assert missing.returncode == 1
    assert "no rate of EUR in JPY" in missing.stderr
    unknown = await tallystick(shown, tmp_path, "account", "assets:bank")
    assert unknown.returncode == 2
    assert "under it are assets:bank:eur, assets:bank:main" in unknown.stderr
    no_book = await tallystick(shown, tmp_path, "solvency", "--book", "other")
    assert (no_book.returncode, "the books are main" in no_book.stderr) == (2, True)
