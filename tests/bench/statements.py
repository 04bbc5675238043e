"""What statements cost over a small journal and over a large one of the same span of time.

``python -m tests.bench.statements`` writes two journals of a year into databases of its own, by
default of a hundred thousand and of ten million postings over the same accounts, days and inputs,
and times each report over both. Only reading is timed: the rows are put there by plain SQL.
"""

import argparse
import asyncio
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Final

import asyncpg

from services.console.shell.account_pages import AccountPages
from services.console.shell.readers import Snapshot, Views
from services.console.shell.reports import ACCOUNT, basis_of, report, rolled_up
from services.console.statements.query import Asked, asked_of
from services.console.statements.report import Kind
from services.ledger.shell.store import bring_up_to_date
from shared.contracts.books import BookData
from tests.support.stack import running_stack

BOOK: Final = BookData()
NOW: Final = datetime(2026, 12, 31, 12, tzinfo=UTC)
ORIGINS: Final = 16
Reading = Callable[[Snapshot], Awaitable[object]]

# Each entry has two postings; every account moves on every day, in two currencies, through every
# input, and is recorded up to two days late. Larger journals have more entries and no more buckets.
_FILL: Final = """
set session_replication_role = replica;
set search_path = ledger;
insert into origins (topic, partition, sequence)
select case when n < 8 then 'stripe.events' else 'stripe.objects' end, n % 8, {entries} / {origins}
from generate_series(0, {origins} - 1) as n;
insert into positions
select 'c', 't', topic, partition, sequence from origins;
insert into exchange_rates
select 'main', 'eur', 'usd', date '2026-01-01' + n, 1.05 + n * 0.0001, 2, 2,
    timestamptz '2026-01-01' + n * interval '1 day', 1, n
from generate_series(0, 364) as n;
create temporary table told as
select
    (n % {origins})::integer + 1 as origin_id,
    n / {origins} + 1 as sequence,
    timestamptz '2026-01-01' + n::float8 / {entries} * interval '363 days' as at,
    (n / {origins} % 10)::integer as pair,
    n / ({origins} * 10) % 4 = 0 as is_euro,
    n
from generate_series(0::bigint, {entries} - 1) as n;
select open_journal_months('ledger', array(
    select (date '2025-12-01' + n * interval '1 month')::date from generate_series(0, 13) as n
));
insert into entries (
    origin_id, sequence, book, reference, kind, effective_at, recorded_at, caused_offset,
    message_id, rules_version, description, reverses, digest, chain, posting_count
)
select
    origin_id, sequence, 'main', 'r:' || n, 'charge', at,
    at + (n % 2) * interval '1 day' + interval '2 seconds', sequence, 'm' || n, 1, '', null,
    ''::bytea, ''::bytea, 2
from told order by n;
create temporary table legs as
select
    origin_id, sequence, ordinal, at, n,
    case when ordinal = 1
        then (array['assets:bank:main', 'assets:stripe:balance', 'assets:stripe:settling',
            'assets:receivable', 'expenses:compute', 'expenses:stripe-fees',
            'expenses:bank-fees', 'assets:stripe:in-transit', 'revenue:refunds',
            'assets:bank:other'])[pair + 1]
        else (array['revenue:stripe', 'equity:owner', 'liabilities:payable', 'revenue:chain',
            'assets:bank:main', 'assets:stripe:balance', 'liabilities:tax', 'liabilities:connect',
            'assets:stripe:balance', 'revenue:application-fees'])[pair + 1]
    end as account,
    case ordinal when 1 then 'debit' else 'credit' end as direction,
    1000 + n % 5000 as minor,
    case when is_euro then 'eur' else 'usd' end as currency
from told cross join (values (1), (2)) as o (ordinal);
insert into postings (
    origin_id, sequence, ordinal, account, key, direction, minor, currency, exponent, recorded_at
)
select
    origin_id, sequence, ordinal, account, '', direction, minor, currency, 2,
    at + (n % 2) * interval '1 day' + interval '2 seconds'
from legs order by n, ordinal;
insert into day_buckets
select
    'main', account, currency, (at at time zone 'UTC')::date,
    ((at + (n % 2) * interval '1 day' + interval '2 seconds') at time zone 'UTC')::date,
    origin_id, 2,
    coalesce(sum(minor) filter (where direction = 'debit'), 0),
    coalesce(sum(minor) filter (where direction = 'credit'), 0)
from legs group by 1, 2, 3, 4, 5, 6;
insert into month_buckets
select
    book, account, currency, date_trunc('month', effective_day::timestamp)::date,
    date_trunc('month', recorded_day::timestamp)::date, origin_id, 2,
    sum(debit_minor), sum(credit_minor)
from day_buckets group by 1, 2, 3, 4, 5, 6;
insert into balances
select book, account, currency, origin_id, 2, sum(debit_minor), sum(credit_minor)
from day_buckets group by 1, 2, 3, 4;
-- As the ledger does whenever a day has passed.
select fold_days('ledger', (select max(recorded_day) - 2 from day_buckets));
"""


