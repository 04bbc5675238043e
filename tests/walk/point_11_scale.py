"""Point 11: what lets the books grow: months, reads that do not walk the journal, what is kept."""

import asyncio
import re
from collections.abc import Mapping
from datetime import date
from typing import Any, Final

import asyncpg

from tests.bench.statements_journal import fill
from tests.walk import atelier, payloads
from tests.walk.copied import address_of
from tests.walk.standing import ROOT
from tests.walk.walking import Walk

POINT = "11"
LONG: Final = "walk_long"
POSTINGS: Final = 100_000
DUE_AT: Final = ("--as-of", "2026-07-16", "--recorded-as-of", "2026-07-20")
# What a person waits for, over a year of a hundred thousand postings.
READS: Final[Mapping[str, tuple[str, ...]]] = {
    "trial balance now": ("trial-balance",),
    "balance sheet of both axes": ("balance-sheet", *DUE_AT),
    "income of a month": ("income-statement", "--from", "2026-04-01", "--to", "2026-04-30"),
    "cash flow of a quarter": ("cash-flow", "--from", "2026-04-01", "--to", "2026-06-30"),
    "solvency in one currency": ("solvency", "--reporting", "usd"),
    "roll-up by month": ("roll-up", "revenue", "--by", "month"),
    "open keys of a moment": (
        *("roll-up", "assets:receivable", "--by", "key", "--as-of", "2026-07-16"),
    ),
    "an account's lines of three days": (
        *("account", "expenses:domain", "--from", "2026-07-01", "--to", "2026-07-03"),
    ),
}
IN_SQL: Final[Mapping[str, str]] = {
    "trial balance of a day": (
        "select * from ledger_read.trial_balance_as_of('main', '2026-07-16')"
    ),
    "balance sheet of both axes": (
        "select * from ledger_read.balance_sheet_as_of('main', '2026-07-16', '2026-07-20')"
    ),
    "translated": "select * from ledger_read.translated('main', 'usd', 2, null, '2026-07-16')",
    "turnover by month": "select * from ledger_read.turnover_by('main', 'month')",
    "turnover by tag": (
        "select * from ledger_read.turnover_by_tag('main', '{\"cloud\": [\"expenses:compute\"]}')"
    ),
    "a page of an account": (
        "select * from ledger_read.page_of_account('main', 'expenses:domain', 'UTC', '2026-07-01',"
        " null, null, '-infinity', 0, 0, 0::smallint, 50)"
    ),
}
_SCANS: Final = """
    select coalesce(sum(seq_scan), 0) as scans, coalesce(sum(seq_tup_read), 0) as rows
    from pg_stat_user_tables
    where schemaname = 'ledger' and (relname ~ '^(entries|postings)_' or relname = 'claims')
"""


def walk(w: Walk) -> None:
    """The journal's months; reads over a long journal; rows that go; the page on growing."""
    atelier.tell(w)
    _months(w)
    _claims(w)
    asyncio.run(_made(w))
    try:
        _reads(w)
        _in_sql(w)
        _plans(w)
    finally:
        asyncio.run(_gone(w))
    _retention(w)
    _growing(w)


