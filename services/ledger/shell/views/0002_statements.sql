-- What statements are read from, and the statements themselves for SQL.
--
-- Days are those of the book's time zone. A bound that is null is none: `through_day` is the last
-- effective day that counts, `recorded_through` the last recorded one. Amounts are minor units of
-- `currency`, which has `exponent` decimals. Cost is of the months and days asked for, never of the
-- journal; only `turnover_within` reads postings, those of its span.

-- Several rows, one for each origin, may share all their names: sum them.
create view day_turnover as
select
    book, account, currency, effective_day, recorded_day, exponent, debit_minor, credit_minor
from ledger.day_buckets;

create view month_turnover as
select
    book, account, currency, effective_month, recorded_month, exponent, debit_minor, credit_minor
from ledger.month_buckets;

-- One major unit of `base` is worth `rate` major units of `quote`. The other way round a rate is
-- its reciprocal, rounded half up to 40 decimals, and yields to one that was recorded as such for
-- the same day.
create view exchange_rates as
select
    book, base, quote, on_day, rate, base_exponent, quote_exponent, recorded_at, caused_offset,
    false as is_reciprocal
from ledger.exchange_rates
union all
select
    book, quote, base, on_day,
    trim_scale(round(1::numeric(81, 80) / rate, 40)),
    quote_exponent, base_exponent, recorded_at, caused_offset, true
from ledger.exchange_rates;

-- How far each input partition has been booked, by the time of its last entry.
create view origins as
select o.origin_id, o.topic, o.partition, o.sequence, e.recorded_at as last_recorded_at
from ledger.origins as o
left join ledger.entries as e on e.origin_id = o.origin_id and e.sequence = o.sequence;

-- Each posting with its entry's times, for lists in the order (effective_at, origin_id, sequence,
-- ordinal). `origin_id` is a number of this database: name places by topic and partition.
create view movements as
select
    e.book, e.effective_at, e.recorded_at, e.origin_id, o.topic, o.partition, e.sequence,
    p.ordinal, e.reference, e.kind, e.description, p.account, p.key, p.direction, p.minor,
    p.currency, p.exponent
from ledger.entries as e
join ledger.postings as p on p.origin_id = e.origin_id and p.sequence = e.sequence
join ledger.origins as o on o.origin_id = e.origin_id;

-- What an account is for statements: the longest prefix says it.
create view account_groups (prefix, activity, is_cash, is_quick, is_current) as
values
    ('assets', 'operating', false, false, true),
    ('assets:bank', 'cash', true, true, true),
    ('assets:fixed', 'investing', false, false, false),
    ('assets:investments', 'investing', false, false, false),
    ('assets:receivable', 'operating', false, true, true),
    ('assets:stripe:balance', 'cash', true, true, true),
    ('assets:stripe:in-transit', 'cash', true, true, true),
    ('assets:stripe:settling', 'operating', false, true, true),
    ('assets:vault', 'cash', true, true, true),
    ('assets:wallet', 'cash', true, true, true),
    ('equity', 'financing', false, false, false),
    ('equity:exchange', 'exchange', false, false, false),
    ('expenses', 'income', false, false, false),
    ('liabilities', 'operating', false, false, true),
    ('liabilities:loans', 'financing', false, false, false),
    ('liabilities:long-term', 'financing', false, false, false),
    ('revenue', 'income', false, false, false);

