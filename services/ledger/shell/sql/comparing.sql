-- name: content_digest
-- What the journal says behind certain sequences of its origins, whatever the order: the entries'
-- digests summed in four parts.
select
    coalesce(sum(e.entries), 0)::bigint as entries,
    coalesce(sum(e.first_part), 0) as first_part,
    coalesce(sum(e.second_part), 0) as second_part,
    coalesce(sum(e.third_part), 0) as third_part,
    coalesce(sum(e.fourth_part), 0) as fourth_part
from origins as o
left join unnest($1::text[], $2::integer[], $3::bigint[]) as n (topic, partition, sequence)
    on n.topic = o.topic and n.partition = o.partition
cross join lateral (
    select
        count(*) as entries,
        sum(('x' || encode(substring(digest from 1 for 8), 'hex'))::bit(64)::bigint) as first_part,
        sum(('x' || encode(substring(digest from 9 for 8), 'hex'))::bit(64)::bigint) as second_part,
        sum(('x' || encode(substring(digest from 17 for 8), 'hex'))::bit(64)::bigint) as third_part,
        sum(('x' || encode(substring(digest from 25 for 8), 'hex'))::bit(64)::bigint) as fourth_part
    from entries
    where origin_id = o.origin_id and sequence > coalesce(n.sequence, 0)
) as e

-- name: outcomes_digest
-- What was said of messages from certain offsets on that were not simply booked, whatever the
-- order. By how much a conflict differs is left out: who is read before the fact that it
-- contradicts cannot say.
select
    coalesce(sum(u.outcomes), 0)::bigint as outcomes, coalesce(sum(u.digest), 0) as digest,
    coalesce(sum(d.parked), 0)::bigint as parked
from origins as o
left join unnest($1::text[], $2::integer[], $3::bigint[]) as n (topic, partition, next_offset)
    on n.topic = o.topic and n.partition = o.partition
cross join lateral (
    select
        count(*) as outcomes,
        sum(hashtextextended(concat_ws(
            chr(31), outcome, reason, book, subject, coalesce(reference, ''),
            coalesce(decided::text, '')
        ), 0)::numeric) as digest
    from outcomes
    where origin_id = o.origin_id and caused_offset >= coalesce(n.next_offset, 0)
) as u
cross join lateral (
    -- A release that kept no letter of what it had read made journals that stand in use.
    select count(*) as parked
    from dead_letters
    where
        origin_id = o.origin_id
        and caused_offset >= coalesce(n.next_offset, 0)
        and reason <> 'invalid_amount'
) as d

-- name: all_balances
-- Every balance over all origins, debit positive.
select book, account, currency, sum(debit_minor) as debit_minor, sum(credit_minor) as credit_minor
from balances
group by book, account, currency

-- name: open_items_digest
-- What is open, whatever the order.
select
    count(*) as items,
    coalesce(
        sum(
            hashtextextended(
                concat_ws(chr(31), book, account, key, currency, minor::text), 0
            )::numeric
        ),
        0
    ) as digest
from open_items

-- name: chains_by_name
-- The chain of certain entries, by the names of their origins.
select o.topic, o.partition, e.sequence, e.chain
from unnest($1::text[], $2::integer[], $3::bigint[]) as n (topic, partition, sequence)
join origins as o on o.topic = n.topic and o.partition = n.partition
join entries as e on e.origin_id = o.origin_id and e.sequence = n.sequence

-- name: references_apart
-- Facts that the journal in use, up to certain sequences, and the one of the search path tell
-- differently.
with used as (
    select e.book, e.reference, e.digest
    from unnest($1::text[], $2::integer[], $3::bigint[]) as n (topic, partition, up_to)
    join ledger.origins as o on o.topic = n.topic and o.partition = n.partition
    join ledger.entries as e on e.origin_id = o.origin_id and e.sequence <= n.up_to
)
select
    coalesce(u.book, r.book) as book,
    coalesce(u.reference, r.reference) as reference,
    u.digest is not null as is_in_use,
    r.digest is not null as is_rebuilt
from used as u
full join entries as r on r.book = u.book and r.reference = u.reference
where u.digest is distinct from r.digest
order by 1, 2
limit $4

