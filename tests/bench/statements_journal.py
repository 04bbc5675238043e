"""A journal of a year for the bench of statements, put there by plain SQL."""

import time
from typing import Final

import asyncpg

from services.ledger.shell.store import bring_up_to_date

ORIGINS: Final = 16

# Each entry has two postings; every account moves on every day, in two currencies, through every
# input, and is recorded up to two days late. Larger journals have more entries and no more buckets.
# A key of settling is opened by one entry and closed by another, ten thousand entries later; so
# a thousand stand open however long the journal is. Invoices are always the same five hundred. A
# customer has some fifty credits, and an account moves at most once a day; that there are more customers the longer the journal is, is as
# it is in life.
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
insert into claims
select 'main', 'r:' || n, ''::bytea, origin_id, sequence
from told order by 2;
create temporary table legs as
select
    origin_id, sequence, ordinal, at, n,
    case
        when pair = 9 and is_euro then (array['memo:credits-issued', 'memo:credits'])[ordinal]
        when ordinal = 1 and pair not in (2, 3, 9)
            and n * 363 / {entries} <> (n - 1) * 363 / {entries} then 'expenses:domain'
        when ordinal = 1
            then (array['assets:bank:main', 'assets:stripe:balance', 'assets:stripe:settling',
                'assets:receivable', 'expenses:compute', 'expenses:stripe-fees',
                'expenses:bank-fees', 'assets:stripe:in-transit', 'revenue:refunds',
                'assets:bank:other'])[pair + 1]
        else (array['revenue:stripe', 'equity:owner', 'liabilities:payable',
            'assets:stripe:settling', 'assets:bank:main', 'assets:stripe:balance',
            'liabilities:tax', 'liabilities:connect', 'assets:stripe:balance',
            'revenue:application-fees'])[pair + 1]
    end as account,
    case
        when pair = 2 and ordinal = 1 then 'ch_' || n
        when pair = 3 and ordinal = 2 then 'ch_' || n - {origins} - {open_for}
        when pair = 3 then 'in_' || n / 160 % 500
        when pair = 9 and is_euro and ordinal = 2
            then 'cus_' || n / 640 % greatest({entries} / 640 / 3, 1)
        else ''
    end as key,
    case ordinal when 1 then 'debit' else 'credit' end as direction,
    1000 + (case pair when 3 then n - {origins} - {open_for} else n end) % 5000 as minor,
    case when is_euro then 'eur' else 'usd' end as currency
from told cross join (values (1), (2)) as o (ordinal)
where pair <> 3 or n >= {origins} + {open_for};
insert into postings (
    origin_id, sequence, ordinal, account, key, direction, minor, currency, exponent, recorded_at
)
select
    origin_id, sequence, ordinal, account, key, direction, minor, currency, 2,
    at + (n % 2) * interval '1 day' + interval '2 seconds'
from legs order by n, ordinal;
insert into open_items
select
    'main', account, key, currency, 2,
    sum(case direction when 'debit' then minor else -minor end), min(at), min(at)
from legs where key <> '' group by account, key, currency
having sum(case direction when 'debit' then minor else -minor end) <> 0;
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
-- As the ledger does whenever a day has passed, and half a month.
insert into kept (recorded_through)
select (date '2026-01-01' + n / 2 * interval '1 month')::date + n % 2 * 15
from generate_series(1, 23) as n;
insert into kept_heads
select k.number, e.origin_id, max(e.sequence), max(e.recorded_at)
from kept as k join entries as e on e.recorded_at < k.recorded_through + 2
group by 1, 2;
insert into kept_items
select
    k.number, 2, 'main', l.account, l.key, l.currency,
    sum(case direction when 'debit' then minor else -minor end)
from kept as k join legs as l on l.key <> ''
join kept_heads as h
    on h.number = k.number and h.origin_id = l.origin_id and l.sequence <= h.sequence
group by 1, 4, 5, 6
having sum(case direction when 'debit' then minor else -minor end) <> 0;
select fold_days('ledger', (select max(recorded_day) - 2 from day_buckets));
"""
# A multiple of how often an input, a pair and a currency come together.
OPEN_FOR: Final = 640 * 16


async def fill(dsn: str, postings: int) -> float:
    """A journal of about that many postings; gives the seconds it took."""
    await bring_up_to_date(dsn)
    begun = time.monotonic()
    owner = await asyncpg.connect(dsn)
    try:
        entries = postings // 2 // ORIGINS * ORIGINS
        written = _FILL.format(entries=entries, origins=ORIGINS, open_for=OPEN_FOR)
        await owner.execute(written, timeout=3600)
        await owner.execute("vacuum analyze", timeout=3600)
    finally:
        await owner.close()
    return time.monotonic() - begun