create function turnover(
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
    bounds as (
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
        from bounds as b
        join ledger_read.month_turnover as m
            on
                m.effective_month >= b.first_month
                and m.effective_month < b.end_month
                and m.recorded_month < b.recorded_end_month
        where m.book = in_book
        union all
        -- Of whole effective months, the days of the last recorded month.
        select d.account, d.currency, d.exponent, d.debit_minor, d.credit_minor
        from bounds as b
        join ledger_read.day_turnover as d
            on
                d.recorded_day >= b.recorded_end_month
                and d.recorded_day < b.recorded_end
                and d.effective_day >= b.first_month
                and d.effective_day < b.end_month
        where d.book = in_book
        union all
        -- The days before the first whole month.
        select d.account, d.currency, d.exponent, d.debit_minor, d.credit_minor
        from bounds as b
        join ledger_read.day_turnover as d
            on
                d.effective_day >= b.first_day
                and d.effective_day < least(b.first_month, b.end_day)
                and d.recorded_day < b.recorded_end
        where d.book = in_book
        union all
        -- The days behind the last whole month.
        select d.account, d.currency, d.exponent, d.debit_minor, d.credit_minor
        from bounds as b
        join ledger_read.day_turnover as d
            on
                d.effective_day >= greatest(b.first_month, b.end_month)
                and d.effective_day < b.end_day
                and d.recorded_day < b.recorded_end
        where d.book = in_book
    )
    select p.account, p.currency, max(p.exponent), sum(p.debit_minor), sum(p.credit_minor)
    from parts as p
    group by p.account, p.currency
$$;

-- The same from the journal, for moments within a day: a span of either axis, its end excluded.
create function turnover_within(
    in_book text,
    effective_from timestamptz default null,
    effective_before timestamptz default null,
    recorded_from timestamptz default null,
    recorded_before timestamptz default null
) returns table (
    account text, currency text, exponent smallint, debit_minor numeric, credit_minor numeric
) language sql stable as $$
    select
        m.account, m.currency, max(m.exponent),
        coalesce(sum(m.minor) filter (where m.direction = 'debit'), 0),
        coalesce(sum(m.minor) filter (where m.direction = 'credit'), 0)
    from ledger_read.movements as m
    where
        m.book = in_book
        and m.effective_at >= coalesce(effective_from, '-infinity')
        and m.effective_at < coalesce(effective_before, 'infinity')
        and m.recorded_at >= coalesce(recorded_from, '-infinity')
        and m.recorded_at < coalesce(recorded_before, 'infinity')
    group by m.account, m.currency
$$;

-- The last rate of each currency on or before a day; of one day the last recorded.
create function rates_on(
    in_book text,
    reporting text,
    on_or_before date default null,
    rates_before timestamptz default null
) returns table (currency text, exponent smallint, on_day date, rate numeric) language sql stable as $$
    select distinct on (r.base) r.base, r.base_exponent, r.on_day, r.rate
    from ledger_read.exchange_rates as r
    where
        r.book = in_book
        and r.quote = reporting
        and r.on_day <= coalesce(on_or_before, date '9999-12-31')
        and r.recorded_at < coalesce(rates_before, 'infinity')
    order by r.base, r.on_day desc, r.is_reciprocal, r.recorded_at desc, r.caused_offset desc
$$;

-- Turnover, and its net (debit positive) at the rate of each day: minor units of the account's
-- currency times major-unit rates, exact, not yet in minor units of the reporting currency. Null
-- where a day has no rate; `missing_on` is the first such day.
create function turnover_at_daily_rates(
    in_book text,
    reporting text,
    from_day date default null,
    through_day date default null,
    recorded_through date default null,
    rates_before timestamptz default null,
    roots text [] default null
) returns table (
    account text, currency text, exponent smallint, debit_minor numeric, credit_minor numeric,
    at_daily_rates numeric, missing_on date
) language sql stable as $$
    with moved as (
        select
            d.account, d.currency, d.effective_day as day, max(d.exponent) as exponent,
            sum(d.debit_minor) as debit_minor, sum(d.credit_minor) as credit_minor
        from ledger_read.day_turnover as d
        where
            d.book = in_book
            and d.currency <> reporting
            and d.effective_day >= coalesce(from_day, date '0001-01-01')
            and d.effective_day <= coalesce(through_day, date '9999-12-31')
            and d.recorded_day <= coalesce(recorded_through, date '9999-12-31')
            and (roots is null or split_part(d.account, ':', 1) = any(roots))
        group by d.account, d.currency, d.effective_day
    ),
    days as (
        select distinct m.currency, m.day
        from moved as m
    ),
    rates as (
        select distinct on (r.base, r.on_day) r.base as currency, r.on_day as day, r.rate
        from ledger_read.exchange_rates as r
        where
            r.book = in_book
            and r.quote = reporting
            and r.recorded_at < coalesce(rates_before, 'infinity')
        order by r.base, r.on_day, r.is_reciprocal, r.recorded_at desc, r.caused_offset desc
    ),
    -- Days and rates in one order: a day's rate is that of the group which a rate has begun.
    marked as (
        select
            currency, day, r.rate,
            count(r.rate) over (partition by currency order by day) as rates_so_far
        from days as d
        full join rates as r using (currency, day)
    ),
    dated as (
        select
            k.currency, k.day, max(k.rate) over (partition by k.currency, k.rates_so_far) as rate
        from marked as k
    )
    select
        m.account, m.currency, max(m.exponent), sum(m.debit_minor), sum(m.credit_minor),
        case when bool_and(t.rate is not null)
            then sum((m.debit_minor - m.credit_minor) * t.rate)
        end,
        min(m.day) filter (where t.rate is null)
    from moved as m
    join dated as t on t.currency = m.currency and t.day = m.day
    group by m.account, m.currency
    union all
    select
        t.account, t.currency, t.exponent, t.debit_minor, t.credit_minor,
        t.debit_minor - t.credit_minor, null
    from ledger_read.turnover(in_book, from_day, through_day, recorded_through) as t
    where
        t.currency = reporting
        and (roots is null or split_part(t.account, ':', 1) = any(roots))
$$;

-- Turnover by span of time: `unit` is day, week, month, quarter or year.
create function turnover_by(
    in_book text,
    unit text,
    from_day date default null,
    through_day date default null,
    recorded_through date default null
) returns table (
    account text, currency text, exponent smallint, begins date,
    debit_minor numeric, credit_minor numeric
) language sql stable as $$
    select
        d.account, d.currency, max(d.exponent),
        date_trunc(unit, d.effective_day::timestamp)::date as begins,
        sum(d.debit_minor), sum(d.credit_minor)
    from ledger_read.day_turnover as d
    where
        d.book = in_book
        and d.effective_day >= coalesce(from_day, date '0001-01-01')
        and d.effective_day <= coalesce(through_day, date '9999-12-31')
        and d.recorded_day <= coalesce(recorded_through, date '9999-12-31')
    group by d.account, d.currency, date_trunc(unit, d.effective_day::timestamp)::date
$$;

-- ---------------------------------------------------------------- statements, each currency alone

create function trial_balance_as_of(
    in_book text, through_day date default null, recorded_through date default null
) returns table (
    account text, currency text, exponent smallint, debit_minor numeric, credit_minor numeric
) language sql stable as $$
    select
        t.account, t.currency, t.exponent,
        greatest(t.debit_minor - t.credit_minor, 0), greatest(t.credit_minor - t.debit_minor, 0)
    from ledger_read.turnover(in_book, null, through_day, recorded_through) as t
    where t.account not like 'memo:%'
    order by t.currency, t.account
$$;

-- Each section in its own sign; what was earned and spent stands in Retained Earnings.
create function balance_sheet_as_of(
    in_book text, through_day date default null, recorded_through date default null
) returns table (section text, account text, currency text, exponent smallint, minor numeric)
language sql stable as $$
    with standing as (
        select
            case
                when split_part(t.account, ':', 1) in ('revenue', 'expenses') then 'equity:retained'
                else t.account
            end as account,
            t.currency, max(t.exponent) as exponent, sum(t.debit_minor - t.credit_minor) as net
        from ledger_read.turnover(in_book, null, through_day, recorded_through) as t
        where t.account not like 'memo:%'
        group by 1, 2
    )
    select
        case
            when s.account = 'liabilities:connect' and s.net > 0 then 'assets'
            else split_part(s.account, ':', 1)
        end as section,
        s.account, s.currency, s.exponent,
        case
            when s.account like 'assets:%' or (s.account = 'liabilities:connect' and s.net > 0)
                then s.net
            else -s.net
        end
    from standing as s
    where s.net <> 0
    order by s.currency, section, s.account
$$;

create function income_statement_between(
    in_book text,
    from_day date default null,
    through_day date default null,
    recorded_through date default null
) returns table (section text, account text, currency text, exponent smallint, minor numeric)
language sql stable as $$
    select
        split_part(t.account, ':', 1), t.account, t.currency, t.exponent,
        case when t.account like 'revenue:%' then t.credit_minor - t.debit_minor
            else t.debit_minor - t.credit_minor
        end
    from ledger_read.turnover(in_book, from_day, through_day, recorded_through) as t
    where t.account like 'revenue:%' or t.account like 'expenses:%'
    order by t.currency, split_part(t.account, ':', 1) desc, t.account
$$;

-- By activity; an inflow is positive, and all rows of a currency sum to the change in cash.
create function cash_flow_between(
    in_book text,
    from_day date default null,
    through_day date default null,
    recorded_through date default null
) returns table (activity text, account text, currency text, exponent smallint, minor numeric)
language sql stable as $$
    select g.activity, t.account, t.currency, t.exponent, t.credit_minor - t.debit_minor
    from ledger_read.turnover(in_book, from_day, through_day, recorded_through) as t
    cross join lateral (
        select a.activity
        from ledger_read.account_groups as a
        where t.account = a.prefix or starts_with(t.account, a.prefix || ':')
        order by length(a.prefix) desc
        limit 1
    ) as g
    where g.activity <> 'cash' and t.debit_minor <> t.credit_minor
    order by t.currency, g.activity, t.account
$$;

create function solvency_as_of(
    in_book text, through_day date default null, recorded_through date default null
) returns table (
    currency text, exponent smallint, cash_minor numeric, quick_assets_minor numeric,
    current_assets_minor numeric, current_liabilities_minor numeric, assets_minor numeric,
    liabilities_minor numeric, net_equity_minor numeric,
    current_ratio numeric, quick_ratio numeric, debt_to_equity numeric
) language sql stable as $$
    with sheet as (
        select b.section, b.account, b.currency, b.exponent, b.minor, g.is_cash, g.is_quick,
            g.is_current
        from ledger_read.balance_sheet_as_of(in_book, through_day, recorded_through) as b
        cross join lateral (
            select a.is_cash, a.is_quick, a.is_current
            from ledger_read.account_groups as a
            where b.account = a.prefix or starts_with(b.account, a.prefix || ':')
            order by length(a.prefix) desc
            limit 1
        ) as g
    ),
    sums as (
        select
            s.currency, max(s.exponent) as exponent,
            coalesce(sum(s.minor) filter (where s.section = 'assets' and s.is_cash), 0) as cash,
            coalesce(sum(s.minor) filter (where s.section = 'assets' and s.is_quick), 0) as quick,
            coalesce(sum(s.minor) filter (where s.section = 'assets' and s.is_current), 0)
                as current_assets,
            coalesce(sum(s.minor) filter (where s.section = 'liabilities' and s.is_current), 0)
                as current_liabilities,
            coalesce(sum(s.minor) filter (where s.section = 'assets'), 0) as assets,
            coalesce(sum(s.minor) filter (where s.section = 'liabilities'), 0) as liabilities
        from sheet as s
        group by s.currency
    )
    select
        s.currency, s.exponent, s.cash, s.quick, s.current_assets, s.current_liabilities,
        s.assets, s.liabilities, s.assets - s.liabilities,
        case when s.current_liabilities > 0
            then round(s.current_assets / s.current_liabilities, 2)
        end,
        case when s.current_liabilities > 0 then round(s.quick / s.current_liabilities, 2) end,
        case when s.assets > s.liabilities
            then round(s.liabilities / (s.assets - s.liabilities), 2)
        end
    from sums as s
    order by s.currency
$$;

-- ---------------------------------------------------------------- in one currency

-- Standing and turnover of each account in the reporting currency, half a minor unit rounded away
-- from zero, once for each account and currency. Null where a rate is missing.
create function translated(
    in_book text,
    reporting text,
    reporting_exponent integer,
    from_day date default null,
    through_day date default null,
    recorded_through date default null
) returns table (
    account text, currency text, at_closing_rate_minor numeric, at_daily_rates_minor numeric,
    closing_rate numeric, closing_rate_of date, missing_on date
) language sql stable as $$
    select
        t.account, t.currency,
        round(
            (t.debit_minor - t.credit_minor)
            * case when t.currency = reporting then 1 else r.rate end
            * ('1e' || (reporting_exponent - t.exponent))::numeric
        ),
        round(t.at_daily_rates * ('1e' || (reporting_exponent - t.exponent))::numeric),
        r.rate, r.on_day, t.missing_on
    from ledger_read.turnover_at_daily_rates(
        in_book, reporting, from_day, through_day, recorded_through
    ) as t
    left join ledger_read.rates_on(in_book, reporting, through_day) as r on r.currency = t.currency
    where t.account not like 'memo:%'
    order by t.account, t.currency
$$;

grant select on
    day_turnover, month_turnover, exchange_rates, origins, movements, account_groups
to ledger_reader;