def asked(**words: str) -> Asked:
    """What words ask of the book."""
    known = {"as_of", "recorded_as_of", "from", "to", "currency", "reporting"}
    return asked_of(BOOK, {name.rstrip("_"): value for name, value in words.items()}, known)


def readings() -> dict[str, Reading]:
    """Each reading by its name."""

    def of(kind: Kind, **words: str) -> Reading:
        return lambda views: report(views, kind, asked(**words), NOW)

    def page(**words: str) -> Reading:
        return lambda views: AccountPages(views, asked(**words)).page(
            "assets:stripe:balance", after=None, count=100
        )

    return {
        "position alone": lambda views: basis_of(views, asked(), NOW),
        "trial balance": of(Kind.TRIAL_BALANCE),
        "balance sheet": of(Kind.BALANCE_SHEET),
        "solvency": of(Kind.SOLVENCY),
        "balance sheet in usd": of(Kind.BALANCE_SHEET, reporting="usd"),
        "solvency in usd": of(Kind.SOLVENCY, reporting="usd"),
        "balance sheet, end of a day": of(Kind.BALANCE_SHEET, as_of="2026-07-15"),
        "balance sheet, both axes": of(
            Kind.BALANCE_SHEET, as_of="2026-07-15", recorded_as_of="2026-07-15"
        ),
        "balance sheet, within a day": of(Kind.BALANCE_SHEET, as_of="2026-07-15T12:00:00Z"),
        "balance sheet, recorded within a day": of(
            Kind.BALANCE_SHEET, recorded_as_of="2026-07-15T12:00:00Z"
        ),
        "income statement of a quarter": of(
            Kind.INCOME_STATEMENT, from_="2026-04-01", to="2026-06-30"
        ),
        "cash flow of a quarter in usd": of(
            Kind.CASH_FLOW, from_="2026-04-01", to="2026-06-30", reporting="usd"
        ),
        "account statement, 100 lines": page(from_="2026-07-15"),
        "roll-up by month": lambda views: rolled_up(views, asked(), by="month", under="", depth=1),
        "roll-up by prefix": lambda views: rolled_up(
            views, asked(to="2026-07-15"), by=ACCOUNT, under="", depth=2
        ),
    }


async def fill(dsn: str, postings: int) -> float:
    """A journal of that many postings; gives the seconds it took."""
    await bring_up_to_date(dsn)
    begun = time.monotonic()
    owner = await asyncpg.connect(dsn)
    try:
        entries = postings // 2 // ORIGINS * ORIGINS
        await owner.execute(_FILL.format(entries=entries, origins=ORIGINS), timeout=3600)
        await owner.execute("vacuum analyze", timeout=3600)
    finally:
        await owner.close()
    return time.monotonic() - begun


async def timed(dsn: str, rounds: int) -> dict[str, tuple[float, float]]:
    """Median and worst milliseconds of each reading."""
    views, found = Views(dsn, "ledger"), dict[str, tuple[float, float]]()
    for name, read in readings().items():
        took: list[float] = []
        for _ in range(rounds + 2):
            begun = time.perf_counter()
            async with views.snapshot() as moment:
                await read(moment)
            took.append((time.perf_counter() - begun) * 1000)
        found[name] = (statistics.median(took[2:]), max(took[2:]))
    await views.close()
    return found


async def measure(dsn_of: Callable[[], str], sizes: list[int], rounds: int) -> None:
    """Time all over journals of each size, and print a table."""
    results: list[dict[str, tuple[float, float]]] = []
    for size in sizes:
        dsn = dsn_of()
        seconds = await fill(dsn, size)
        sys.stdout.write(f"{size:,} postings written in {seconds:.0f} s\n")
        results.append(await timed(dsn, rounds))
    head = "".join(f"{size:>22,}" for size in sizes)
    sys.stdout.write(f"{'median (worst) ms, postings:':40}{head}{'ratio':>8}\n")
    for name in results[0]:
        cells = "".join(f"{r[name][0]:>12.1f} ({r[name][1]:>6.1f})" for r in results)
        ratio = results[-1][name][0] / results[0][name][0]
        sys.stdout.write(f"{name:40}{cells}{ratio:>8.2f}\n")


def main() -> None:
    """Measure on this machine."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--postings", type=int, nargs="+", default=[100_000, 10_000_000])
    parser.add_argument("--rounds", type=int, default=20)
    given = parser.parse_args()
    with running_stack() as stack:
        made: list[str] = []

        def fresh() -> str:
            made.append(stack.fresh_database("bench"))
            return made[-1]

        try:
            asyncio.run(measure(fresh, given.postings, given.rounds))
        finally:
            for dsn in made:
                stack.drop_database(dsn)


if __name__ == "__main__":
    main()
