"""Migrations that move data: months summed from days, rates read out of the sentences that told them."""

import shutil
from pathlib import Path

import asyncpg
import pytest

from services.ledger.shell import store
from services.ledger.shell.store import bring_up_to_date
from shared.runtime.migrations import migrate

pytestmark = pytest.mark.stack
MIGRATIONS = Path(store.__file__).parent / "migrations"
DAY = (
    "insert into ledger.day_buckets as d values ('main', $1, 'usd', $2::text::date,"
    " $3::text::date, 1, 2, $4::text::numeric, $5::text::numeric)"
    " on conflict (book, account, currency, effective_day, recorded_day, origin_id) do update set"
    " debit_minor = d.debit_minor + excluded.debit_minor,"
    " credit_minor = d.credit_minor + excluded.credit_minor"
)
MONTHS = (
    "select account, effective_month::text, recorded_month::text, debit_minor::text,"
    " credit_minor::text from ledger.month_buckets order by 1, 2, 3"
)
TOLD = (
    "insert into ledger.outcomes values (1, $1, 1, 'accepted', 'command', 'main', 'k', $2, $3,"
    " null, null, null, 'm', '2026-01-01Z')"
)


async def test_journal_of_before_has_its_months_and_its_rates(
    empty_database_dsn: str, tmp_path: Path
) -> None:
    for file in sorted(MIGRATIONS.glob("000[123]_*.sql")):
        shutil.copy(file, tmp_path)
    await migrate(empty_database_dsn, schema="ledger", folder=tmp_path)
    owner = await asyncpg.connect(empty_database_dsn)
    try:
        await owner.execute(
            "insert into ledger.origins (topic, partition) values ('ledger.commands', 0)"
        )
        await owner.execute(DAY, "a:b", "2026-01-31", "2026-02-01", "5", "0")
        await owner.execute(DAY, "a:b", "2026-01-01", "2026-02-28", "0", "7")
        await owner.execute(TOLD, 1, "1 EUR is 1.0853 USD on 2026-01-31", None)
        await owner.execute(TOLD, 2, "1 KWD is 1E+2 JPY on 2026-02-01", None)
        await owner.execute(TOLD, 3, "booked", "command:k")
        await owner.execute(TOLD, 4, "replayed", None)
        await bring_up_to_date(empty_database_dsn)
        assert [tuple(r) for r in await owner.fetch(MONTHS)] == [
            ("a:b", "2026-01-01", "2026-02-01", "5", "7")
        ]
        rates = await owner.fetch(
            "select base, quote, on_day::text, rate::text, base_exponent, quote_exponent,"
            " caused_offset from ledger.exchange_rates order by caused_offset"
        )
        assert [tuple(r) for r in rates] == [
            ("eur", "usd", "2026-01-31", "1.0853", 2, 2, 1),
            ("kwd", "jpy", "2026-02-01", "100", 3, 0, 2),
        ]
    finally:
        await owner.close()


async def test_months_follow_days_whoever_writes_them(empty_database_dsn: str) -> None:
    await bring_up_to_date(empty_database_dsn)
    owner = await asyncpg.connect(empty_database_dsn)
    try:
        await owner.execute("set role ledger_app")
        await owner.execute(DAY, "a:b", "2026-01-31", "2026-01-31", "5", "0")
        await owner.execute(DAY, "a:b", "2026-01-31", "2026-01-31", "1", "2")
        await owner.execute(DAY, "a:b", "2026-02-01", "2026-02-01", str(10**30), "0")
        await owner.execute("update ledger.day_buckets set credit_minor = 0 where debit_minor = 6")
        assert [tuple(r) for r in await owner.fetch(MONTHS)] == [
            ("a:b", "2026-01-01", "2026-01-01", "6", "0"),
            ("a:b", "2026-02-01", "2026-02-01", str(10**30), "0"),
        ]
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await owner.execute("update ledger.month_buckets set debit_minor = 0")
    finally:
        await owner.close()


async def test_journal_of_before_is_split_by_month_under_the_same_views(
    empty_database_dsn: str, tmp_path: Path
) -> None:
    for schema, folder, last in (("ledger", "migrations", 11), ("ledger_read", "views", 7)):
        before = tmp_path / folder
        before.mkdir()
        for number in range(1, last + 1):
            for file in (MIGRATIONS.parent / folder).glob(f"{number:04}_*.sql"):
                shutil.copy(file, before)
        await migrate(empty_database_dsn, schema=schema, folder=before)
    owner = await asyncpg.connect(empty_database_dsn)
    seen = (
        "select e.reference, e.recorded_at::text, p.account, p.direction, p.minor::text"
        " from ledger_read.entries e join ledger_read.postings p using (book, reference)"
        " order by 1, 3"
    )
    rights = (
        "select table_name, grantee, privilege_type from information_schema.table_privileges"
        " where table_schema = 'ledger_read' order by 1, 2, 3"
    )
    try:
        await owner.execute(
            "insert into ledger.origins (topic, partition, sequence) values ('t', 0, 2)"
        )
        async with owner.transaction():
            for sequence, month in ((1, "2026-01-31 23:59:59.999999Z"), (2, "2026-02-01Z")):
                await owner.execute(
                    "insert into ledger.entries values (1, $1::bigint, 'main', 'r' || $1::bigint, 'k', now(),"
                    " $2::text::timestamptz, $1::bigint, 'm', 1, '', null, '', '', 2)",
                    sequence,
                    month,
                )
                await owner.execute(
                    "insert into ledger.postings values (1, $1, 1, 'a', '', 'debit', 5, 'usd', 2),"
                    " (1, $1, 2, 'b', '', 'credit', 5, 'usd', 2)",
                    sequence,
                )
        told, allowed = await owner.fetch(seen), await owner.fetch(rights)
        await bring_up_to_date(empty_database_dsn)
        assert len(told) == 4
        assert await owner.fetch(seen) == told
        assert set(allowed) <= set(await owner.fetch(rights))
        for month in ("2026_01", "2026_02"):
            assert await owner.fetchval(f"select count(*) from ledger.entries_{month}") == 1
            assert await owner.fetchval(f"select count(*) from ledger.postings_{month}") == 2
    finally:
        await owner.close()