-- name: buckets_off
-- Accounts whose days or months do not sum to their balance, by their own span. No row: all do.
select
    coalesce(b.book, s.book) as book,
    coalesce(b.account, s.account) as account,
    coalesce(b.currency, s.currency) as currency,
    s.span,
    coalesce(b.debit_minor, 0) as debit_minor,
    coalesce(b.credit_minor, 0) as credit_minor,
    coalesce(s.debit_minor, 0) as summed_debit_minor,
    coalesce(s.credit_minor, 0) as summed_credit_minor
from (
    select book, account, currency, sum(debit_minor) as debit_minor,
        sum(credit_minor) as credit_minor
    from balances
    group by book, account, currency
) as b
cross join (values ('days'), ('months')) as v (span)
full join (
    select 'days' as span, book, account, currency, sum(debit_minor) as debit_minor,
        sum(credit_minor) as credit_minor
    from day_buckets
    group by book, account, currency
    union all
    select 'months', book, account, currency, sum(debit_minor), sum(credit_minor)
    from month_buckets
    group by book, account, currency
) as s
    on s.book = b.book and s.account = b.account and s.currency = b.currency and s.span = v.span
where
    (coalesce(b.debit_minor, 0), coalesce(b.credit_minor, 0))
    <> (coalesce(s.debit_minor, 0), coalesce(s.credit_minor, 0))
order by 1, 2, 3, 4
limit $1

-- name: months_off
-- Months that are not the sum of their days. No row: all are.
select
    coalesce(d.book, m.book) as book,
    coalesce(d.account, m.account) as account,
    coalesce(d.currency, m.currency) as currency,
    coalesce(d.effective_month, m.effective_month) as effective_month,
    coalesce(d.recorded_month, m.recorded_month) as recorded_month
from (
    select book, account, currency, origin_id,
        date_trunc('month', effective_day::timestamp)::date as effective_month,
        date_trunc('month', recorded_day::timestamp)::date as recorded_month,
        sum(debit_minor) as debit_minor, sum(credit_minor) as credit_minor
    from day_buckets
    group by 1, 2, 3, 4, 5, 6
) as d
full join month_buckets as m
    on
        m.book = d.book and m.account = d.account and m.currency = d.currency
        and m.origin_id = d.origin_id and m.effective_month = d.effective_month
        and m.recorded_month = d.recorded_month
where
    (coalesce(d.debit_minor, 0), coalesce(d.credit_minor, 0))
    <> (coalesce(m.debit_minor, 0), coalesce(m.credit_minor, 0))
order by 1, 2, 3, 4, 5
limit $1

-- name: folds_off
-- Folded days and months that are not the sum of the days they fold. No row: all are.
with through as (
    select recorded_through
    from folded
),
days as (
    select book, account, currency, effective_day, recorded_day,
        sum(debit_minor) as debit_minor, sum(credit_minor) as credit_minor
    from day_buckets
    where recorded_day <= (select recorded_through from through)
    group by 1, 2, 3, 4, 5
),
spans as (
    select 'day' as span, book, account, currency, effective_day as effective,
        recorded_day as recorded, debit_minor, credit_minor
    from days
    union all
    select 'month', book, account, currency, date_trunc('month', effective_day::timestamp)::date,
        date_trunc('month', recorded_day::timestamp)::date, sum(debit_minor), sum(credit_minor)
    from days
    group by 1, 2, 3, 4, 5, 6
),
kept as (
    select 'day' as span, book, account, currency, effective_day as effective,
        recorded_day as recorded, debit_minor, credit_minor
    from folded_days
    union all
    select 'month', book, account, currency, effective_month, recorded_month, debit_minor,
        credit_minor
    from folded_months
)
select
    coalesce(s.span, k.span) as span,
    coalesce(s.book, k.book) as book,
    coalesce(s.account, k.account) as account,
    coalesce(s.currency, k.currency) as currency,
    coalesce(s.effective, k.effective) as effective,
    coalesce(s.recorded, k.recorded) as recorded
from spans as s
full join kept as k
    on
        k.span = s.span and k.book = s.book and k.account = s.account
        and k.currency = s.currency and k.effective = s.effective and k.recorded = s.recorded
