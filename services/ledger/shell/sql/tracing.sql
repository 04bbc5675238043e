-- name: trace_by_reference
-- The entries of a reference, one in each book; no row means that it was not booked.
select o.topic, o.partition, e.origin_id, e.sequence
from claims as c
join entries as e
    on e.origin_id = c.origin_id
    and e.caused_offset = c.caused_offset
    and e.book = c.book
    and e.reference = c.reference
join origins as o on o.origin_id = e.origin_id
where c.reference = $1 and c.book = any($2::text[])
order by e.book

-- name: trace_by_position
-- The entries that a message caused; no row means that it caused none.
select o.topic, o.partition, e.origin_id, e.sequence
from origins as o
join entries as e on e.origin_id = o.origin_id and e.caused_offset = $3
where o.topic = $1 and o.partition = $2
order by e.sequence

-- name: trace_by_sequence
-- The entry of an origin with a sequence; no row means there is none.
select o.topic, o.partition, e.origin_id, e.sequence
from origins as o
join entries as e on e.origin_id = o.origin_id and e.sequence = $3
where o.topic = $1 and o.partition = $2

-- name: trace_by_account
-- The entries that touched an account, the newest effect first; of a currency where it is named.
-- Looks at the last two thousand entries of the book, and no further.
select o.topic, o.partition, e.origin_id, e.sequence
from (
    select origin_id, sequence, recorded_at, effective_at
    from entries
    where book = $1
    order by effective_at desc, origin_id desc, sequence desc
    limit 2000
) as e
join origins as o on o.origin_id = e.origin_id
where
    exists (
        select
        from postings as p
        where
            p.origin_id = e.origin_id
            and p.sequence = e.sequence
            and p.recorded_at = e.recorded_at
            and p.account = $2
            and ($3::text is null or p.currency = $3)
    )
order by e.effective_at desc, e.origin_id desc, e.sequence desc
limit $4

-- name: trace_by_seldom_account
-- The same of an account that moves seldom: from the last days in which it did, however long ago. A
-- book's day lies within a day of that of UTC. One reported on a later day than its own is of that day.
with days as materialized (
    select distinct d.effective_day
    from (
        select effective_day from folded_days
        where
            book = $1 and account = $2 and ($3::text is null or currency = $3)
            and (debit_minor <> 0 or credit_minor <> 0)
        union all
        select effective_day from day_buckets
        where
            book = $1 and account = $2 and ($3::text is null or currency = $3)
            and recorded_day > (select f.recorded_through from folded as f)
            and (debit_minor <> 0 or credit_minor <> 0)
    ) as d
    order by d.effective_day desc
    limit $4
),
recorded as materialized (
    select distinct b.recorded_day
    from days as d
    join day_buckets as b
        on b.book = $1 and b.account = $2 and b.effective_day = d.effective_day
),
touched as materialized (
    select distinct p.origin_id, p.sequence, p.recorded_at
    from recorded as r
    cross join lateral (
        select p.origin_id, p.sequence, p.recorded_at
        from postings as p
        where
            p.account = $2
            and ($3::text is null or p.currency = $3)
            and p.recorded_at >= r.recorded_day::timestamptz - interval '1 day'
            and p.recorded_at < r.recorded_day::timestamptz + interval '2 days'
        offset 0
    ) as p
)
select o.topic, o.partition, e.origin_id, e.sequence
from touched as p
join entries as e
    on e.origin_id = p.origin_id and e.sequence = p.sequence and e.recorded_at = p.recorded_at
join origins as o on o.origin_id = e.origin_id
where e.book = $1
order by e.effective_at desc, e.origin_id desc, e.sequence desc
limit $4

-- name: trace_by_key
-- The entries that touched a key of an account, the newest effect first; of a currency where it is
-- named. The postings are found by their key, so it costs the same however old they are.
with touched as materialized (
    select distinct p.origin_id, p.sequence, p.recorded_at
    from postings as p
    where p.key = $3 and p.account = $2 and ($4::text is null or p.currency = $4)
)
select o.topic, o.partition, e.origin_id, e.sequence
from touched as p
join entries as e
    on e.origin_id = p.origin_id and e.sequence = p.sequence and e.recorded_at = p.recorded_at
join origins as o on o.origin_id = e.origin_id
where e.book = $1
order by e.effective_at desc, e.origin_id desc, e.sequence desc
limit $5

-- name: trace_balances
-- What stands on an account, by currency.
select currency, max(exponent) as exponent, sum(debit_minor - credit_minor) as minor
from balances
where book = $1 and account = $2 and ($3::text is null or currency = $3)
group by currency
order by currency

-- name: trace_key_balances
-- What stands open on a key of an account, by currency; no row means that it stands at zero.
select currency, exponent, minor
from open_items
where book = $1 and account = $2 and key = $3 and ($4::text is null or currency = $4)
order by currency

-- name: trace_outcomes
-- What was said of a message that was not simply booked.
select u.outcome, u.reason, u.subject, u.detail, u.reference, u.book
from origins as o
join outcomes as u on u.origin_id = o.origin_id and u.caused_offset = $3
where o.topic = $1 and o.partition = $2
order by u.ordinal

-- name: trace_next_offset
-- How far a partition has been booked; no row means that it has not been begun.
select next_offset
from positions
where topic = $1 and partition = $2
order by next_offset desc
limit 1
