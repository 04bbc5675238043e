-- name: due_origins
-- Origins with something to publish, those after a certain one first, so that each has its turn;
-- held until the end of the transaction. Those that another publisher holds are left to it.
-- Whether there are outcomes and parked records is seen with it: mostly there are none to ask for.
-- While it is not yet published that something was put in force, that goes first and nothing
-- behind it: who lost the database then must know it before what was booked by it.
with untold as (
    select a.origin_id, min(a.caused_offset) as caused_offset
    from activations as a
    join published as p on p.origin_id = a.origin_id
    where a.caused_offset >= p.next_offset and a.record ->> 'what' <> 'genesis'
    group by a.origin_id
)
select
    p.origin_id,
    o.topic,
    o.partition,
    p.sequence as published_sequence,
    p.next_offset as published_offset,
    case when u.origin_id is null then o.sequence else before.sequence end as sequence,
    case
        when u.origin_id is null then q.next_offset
        else least(q.next_offset, u.caused_offset + 1)
    end as next_offset,
    exists (
        select
        from outcomes as s
        where
            s.origin_id = p.origin_id
            and s.caused_offset >= p.next_offset
            and s.caused_offset < q.next_offset
    ) as has_outcomes,
    exists (
        select
        from dead_letters as d
        where
            d.origin_id = p.origin_id
            and d.caused_offset >= p.next_offset
            and d.caused_offset < q.next_offset
    ) as has_dead_letters
from published as p
join origins as o on o.origin_id = p.origin_id
join positions as q on q.topic = o.topic and q.partition = o.partition
left join untold as u on u.origin_id = p.origin_id
left join lateral (
    select greatest(p.sequence, coalesce(max(e.sequence), 0)) as sequence
    from entries as e
    where e.origin_id = u.origin_id and e.caused_offset <= u.caused_offset
) as before on u.origin_id is not null
where
    (o.sequence > p.sequence or q.next_offset > p.next_offset)
    and (u.origin_id is not null or not exists (select from untold))
order by p.origin_id <= $2, p.origin_id
limit $1
for update of p skip locked

-- name: entries_between
-- Entries after one sequence and up to another, for each origin.
select
    e.origin_id, e.sequence, e.book, e.reference, e.kind, e.effective_at, e.recorded_at,
    e.caused_offset, e.message_id, e.rules_version, e.description, e.reverses, e.digest, e.chain,
    e.posting_count
from unnest($1::integer[], $2::bigint[], $3::bigint[]) as n (origin_id, after, up_to)
join entries as e
    on e.origin_id = n.origin_id and e.sequence > n.after and e.sequence <= n.up_to
order by e.origin_id, e.sequence

-- name: postings_between
-- Their postings.
select
    p.origin_id, p.sequence, p.account, p.key, p.direction, p.minor, p.currency, p.exponent
from unnest($1::integer[], $2::bigint[], $3::bigint[]) as n (origin_id, after, up_to)
join postings as p
    on p.origin_id = n.origin_id and p.sequence > n.after and p.sequence <= n.up_to
order by p.origin_id, p.sequence, p.ordinal

-- name: outcomes_between
-- Outcomes from one offset and before another, for each origin: of so many messages that there are
-- at least so many outcomes, a message's all or none.
select
    u.origin_id, u.caused_offset, u.ordinal, u.outcome, u.reason, u.book, u.subject, u.detail,
    u.reference, u.amount_minor, u.currency, u.exponent, u.message_id, u.recorded_at, u.decided
from unnest($1::integer[], $2::bigint[], $3::bigint[]) as n (origin_id, since, before)
cross join lateral (
    select
        origin_id, caused_offset, ordinal, outcome, reason, book, subject, detail, reference,
        amount_minor, currency, exponent, message_id, recorded_at, decided
    from outcomes
    where
        origin_id = n.origin_id
        and caused_offset >= n.since
        and caused_offset < n.before
    order by caused_offset
    fetch first $4 rows with ties
) as u
order by u.origin_id, u.caused_offset, u.ordinal