def _months(w: Walk) -> None:
    rows = w.sql(
        "select parent.relname as parent, child.relname as child,"
        " pg_get_expr(child.relpartbound, child.oid) as bound,"
        " pg_get_partkeydef(parent.oid) as kept_by"
        " from pg_inherits join pg_class as parent on parent.oid = inhparent"
        " join pg_class as child on child.oid = inhrelid"
        " where parent.relnamespace = 'ledger'::regnamespace and parent.relkind = 'p'"
        " order by 1, 2",
    )
    by = {(row["parent"], row["kept_by"]) for row in rows}
    w.same(
        POINT,
        "entries and postings are split by recorded time",
        by,
        {("entries", "RANGE (recorded_at)"), ("postings", "RANGE (recorded_at)")},
    )
    today = date.today()  # noqa: DTZ011 - only to name the month that is being recorded
    names = {row["child"] for row in rows}
    after = date(today.year + today.month // 12, today.month % 12 + 1, 1)
    wanted = {
        f"{table}_{month:%Y_%m}" for table in ("entries", "postings") for month in (today, after)
    }
    w.holds(
        POINT,
        "this month's and the next are open, by themselves",
        wanted <= names,
        sorted(names),
    )
    rows = w.sql(
        "select distinct tableoid::regclass::text as month from ledger.entries", role="tallystick"
    )
    w.holds(
        POINT,
        "and every entry stands in the month that it was recorded in",
        all(str(row["month"]).endswith(f"entries_{today:%Y_%m}") for row in rows),
        [row["month"] for row in rows],
    )


def _claims(w: Walk) -> None:
    rows = w.sql(
        "select pg_get_constraintdef(oid) as told from pg_constraint"
        " where conrelid = 'ledger.claims'::regclass and contype = 'p'",
        role="tallystick",
    )
    w.same(
        POINT,
        "a reference is unique in its book whatever the month: the claim table's primary key",
        [row["told"] for row in rows],
        ["PRIMARY KEY (book, reference)"],
    )


async def _made(w: Walk) -> None:
    """A journal of a year in a database of its own."""
    await _gone(w)
    admin = await asyncpg.connect(address_of(w, "postgres"))
    try:
        await admin.execute(f'create database "{LONG}"')
    finally:
        await admin.close()
    await fill(address_of(w, LONG), POSTINGS)


async def _gone(w: Walk) -> None:
    admin = await asyncpg.connect(address_of(w, "postgres"))
    try:
        await admin.execute(f'drop database if exists "{LONG}" with (force)')
    finally:
        await admin.close()


def _asked(w: Walk, query: str) -> list[dict[str, Any]]:  # Any: columns of any kind
    async def asked() -> list[dict[str, Any]]:  # Any: columns of any kind
        owner = await asyncpg.connect(address_of(w, LONG))
        try:
            return [dict(row) for row in await owner.fetch(query)]
        finally:
            await owner.close()

    return asyncio.run(asked())


def _reads(w: Walk) -> None:
    variables = {
        "TALLYSTICK_POSTGRES_DSN": address_of(w, LONG),
        "TALLYSTICK_KAFKA_BOOTSTRAP": w.at.kafka,
    }
    (whole,) = _asked(w, "select count(*) as entries from ledger.entries")
    for what, words in READS.items():
        (before,) = _asked(w, _SCANS)
        said = w.cli("report", *words, "--format", "json", **variables)
        (after,) = _asked(w, _SCANS)
        rows = int(after["rows"] - before["rows"])
        w.holds(
            POINT,
            f"{what}: answered without walking a month of the journal",
            said.code == 0 and rows == 0,
            f"exit {said.code}, {rows} rows of {whole['entries']} entries' read in sequence,"
            f" {int(after['scans'] - before['scans'])} scans {said.err[:200]}",
        )


def _in_sql(w: Walk) -> None:
    """What the page on reading in SQL shows, and what the console's own pages are made of."""
    for what, query in IN_SQL.items():
        (before,) = _asked(w, _SCANS)
        found = _asked(w, query)
        (after,) = _asked(w, _SCANS)
        rows = int(after["rows"] - before["rows"])
        w.holds(
            POINT,
            f"in SQL, {what}: answered without walking a month of the journal",
            found and rows == 0,
            f"{len(found)} rows found, {rows} rows of the journal read in sequence",
            command=query,
        )


def _plans(w: Walk) -> None:
    for what, query in {
        "an open key": (
            "select * from ledger_read.open_items where book = 'main'"
            " and account = 'assets:receivable' and key = 'in_7'"
        ),
        "a claimed reference": (
            "select * from ledger.claims where book = 'main' and reference = 'r:777'"
        ),
        "entries behind a place of a chain": (
            "select * from ledger.entries where origin_id = 3 and sequence > 100"
            " and recorded_at >= '2026-01-01' and recorded_at < '2026-02-01'"
            " order by sequence limit 50"
        ),
    }.items():
        plan = "\n".join(str(row["QUERY PLAN"]) for row in _asked(w, f"explain {query}"))
        walked = re.findall(r"Seq Scan on \w+", plan)
        w.holds(
            POINT,
            f"explain, {what}: an index, and no sequential scan",
            "Index" in plan and not walked,
            f"{walked} {plan[:200]}",
            command=f"explain {query}",
        )


def _retention(w: Walk) -> None:
    charge = payloads.charge(w.new("ch"), 900)
    w.tell("charge.succeeded", charge)
    w.booked()
    key = str(charge["id"])
    asked = (
        "select minor from ledger_read.open_items where book = 'shop'"
        f" and account = 'assets:stripe:settling' and key = '{key}'"
    )
    stood = [int(row["minor"]) for row in w.sql(asked)]
    w.poll(payloads.movement(w.new("txn"), "charge", 900, 56, key))
    w.booked()
    w.same(
        POINT,
        "an open item goes when it comes to nothing, and not before",
        (stood, w.sql(asked)),
        ([900], list[Mapping[str, Any]]()),
    )
    rows = w.sql(
        "select (select count(*) from ledger.journal_notes) as notes,"
        " (select count(*) from ledger.open_items where minor = 0) as at_zero",
        role="tallystick",
    )
    w.same(
        POINT,
        "notes of a transaction are gone after it, and no open item stands at nothing",
        [(row["notes"], row["at_zero"]) for row in rows],
        [(0, 0)],
    )


def _growing(w: Walk) -> None:
    page = ROOT / "docs" / "explanation" / "growing.md"
    text = page.read_text("utf-8")
    needed = ("partition", "Citus", "replica", "measured", "arithmetic")
    lacking = [word for word in needed if word.lower() not in text.lower()]
    links = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text)
    named = re.findall(r"`(docs/[\w/.-]+\.md)`", text)
    broken = [to for to in links if "://" not in to and not (page.parent / to).exists()]
    broken += [to for to in named if not (ROOT / to).exists()]
    decisions = [n for n in re.findall(r"decision (\d{4})", text)
                 if not list((ROOT / "docs" / "decisions").glob(f"{n}-*.md"))]  # fmt: skip
    w.holds(
        POINT,
        "the page on growing tells of partitions, Citus, replicas, what was measured and what is"
        " arithmetic; its links lead somewhere",
        not lacking and links and not broken and not decisions,
        f"lacking {lacking}; {len(links)} links and {len(named)} pages named, broken {broken}",
        command="docs/explanation/growing.md",
    )