where
    (coalesce(s.debit_minor, 0), coalesce(s.credit_minor, 0))
    <> (coalesce(k.debit_minor, 0), coalesce(k.credit_minor, 0))
order by 1, 2, 3, 4, 5, 6
limit $1

-- name: sums_digest
-- What stands in the days, the months and the rates, and what was decided, whatever the order. A
-- row of which all was moved elsewhere says nothing.
select 'days' as sums, count(*) as rows, coalesce(sum(hashtextextended(concat_ws(
    chr(31), book, account, currency, effective_day, debit_minor, credit_minor
), 0)::numeric), 0) as digest
from (
    select book, account, currency, effective_day, sum(debit_minor) as debit_minor,
        sum(credit_minor) as credit_minor
    from day_buckets
    group by book, account, currency, effective_day
    having sum(debit_minor) <> 0 or sum(credit_minor) <> 0
) as d
union all
select 'months', count(*), coalesce(sum(hashtextextended(concat_ws(
    chr(31), book, account, currency, effective_month, debit_minor, credit_minor
), 0)::numeric), 0)
from (
    select book, account, currency, effective_month, sum(debit_minor) as debit_minor,
        sum(credit_minor) as credit_minor
    from month_buckets
    group by book, account, currency, effective_month
    having sum(debit_minor) <> 0 or sum(credit_minor) <> 0
) as m
union all
select 'folded days', count(*), coalesce(sum(hashtextextended(concat_ws(
    chr(31), book, account, currency, effective_day, recorded_day, debit_minor, credit_minor
), 0)::numeric), 0)
from folded_days
where debit_minor <> 0 or credit_minor <> 0
union all
select 'folded months', count(*), coalesce(sum(hashtextextended(concat_ws(
    chr(31), book, account, currency, effective_month, recorded_month, debit_minor, credit_minor
), 0)::numeric), 0)
from folded_months
where debit_minor <> 0 or credit_minor <> 0
union all
select 'exchange rates', count(*), coalesce(sum(hashtextextended(concat_ws(
    chr(31), book, base, quote, on_day, trim_scale(rate), extract(epoch from recorded_at)
), 0)::numeric), 0)
from exchange_rates
union all
select 'closings', count(*), coalesce(sum(hashtextextended(concat_ws(
    chr(31), book, number, extract(epoch from since), coalesce(closed_through::text, ''),
    coalesce(locked_through::text, '')
), 0)::numeric), 0)
from periods
union all
select 'late entries', count(*), coalesce(sum(hashtextextended(concat_ws(
    chr(31), e.book, e.reference, l.reported_day, extract(epoch from l.reported_at)
), 0)::numeric), 0)
from late_entries as l
join entries as e on e.origin_id = l.origin_id and e.sequence = l.sequence
union all
select 'accounts', count(*), coalesce(sum(hashtextextended(concat_ws(
    chr(31), book, account, number, display, is_open, is_of_chart, key, normal, has_floor
), 0)::numeric), 0)
from account_changes
union all
select 'holds', count(*), coalesce(sum(hashtextextended(concat_ws(
    chr(31), book, hold, account, key, currency, minor, coalesce(expires_at::text, ''),
    coalesce(ended, 'open')
), 0)::numeric), 0)
from holds
union all
select 'answers to commands', count(*), coalesce(sum(hashtextextended(concat_ws(
    chr(31), o.partition, u.caused_offset, u.outcome, u.reason, u.book, u.subject, u.detail,
    coalesce(u.reference, ''), coalesce(u.decided::text, '')
), 0)::numeric), 0)
from outcomes as u
join origins as o on o.origin_id = u.origin_id
where o.topic = 'ledger.commands' and u.ordinal = 1

-- name: tables_to_digest
-- The tables of the search path but for some, each with the query that digests its rows, whatever
-- their order.
select
    c.relname as name,
    format(
        'select count(*) as rows, '
        'coalesce(sum(hashtextextended(t::text, 0)::numeric), 0) as digest from %I as t',
        c.relname
    ) as query
from pg_catalog.pg_class as c
join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
where
    n.nspname = current_schema()
    and c.relkind in ('r', 'p')
    and not c.relispartition
    and c.relname <> all($1::text[])
order by c.relname
