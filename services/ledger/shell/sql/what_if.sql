-- name: exponents
-- How many decimals each currency has.
select currency, max(exponent) as exponent
from balances
group by currency

-- name: contradicting
-- Messages that contradict what stood, but for commands, whose decisions are followed anyway.
select o.topic, o.partition, c.caused_offset
from outcomes as c
join origins as o on o.origin_id = c.origin_id
where c.outcome = 'conflict' and o.topic <> 'ledger.commands'
group by o.topic, o.partition, c.caused_offset

-- name: entries_apart
-- Where the facts stand that the journal in use, up to certain sequences, and the one of the search
-- path tell differently.
with used as (
    select e.book, e.reference, e.digest, e.origin_id, e.sequence
    from unnest($1::text[], $2::integer[], $3::bigint[]) as n (topic, partition, up_to)
    join ledger.origins as o on o.topic = n.topic and o.partition = n.partition
    join ledger.entries as e on e.origin_id = o.origin_id and e.sequence <= n.up_to
)
select
    u.origin_id as here_origin_id, u.sequence as here_sequence,
    r.origin_id as there_origin_id, r.sequence as there_sequence
from used as u
full join entries as r on r.book = u.book and r.reference = u.reference
where u.digest is distinct from r.digest
order by coalesce(u.book, r.book), coalesce(u.reference, r.reference)

-- name: entries_at
-- Entries at certain places, with where the message stands that each is from.
select
    e.origin_id, e.sequence, e.book, e.reference, e.kind, e.effective_at, e.rules_version,
    e.description, e.reverses, o.topic, o.partition, e.caused_offset
from unnest($1::integer[], $2::bigint[]) as n (origin_id, sequence)
join entries as e on e.origin_id = n.origin_id and e.sequence = n.sequence
join origins as o on o.origin_id = e.origin_id

-- name: postings_at
-- Their postings, in order.
select
    p.origin_id, p.sequence, p.account, p.key, p.direction, p.minor, p.currency, p.exponent
from unnest($1::integer[], $2::bigint[]) as n (origin_id, sequence)
join postings as p on p.origin_id = n.origin_id and p.sequence = n.sequence
order by p.origin_id, p.sequence, p.ordinal

-- name: reversed_before
-- Which of some references an entry reverses already.
select distinct reverses
from entries
where book = $1 and reverses = any($2::text[])

-- name: told_there
-- Of some facts those that the journal of the search path tells, with where the message stands that
-- does, and what the journal in use says of them: nothing, the same, or something else.
select
    r.reference, o.topic, o.partition, r.caused_offset,
    u.reference is null as is_lacking, u.digest is not distinct from r.digest as is_same
from claims as r
join origins as o on o.origin_id = r.origin_id
left join ledger.claims as u on u.book = r.book and u.reference = r.reference
where r.book = $1 and r.reference = any($2::text[])

-- name: booked_before
-- Of some facts those that are booked.
select reference
from claims
where book = $1 and reference = any($2::text[])

-- name: corrections_before
-- What commands of earlier corrections booked in a book, and nothing reverses.
select c.reference
from claims as c
where
    c.book = $1
    and c.reference like 'command:%:correct:%'
    and not exists (select 1 from entries as e where e.book = c.book and e.reverses = c.reference)
