-- name: begin_origins!
-- Make a row for each input partition that has none.
insert into origins (topic, partition)
select topic, partition
from unnest($1::text[], $2::integer[]) as n (topic, partition)
order by topic, partition
on conflict do nothing

-- name: begin_published!
-- Make a row for each origin that has none.
insert into published (origin_id)
select origin_id
from origins
order by origin_id
on conflict do nothing

-- name: read_origins
-- Every origin with the head of its chain.
select origin_id, topic, partition, sequence, chain
from origins
order by origin_id

-- name: read_heads
-- The same with the number of the last activation, 0 before any: what a batch is begun by.
select o.origin_id, o.topic, o.partition, o.sequence, o.chain, a.number as last_activation
from origins as o
cross join (select coalesce(max(number), 0) as number from activations) as a
order by o.origin_id

-- name: open_months!
-- Make the parts of the journal for certain months, where there are none yet.
select open_journal_months(current_schema(), $1::date[])

-- name: fold_days!
-- Fold what was recorded up to a day, over all origins.
select fold_days(current_schema(), $1::date)

-- name: move_origins!
-- The new heads. The position rows, which are locked, keep others away.
update origins as o
set sequence = m.sequence, chain = m.chain
from unnest($1::integer[], $2::bigint[], $3::bytea[]) as m (origin_id, sequence, chain)
where o.origin_id = m.origin_id

-- name: remember_events
-- Remember messages by id. A row for each id that was there before: nearly all are new, and what is
-- not returned need not be read.
with told as materialized (
    select book, identity, digest, origin_id, caused_offset
    from unnest($1::text[], $2::text[], $3::bytea[], $4::integer[], $5::bigint[])
        as n (book, identity, digest, origin_id, caused_offset)
),
fresh as (
    insert into seen_events (book, identity, digest, origin_id, caused_offset)
    select book, identity, digest, origin_id, caused_offset
    from told
    order by book, identity
    on conflict do nothing
    returning book, identity
)
select book, identity
from told
except all
select book, identity
from fresh

-- name: read_events
-- What remembered messages said.
select s.book, s.identity, s.digest, s.origin_id, s.caused_offset
from unnest($1::text[], $2::text[]) as n (book, identity)
join seen_events as s on s.book = n.book and s.identity = n.identity

-- name: claim_references
-- Claim references, in sorted order so that two projectors never wait for each other in a ring.
-- A row for each that was claimed before: nearly all are new.
with told as materialized (
    select book, reference, digest, origin_id, caused_offset
    from unnest($1::text[], $2::text[], $3::bytea[], $4::integer[], $5::bigint[])
        as n (book, reference, digest, origin_id, caused_offset)
),
won as (
    insert into claims (book, reference, digest, origin_id, caused_offset)
    select book, reference, digest, origin_id, caused_offset
    from told
    order by book, reference
    on conflict do nothing
    returning book, reference
)
select book, reference
from told
except all
select book, reference
from won

-- name: read_claims
-- Who claimed references. A later statement than the claim, so that it sees who won meanwhile.
select c.book, c.reference, c.digest, c.origin_id, c.caused_offset
from unnest($1::text[], $2::text[]) as n (book, reference)
join claims as c on c.book = n.book and c.reference = n.reference

-- name: read_claimed_entries
-- The entries of references with their postings, a row for each posting. No row: claimed, not booked.
select
    e.book, e.reference, e.kind, e.effective_at, e.rules_version, e.description, e.reverses,
    p.account, p.key, p.direction, p.minor, p.currency, p.exponent
from unnest($1::text[], $2::text[]) as n (book, reference)
join claims as c on c.book = n.book and c.reference = n.reference
join entries as e
    on e.origin_id = c.origin_id
    and e.caused_offset = c.caused_offset
    and e.book = c.book
    and e.reference = c.reference
join postings as p on p.origin_id = e.origin_id and p.sequence = e.sequence
order by e.book, e.reference, p.ordinal

-- name: add_sums!
-- Add to what each origin has put on each account, by effective and recorded day and in all.
with days as materialized (
    select
        book, account, currency, effective_day, recorded_day, origin_id,
        exponent, debit_minor, credit_minor
    from unnest(
        $1::text[], $2::text[], $3::text[], $4::date[], $5::date[], $6::integer[],
        $7::smallint[], $8::numeric[], $9::numeric[]
    ) as n (
        book, account, currency, effective_day, recorded_day, origin_id,
        exponent, debit_minor, credit_minor
    )
),
in_all as (
    insert into balances as b
        (book, account, currency, origin_id, exponent, debit_minor, credit_minor)
    select
        book, account, currency, origin_id, max(exponent), sum(debit_minor), sum(credit_minor)
    from days
    group by book, account, currency, origin_id
    order by book, account, currency, origin_id
    on conflict (book, account, currency, origin_id) do update
    set
        debit_minor = b.debit_minor + excluded.debit_minor,
        credit_minor = b.credit_minor + excluded.credit_minor
)
insert into day_buckets as b (
    book, account, currency, effective_day, recorded_day, origin_id,
    exponent, debit_minor, credit_minor
)
select
    book, account, currency, effective_day, recorded_day, origin_id,
    exponent, debit_minor, credit_minor
from days
order by book, account, currency, effective_day, recorded_day, origin_id
on conflict (book, account, currency, effective_day, recorded_day, origin_id) do update
set
    debit_minor = b.debit_minor + excluded.debit_minor,
    credit_minor = b.credit_minor + excluded.credit_minor

-- name: add_open_items
-- Add to keys that wait, and give those that stand at zero now.
with added as (
    insert into open_items as i
        (book, account, key, currency, exponent, minor, since, since_recorded)
    select book, account, key, currency, exponent, minor, since, since_recorded
    from unnest(
        $1::text[], $2::text[], $3::text[], $4::text[], $5::smallint[], $6::numeric[],
        $7::timestamptz[], $8::timestamptz[]
    ) as n (book, account, key, currency, exponent, minor, since, since_recorded)
    order by book, account, key, currency
    on conflict (book, account, key, currency) do update
    set
        minor = i.minor + excluded.minor,
        since = least(i.since, excluded.since),
        since_recorded = least(i.since_recorded, excluded.since_recorded)
    returning book, account, key, currency, minor
)
select book, account, key, currency
from added
where minor = 0

-- name: drop_open_items!
-- Keys that have returned to zero.
delete from open_items as i
using unnest($1::text[], $2::text[], $3::text[], $4::text[]) as n (book, account, key, currency)
where
    i.book = n.book
    and i.account = n.account
    and i.key = n.key
    and i.currency = n.currency
    and i.minor = 0

-- name: add_exchange_rates!
-- Keep rates that commands record. One message records one, once.
insert into exchange_rates (
    book, base, quote, on_day, rate, base_exponent, quote_exponent,
    recorded_at, origin_id, caused_offset
)
select
    book, base, quote, on_day, rate::numeric, base_exponent, quote_exponent,
    recorded_at, origin_id, caused_offset
from unnest(
    $1::text[], $2::text[], $3::text[], $4::date[], $5::text[], $6::smallint[], $7::smallint[],
    $8::timestamptz[], $9::integer[], $10::bigint[]
) as n (
    book, base, quote, on_day, rate, base_exponent, quote_exponent,
    recorded_at, origin_id, caused_offset
)
order by origin_id, caused_offset
