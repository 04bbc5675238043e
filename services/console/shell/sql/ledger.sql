-- name: positions
-- How far each input partition has been booked. No row: nothing yet.
select topic, partition, next_offset
from positions
order by topic, partition

-- name: trial_balance
-- Totals of each account and currency of a book. No row: nothing booked.
select account, currency, exponent, debit_minor, credit_minor, net_minor
from trial_balance
where book = $1
order by account, currency

-- name: balances
-- Balances of a book, of one account and those under it where a name is given.
select account, currency, exponent, minor
from balances
where
    book = $1
    and ($2::text = '' or account = $2::text or starts_with(account, $2::text || ':'))
order by account, currency

-- name: open_items
-- Keys of a book that do not stand at zero, after a place in their order. No row: no more.
select account, key, currency, exponent, minor, since
from open_items
where
    book = $1
    and (account, key, currency) > ($2::text, $3::text, $4::text)
order by account, key, currency
limit $5

-- name: open_key
-- What stands under one key of an account. No row: nothing.
select currency, minor
from open_items
where
    book = $1
    and account = $2
    and key = $3

-- name: entries_of_origin
-- The entries of one input partition after a sequence, in their order. No row: no more.
select
    reference, kind, effective_at, recorded_at, topic, partition, "offset", sequence, message_id,
    rules_version, description, reverses, encode(chain, 'hex') as chain
from entries_of_origin($1, $2, $3, $4, $5)

-- name: postings_of_entries
-- The postings of some entries of one input partition, in their order.
select sequence, account, key, direction, minor, currency, exponent
from postings_of_sequences($1, $2, $3, $4, $5)
order by sequence, ordinal

-- name: command_outcomes
-- What became of the commands under an idempotency key, the first first. No row: not yet booked.
select outcome, detail, reference, decided, message_id, recorded_at, topic, partition, "offset"
from outcomes
where
    topic = 'ledger.commands'
    and book = $1
    and subject = $2
order by recorded_at, partition, "offset", ordinal

-- name: entries_at
-- Entries of these references that took effect at these moments.
select reference, topic, partition, sequence, effective_at, recorded_at
from entries
where book = $1 and effective_at = any($2::timestamptz[]) and reference = any($3::text[])
order by topic, partition, sequence

-- name: entries_of_key
-- Entries that have a posting under one of these keys.
select distinct
    p.reference, p.topic, p.partition, p.sequence, e.effective_at, e.recorded_at
from postings as p
join entries as e
    on e.topic = p.topic and e.partition = p.partition and e.sequence = p.sequence
where p.book = $1 and p.key = any($2::text[])
order by p.topic, p.partition, p.sequence

-- name: moved_since
-- What moved under the keys of an account from a moment on, read from the days that it was recorded
-- in. No row: nothing.
with days as materialized (
    select coalesce(array_agg(distinct d.recorded_day), '{}') as recorded
    from day_turnover as d
    where
        d.book = $1
        and d.account = $2
        and d.effective_day >= ($3::timestamptz at time zone $4::text)::date
)
select
    p.key, p.currency,
    sum(case p.direction when 'debit' then p.minor else -p.minor end) as minor
from days as d
cross join lateral postings_of_days($1, array[$2], d.recorded, $4, null) as p
where p.effective_at >= $3
group by p.key, p.currency

-- name: open_of_account
-- What stands open under the keys of an account, the oldest first.
select key, currency, exponent, minor, since
from open_items
where book = $1 and account = $2
order by currency, since, key
limit $3
