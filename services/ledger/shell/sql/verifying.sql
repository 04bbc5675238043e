-- name: verify_settings!
-- Sums over the whole journal are made in memory, as far as this goes; the rest on disk.
set local work_mem = '64MB'

-- name: verify_origins
-- Every origin with its head, how far it is published, and how far its messages are booked.
select
    o.origin_id, o.topic, o.partition, o.sequence, o.chain,
    coalesce(p.sequence, 0) as published_sequence,
    coalesce(p.next_offset, 0) as published_next_offset,
    p.chain as published_chain,
    (
        select max(q.next_offset) from positions as q
        where q.topic = o.topic and q.partition = o.partition
    ) as next_offset
from origins as o
left join published as p on p.origin_id = o.origin_id
order by o.topic, o.partition

-- name: verify_entries
-- The entries of an origin after a sequence, in order, up to so many further sequences.
select
    sequence, book, reference, kind, effective_at, recorded_at, caused_offset, message_id,
    rules_version, description, reverses, digest, chain, posting_count
from entries
where origin_id = $1 and sequence > $2 and sequence <= $3
order by sequence

-- name: verify_postings
-- Their postings, and those that stand under the same sequences without an entry.
select sequence, ordinal, account, key, direction, minor, currency, exponent, recorded_at
from postings
where origin_id = $1 and sequence > $2 and sequence <= $3
order by sequence, ordinal

-- name: verify_next_sequence
-- The first entry of an origin after a sequence; null: there is none.
select min(sequence) as sequence
from entries
where origin_id = $1 and sequence > $2

-- name: verify_balances
-- What an origin has put on each account, as it is kept.
select book, account, currency, debit_minor, credit_minor
from balances
where origin_id = $1

-- name: verify_trees
-- The trees of an origin as they are kept.
select book, size, sequence, chain, peaks
from trees
where origin_id = $1

-- name: verify_tiles
-- The tiles of an origin's trees as they are kept.
select book, position, hash
from tree_tiles
where origin_id = $1

-- name: verify_positions_passed
-- Origins with entries of messages behind their position. No row: none.
select o.topic, o.partition, e.sequence, e.reference, e.caused_offset
from unnest($1::integer[], $2::bigint[]) as n (origin_id, next_offset)
join origins as o on o.origin_id = n.origin_id
cross join lateral (
    select sequence, reference, caused_offset
    from entries
    where origin_id = n.origin_id and caused_offset >= n.next_offset
    order by caused_offset, sequence
    limit 1
) as e
order by o.topic, o.partition

-- name: verify_passed_unpublished
-- The first entry of an origin after a sequence, of a message before an offset. No row: none.
select sequence, reference, caused_offset, message_id, recorded_at
from entries
where origin_id = $1 and sequence > $2 and caused_offset < $3
order by sequence
limit 1

-- name: verify_unpublished
-- The entries of an origin after a sequence, at most so many.
select sequence, reference, caused_offset, message_id, recorded_at
from entries
where origin_id = $1 and sequence > $2
order by sequence
limit $3

-- name: verify_unclaimed
-- Entries whose reference is not claimed for them: it could be booked again. No row: none.
select o.topic, o.partition, e.sequence, e.book, e.reference, c.reference is not null as is_claimed
from entries as e
join origins as o on o.origin_id = e.origin_id
left join claims as c on c.book = e.book and c.reference = e.reference
where
    c.reference is null
    or c.origin_id <> e.origin_id
    or c.caused_offset <> e.caused_offset
    or c.digest <> e.digest
order by o.topic, o.partition, e.sequence
limit $1

-- name: verify_claims_without_entry
-- Claims of messages that were booked, and have no such entry: what they name could never be
-- booked. No row: none.
select o.topic, o.partition, c.caused_offset, c.book, c.reference
from claims as c
join origins as o on o.origin_id = c.origin_id
join unnest($1::integer[], $2::bigint[]) as n (origin_id, next_offset)
    on n.origin_id = c.origin_id
where
    c.caused_offset < n.next_offset
    and not exists (
        select
        from entries as e
        where
            e.origin_id = c.origin_id
            and e.caused_offset = c.caused_offset
            and e.book = c.book
            and e.reference = c.reference
    )
order by o.topic, o.partition, c.caused_offset, c.book, c.reference
limit $3

-- name: verify_events_ahead
-- Messages that are remembered and were not read yet: they would be taken for told. No row: none.
select o.topic, o.partition, s.caused_offset, s.book, s.identity
from seen_events as s
join origins as o on o.origin_id = s.origin_id
join unnest($1::integer[], $2::bigint[]) as n (origin_id, next_offset)
    on n.origin_id = s.origin_id
where s.caused_offset >= n.next_offset
order by o.topic, o.partition, s.caused_offset, s.book, s.identity
limit $3

-- name: verify_open_items
-- Keys whose open item is not the sum of their postings. No row: none.
select
    coalesce(i.book, s.book) as book,
    coalesce(i.account, s.account) as account,
    coalesce(i.key, s.key) as key,
    coalesce(i.currency, s.currency) as currency,
    coalesce(i.minor, 0) as kept_minor,
    coalesce(s.minor, 0) as summed_minor
from open_items as i
full join (
    select
        e.book, p.account, p.key, p.currency,
        sum(case p.direction when 'debit' then p.minor else -p.minor end) as minor
    from postings as p
    join entries as e on e.origin_id = p.origin_id and e.sequence = p.sequence
    where p.key <> ''
    group by e.book, p.account, p.key, p.currency
    having sum(case p.direction when 'debit' then p.minor else -p.minor end) <> 0
) as s on s.book = i.book and s.account = i.account and s.key = i.key and s.currency = i.currency
where coalesce(i.minor, 0) <> coalesce(s.minor, 0)
order by 1, 2, 3, 4
limit $1

-- name: verify_kept_items
-- Keys of which what was kept open at a moment is not what their postings summed to until then. No
-- row: all are. The moments are told apart step by step, so that each posting is read once: between
-- two of them what is kept has changed by the postings between the heads of both.
with steps as materialized (
    select number, lag(number) over (order by number) as before
    from kept
),
kept_changes as (
    select number, book, account, key, currency, minor
    from kept_items
    union all
    select s.number, i.book, i.account, i.key, i.currency, -i.minor
    from steps as s
    join kept_items as i on i.number = s.before
),
posted_changes as (
    select
        h.number, e.book, p.account, p.key, p.currency,
        case p.direction when 'debit' then p.minor else -p.minor end as minor
    from steps as s
    join kept_heads as h on h.number = s.number
    left join kept_heads as b on b.number = s.before and b.origin_id = h.origin_id
    join postings as p
        on
            p.origin_id = h.origin_id
            and p.sequence > coalesce(b.sequence, 0)
            and p.sequence <= h.sequence
    join entries as e
        on e.origin_id = p.origin_id and e.sequence = p.sequence and e.recorded_at = p.recorded_at
    where p.key <> ''
)
select c.number, c.book, c.account, c.key, c.currency, sum(c.minor) as excess
from (
    select number, book, account, key, currency, minor
    from kept_changes
    union all
    select number, book, account, key, currency, -minor
    from posted_changes
) as c
group by c.number, c.book, c.account, c.key, c.currency
having sum(c.minor) <> 0
order by c.number, c.book, c.account, c.key, c.currency
limit $1