-- name: dead_letters_between
-- Parked records from one offset and before another, for each origin: not more than so many, and
-- none behind so many bytes of them, since each may be as large as a record can be.
select
    d.origin_id, d.caused_offset, d.reason, d.detail, d.record_key, d.record_value,
    d.record_headers, d.recorded_at
from unnest($1::integer[], $2::bigint[], $3::bigint[]) as n (origin_id, since, before)
cross join lateral (
    select
        origin_id, caused_offset, reason, detail, record_key, record_value, record_headers,
        recorded_at,
        sum(octet_length(record_value)) over (order by caused_offset)
            - octet_length(record_value) as bytes_before
    from (
        select
            origin_id, caused_offset, reason, detail, record_key, record_value, record_headers,
            recorded_at
        from dead_letters
        where
            origin_id = n.origin_id
            and caused_offset >= n.since
            and caused_offset < n.before
        order by caused_offset
        limit $4
    ) as next
) as d
where d.bytes_before < $5
order by d.origin_id, d.caused_offset

-- name: sequences_before
-- The last sequence of the messages before an offset, for each origin. No row: none was booked.
select n.origin_id, e.sequence
from unnest($1::integer[], $2::bigint[]) as n (origin_id, before)
cross join lateral (
    select sequence
    from entries
    where origin_id = n.origin_id and caused_offset < n.before
    order by caused_offset desc, sequence desc
    limit 1
) as e

-- name: move_published!
-- How far each origin has been published.
update published as p
set sequence = m.sequence, chain = coalesce(m.chain, p.chain), next_offset = m.next_offset
from unnest($1::integer[], $2::bigint[], $3::bytea[], $4::bigint[])
    as m (origin_id, sequence, chain, next_offset)
where p.origin_id = m.origin_id

-- name: read_published
-- How far each origin has been published, with the chain there and what the journal has.
select
    p.origin_id, o.topic, o.partition, p.sequence, p.chain, p.next_offset,
    o.sequence as journal_sequence
from published as p
join origins as o on o.origin_id = p.origin_id
order by p.origin_id

-- name: chains_at
-- The chain of certain entries. No row: the journal has no such entry.
select e.origin_id, e.sequence, e.chain
from unnest($1::integer[], $2::bigint[]) as n (origin_id, sequence)
join entries as e on e.origin_id = n.origin_id and e.sequence = n.sequence

-- name: read_tails
-- How much of our own output is known to be in `published`.
select topic, partition, next_offset
from published_tails

-- name: move_tails!
-- Know more of our own output.
insert into published_tails as t (topic, partition, next_offset)
select topic, partition, next_offset
from unnest($1::text[], $2::integer[], $3::bigint[]) as n (topic, partition, next_offset)
order by topic, partition
on conflict (topic, partition) do update
set next_offset = greatest(t.next_offset, excluded.next_offset)

-- name: advance_published!
-- What our own output shows to have been published, never backwards.
update published as p
set
    sequence = greatest(p.sequence, m.sequence),
    chain = case when m.sequence > p.sequence then m.chain else p.chain end,
    next_offset = greatest(p.next_offset, m.next_offset)
from unnest($1::integer[], $2::bigint[], $3::bytea[], $4::bigint[])
    as m (origin_id, sequence, chain, next_offset)
where p.origin_id = m.origin_id

-- name: seed_claims!
-- Claim references on behalf of the messages that our own published entries name.
insert into claims (book, reference, digest, origin_id, caused_offset)
select book, reference, digest, origin_id, caused_offset
from unnest($1::text[], $2::text[], $3::bytea[], $4::integer[], $5::bigint[])
    as n (book, reference, digest, origin_id, caused_offset)
order by book, reference
on conflict do nothing

-- name: hold_seeding
-- One process at a time looks into the topics' tails; held until the end of the transaction.
select pg_advisory_xact_lock(hashtextextended('ledger tails of ' || current_schema(), 0))
