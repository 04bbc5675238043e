-- Statements are read from what is folded, and from the few days behind it by input.

-- The last recorded day that is folded. The bound above lets a reader's plan expect few rows.
create or replace view day_turnover as
select
    book, account, currency, effective_day, recorded_day, exponent, debit_minor, credit_minor
from ledger.folded_days
where debit_minor <> 0 or credit_minor <> 0
union all
select
    d.book, d.account, d.currency, d.effective_day, d.recorded_day, d.exponent, d.debit_minor,
    d.credit_minor
from ledger.day_buckets as d
where
    d.recorded_day > (select f.recorded_through from ledger.folded as f)
    and d.recorded_day < date '9999-12-31'
    and (d.debit_minor <> 0 or d.credit_minor <> 0);

create or replace view month_turnover as
select
    book, account, currency, effective_month, recorded_month, exponent, debit_minor, credit_minor
from ledger.folded_months
where debit_minor <> 0 or credit_minor <> 0
union all
select
    d.book, d.account, d.currency, date_trunc('month', d.effective_day::timestamp)::date,
    date_trunc('month', d.recorded_day::timestamp)::date, d.exponent, d.debit_minor,
    d.credit_minor
from ledger.day_buckets as d
where
    d.recorded_day > (select f.recorded_through from ledger.folded as f)
    and d.recorded_day < date '9999-12-31'
    and (d.debit_minor <> 0 or d.credit_minor <> 0);

-- A posting stands in its entry's month: of both, only that part is looked into.
create or replace view movements as
select
    e.book, e.effective_at, e.recorded_at, e.origin_id, o.topic, o.partition, e.sequence,
    p.ordinal, e.reference, e.kind, e.description, p.account, p.key, p.direction, p.minor,
    p.currency, p.exponent, l.reported_day, l.reported_at
from ledger.entries as e
join ledger.postings as p
    on p.origin_id = e.origin_id and p.sequence = e.sequence and p.recorded_at = e.recorded_at
join ledger.origins as o on o.origin_id = e.origin_id
left join ledger.late_entries as l on l.origin_id = e.origin_id and l.sequence = e.sequence;

create or replace view postings as
select
    e.book,
    e.reference,
    o.topic,
    o.partition,
    p.sequence,
    p.ordinal,
    p.account,
    p.key,
    p.direction,
    p.minor,
    p.currency,
    p.exponent
from ledger.postings as p
join ledger.entries as e
    on e.origin_id = p.origin_id and e.sequence = p.sequence and e.recorded_at = p.recorded_at
join ledger.origins as o on o.origin_id = e.origin_id;

-- Bounds are asked for one by one, and not joined: so they reach the indexes behind the views.
create or replace function turnover(
    in_book text,
    from_day date default null,
    through_day date default null,
    recorded_through date default null
) returns table (
    account text, currency text, exponent smallint, debit_minor numeric, credit_minor numeric
) language sql stable as $$
    with asked as (
        select
            coalesce(from_day, date '0001-01-01') as first_day,
            coalesce(through_day, date '9999-12-30') + 1 as end_day,
            coalesce(recorded_through, date '9999-12-30') + 1 as recorded_end
    ),
    bounds as materialized (
        select
            first_day, end_day, recorded_end,
            (date_trunc('month', (first_day - 1)::timestamp) + interval '1 month')::date
                as first_month,
            date_trunc('month', end_day::timestamp)::date as end_month,
            date_trunc('month', recorded_end::timestamp)::date as recorded_end_month
        from asked
    ),
    parts as (
        -- Whole months, of both axes.
        select m.account, m.currency, m.exponent, m.debit_minor, m.credit_minor
        from ledger_read.month_turnover as m
        where
            m.book = in_book
            and m.effective_month >= (select b.first_month from bounds as b)
            and m.effective_month < (select b.end_month from bounds as b)
            and m.recorded_month < (select b.recorded_end_month from bounds as b)
        union all
        -- Of whole effective months, the days of the last recorded month.
        select d.account, d.currency, d.exponent, d.debit_minor, d.credit_minor
        from ledger_read.day_turnover as d
        where
            d.book = in_book
            and d.recorded_day >= (select b.recorded_end_month from bounds as b)
            and d.recorded_day < (select b.recorded_end from bounds as b)
            and d.effective_day >= (select b.first_month from bounds as b)
            and d.effective_day < (select b.end_month from bounds as b)
        union all
        -- The days before the first whole month.
        select d.account, d.currency, d.exponent, d.debit_minor, d.credit_minor
        from ledger_read.day_turnover as d
        where
            d.book = in_book
            and d.effective_day >= (select b.first_day from bounds as b)
            and d.effective_day < (select least(b.first_month, b.end_day) from bounds as b)
            and d.recorded_day < (select b.recorded_end from bounds as b)
        union all
        -- The days behind the last whole month.
        select d.account, d.currency, d.exponent, d.debit_minor, d.credit_minor
        from ledger_read.day_turnover as d
        where
            d.book = in_book
            and d.effective_day >= (
                select greatest(b.first_month, b.end_month) from bounds as b
            )
            and d.effective_day < (select b.end_day from bounds as b)
            and d.recorded_day < (select b.recorded_end from bounds as b)
    )
    select p.account, p.currency, max(p.exponent), sum(p.debit_minor), sum(p.credit_minor)
    from parts as p
    group by p.account, p.currency
$$;

-- A page is read in the order of the months' indexes and ends where it ends: neither all of a day is
-- gone through and sorted, nor is it planned anew each time, over every month.
alter function movements_of_account(
    text, text, timestamptz [], timestamptz [], timestamptz, timestamptz, integer, bigint, smallint,
    integer
) set enable_sort = off;
alter function movements_of_account(
    text, text, timestamptz [], timestamptz [], timestamptz, timestamptz, integer, bigint, smallint,
    integer
) set enable_bitmapscan = off;
alter function movements_of_account(
    text, text, timestamptz [], timestamptz [], timestamptz, timestamptz, integer, bigint, smallint,
    integer
) set plan_cache_mode = force_generic_plan;
alter function turnover_up_to_place(
    text, text, timestamptz, timestamptz, timestamptz, integer, bigint, smallint
) set plan_cache_mode = force_generic_plan;

-- Days and rates meet by hash: planned as sorted lists they were laid side by side, pair by pair.
alter function turnover_at_daily_rates(text, text, date, date, date, timestamptz, text [])
set enable_mergejoin = off;
