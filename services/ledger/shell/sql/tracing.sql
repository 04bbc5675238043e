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
-- It walks back in time until it has found so many.
select o.topic, o.partition, e.origin_id, e.sequence
from entries as e
join origins as o on o.origin_id = e.origin_id
where
    e.book = $1
    and exists (
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
