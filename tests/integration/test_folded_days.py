"""Folded days say what the days of each input say, before and behind the fold, early and late."""

from datetime import date

import asyncpg
import pytest

from services.ledger.shell.queries import SQL
from services.ledger.shell.store import bring_up_to_date

pytestmark = pytest.mark.stack

ADD = (
    "insert into ledger.day_buckets as d values ('main', $1, 'usd', $2, $3, $4, 2,"
    " $5::integer, $6::integer)"
    " on conflict (book, account, currency, effective_day, recorded_day, origin_id) do update set"
    " debit_minor = d.debit_minor + excluded.debit_minor,"
    " credit_minor = d.credit_minor + excluded.credit_minor"
)
FOLD = "select ledger.fold_days('ledger', $1)"
BY_DAY = (
    "select account, effective_day, recorded_day, sum(debit_minor)::text, sum(credit_minor)::text"
    " from {} group by 1, 2, 3 having sum(debit_minor) <> 0 or sum(credit_minor) <> 0"
    " order by 1, 2, 3"
)
BY_MONTH = (
    "select account, effective_month, recorded_month, sum(debit_minor)::text,"
    " sum(credit_minor)::text from {} group by 1, 2, 3"
    " having sum(debit_minor) <> 0 or sum(credit_minor) <> 0 order by 1, 2, 3"
)
MAY, JUNE = date(2026, 5, 31), date(2026, 6, 1)


async def says_the_same(owner: "asyncpg.Connection[asyncpg.Record]") -> int:
    """Both views against the sums by input; gives how many days there are."""
    days = await owner.fetch(BY_DAY.format("ledger_read.day_turnover"))
    assert days == await owner.fetch(BY_DAY.format("ledger.day_buckets"))
    months = await owner.fetch(BY_MONTH.format("ledger_read.month_turnover"))
    assert months == await owner.fetch(BY_MONTH.format("ledger.month_buckets"))
    assert await off(owner) == []
    return len(days)


async def off(owner: "asyncpg.Connection[asyncpg.Record]") -> list[tuple[str, str]]:
    """What verification finds wrong with the folds."""
    await owner.execute("set search_path = ledger")
    rows = await owner.fetch(SQL["folds_off"], 10)
    await owner.execute("reset search_path")
    return [(row["span"], row["account"]) for row in rows]


async def test_days_are_the_same_before_they_are_folded_and_after(database_dsn: str) -> None:
    await bring_up_to_date(database_dsn)
    owner = await asyncpg.connect(database_dsn)
    try:
        await owner.execute("set role ledger_app")
        for origin in (1, 2, 3):
            await owner.execute(ADD, "a:b", MAY, MAY, origin, 5, 0)
            await owner.execute(ADD, "a:b", MAY, JUNE, origin, 0, origin)
            await owner.execute(ADD, "c:d", JUNE, JUNE, origin, origin, 7)
        await owner.execute("reset role")
        assert await says_the_same(owner) == 3
        for through in (MAY, MAY, JUNE, MAY):
            await owner.execute("set role ledger_app")
            await owner.execute(FOLD, through)
            await owner.execute("reset role")
            assert await says_the_same(owner) == 3
        assert await owner.fetchval("select count(*) from ledger.folded_days") == 3
        assert await owner.fetchval("select recorded_through from ledger.folded") == JUNE
    finally:
        await owner.close()


async def test_what_comes_late_or_is_moved_is_folded_as_well(database_dsn: str) -> None:
    await bring_up_to_date(database_dsn)
    owner = await asyncpg.connect(database_dsn)
    try:
        await owner.execute(ADD, "a:b", MAY, MAY, 1, 5, 0)
        await owner.execute(FOLD, MAY)
        await owner.execute("set role ledger_app")
        await owner.execute(ADD, "a:b", MAY, MAY, 1, 10, 1)
        await owner.execute(ADD, "a:b", MAY, MAY, 2, 0, 3)
        await owner.execute(ADD, "a:b", date(2026, 4, 1), MAY, 2, 4, 0)
        await owner.execute(ADD, "a:b", MAY, JUNE, 2, 9, 9)
        await owner.execute("update ledger.day_buckets set debit_minor = 0 where debit_minor = 4")
        await owner.execute("reset role")
        assert await says_the_same(owner) == 2
        for table in ("folded", "folded_days", "folded_months"):
            await owner.execute("set role ledger_app")
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await owner.execute(f"delete from ledger.{table}")
            await owner.execute("reset role")
    finally:
        await owner.close()


async def test_fold_that_was_touched_is_found(database_dsn: str) -> None:
    await bring_up_to_date(database_dsn)
    owner = await asyncpg.connect(database_dsn)
    try:
        await owner.execute(ADD, "a:b", MAY, MAY, 1, 5, 0)
        await owner.execute(ADD, "c:d", MAY, MAY, 1, 0, 5)
        await owner.execute(FOLD, MAY)
        await owner.execute("update ledger.folded_days set debit_minor = 6 where account = 'a:b'")
        await owner.execute("delete from ledger.folded_months where account = 'c:d'")
        assert await off(owner) == [("day", "a:b"), ("month", "c:d")]
    finally:
        await owner.close()
