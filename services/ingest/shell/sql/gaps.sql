-- name: missing_items
-- What a list has and the log lacks. No row: nothing.
select item_id, created, since, reason, kind
from missing_items
where account = $1 and mode = $2 and resource = $3

-- name: missing_of
-- Which of these items were known to lack. No row: none of them.
select item_id, created, since, reason, kind
from missing_items
where account = $1 and mode = $2 and resource = $3 and item_id = any($4::text[])

-- name: put_missing!
-- Remember what lacks; since when is kept from the first time.
insert into missing_items (account, mode, resource, item_id, created, since, reason, kind)
select $1, $2, $3, item_id, created, since, reason, kind
from unnest($4::text[], $5::bigint[], $6::timestamptz[], $7::text[], $8::text[])
    as n (item_id, created, since, reason, kind)
order by item_id
on conflict (account, mode, resource, item_id)
do update set reason = excluded.reason

-- name: drop_missing!
-- Forget what no longer lacks.
delete from missing_items
where account = $1 and mode = $2 and resource = $3 and item_id = any($4::text[])

-- name: read_walk
-- A walk that has not come to its end. No row: none was begun, or all have ended.
select
    since_created,
    until_created,
    after_id,
    found,
    already_had,
    fetched,
    still_lacking
from audit_walks
where account = $1 and mode = $2 and resource = $3

-- name: put_walk!
-- Remember how far a walk has come.
insert into audit_walks (
    account,
    mode,
    resource,
    since_created,
    until_created,
    after_id,
    found,
    already_had,
    fetched,
    still_lacking,
    begun_at
)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, now())
on conflict (account, mode, resource)
do update set
since_created = excluded.since_created,
until_created = excluded.until_created,
after_id = excluded.after_id,
found = excluded.found,
already_had = excluded.already_had,
fetched = excluded.fetched,
still_lacking = excluded.still_lacking

-- name: end_walk!
-- A walk has come to its end.
delete from audit_walks
where account = $1 and mode = $2 and resource = $3

-- name: count_events_between
-- How many events of a window of Stripe's time are on the log.
select count(distinct event_id) as events
from stored_events
where
    account = $1
    and livemode = $2
    and form = 'snapshot'
    and created >= to_timestamp($3)
    and created < to_timestamp($4)
    and (cardinality($5::text[]) = 0 or event_type = any($5::text[]))

-- name: store_transactions!
-- Index balance transactions by id; told again, the first place stands.
insert into stored_transactions (account, livemode, transaction_id, created, partition, "offset")
select
    account,
    livemode,
    transaction_id,
    created,
    partition,
    "offset"
from unnest(
    $1::text[], $2::boolean[], $3::text[], $4::bigint[], $5::integer[], $6::bigint[]
) as n (account, livemode, transaction_id, created, partition, "offset")
order by account, livemode, transaction_id
on conflict (account, livemode, transaction_id) do nothing

-- name: transactions_of
-- Which of these balance transactions are on the topic. No row: none of them.
select transaction_id
from stored_transactions
where account = $1 and livemode = $2 and transaction_id = any($3::text[])

-- name: count_transactions_between
-- How many balance transactions of a window of Stripe's time are on the log.
select count(*) as transactions
from stored_transactions
where account = $1 and livemode = $2 and created >= $3 and created < $4

-- name: webhook_times
-- When the first and the last webhook of an account came. Nulls: none ever did.
select
    min(received_at) as first_at,
    max(received_at) as last_at
from stored_events
where account = $1 and livemode = $2 and via = 'webhook'

-- name: last_event_at
-- When the last event of an account came, by whichever way. Null: none ever did.
select max(appended_at) as last_at
from stored_events
where account = $1

-- name: webhook_hours
-- The hours in which webhooks of an account came, from a time on.
select distinct date_trunc('hour', received_at, 'UTC') as hour
from stored_events
where account = $1 and livemode = $2 and via = 'webhook' and received_at >= $3

-- name: untell!
-- Forget that these were told: the topic says otherwise.
delete from told_objects
where account = $1 and mode = $2 and object_id = any($3::text[])
