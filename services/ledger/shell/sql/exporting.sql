-- name: export_reads_only!
-- Nothing is written in this transaction.
set transaction read only

-- name: export_books
-- The books that there are.
select distinct book
from balances
order by book

-- name: export_entries
-- The selected entries of an origin after one sequence and up to another, in order; none: none fit.
-- What is late has the time that it is reported at.
select
    e.sequence, e.book, e.reference, e.kind, e.effective_at, e.recorded_at, e.caused_offset,
    e.message_id, e.rules_version, e.description, e.reverses, e.digest, e.chain, l.reported_day
from entries as e
left join late_entries as l on l.origin_id = e.origin_id and l.sequence = e.sequence
where
    e.origin_id = $1
    and e.sequence > $2
    and e.sequence <= $3
    and ($4::text is null or e.book = $4)
    and ($5::timestamptz is null or coalesce(l.reported_at, e.effective_at) >= $5)
    and ($6::timestamptz is null or coalesce(l.reported_at, e.effective_at) < $6)
    and ($7::timestamptz is null or e.recorded_at >= $7)
    and ($8::timestamptz is null or e.recorded_at < $8)
order by e.sequence

-- name: export_postings
-- The postings of an origin's entries from one sequence up to another, in order.
select sequence, account, key, direction, minor::text as minor, currency, exponent
from postings
where origin_id = $1 and sequence >= $2 and sequence <= $3
order by sequence, ordinal

-- name: export_links
-- The links of an origin's entries by their sequences; no row means there is no such entry.
select sequence, chain
from entries
where origin_id = $1 and sequence = any($2::bigint[])

-- name: export_sequence_at
-- The last entry of an origin that a message up to an offset caused; null: none.
select max(sequence)
from entries
where origin_id = $1 and caused_offset <= $2

-- name: export_opening
-- What stood on each account of a book before: before a time on either axis, or in the entries of
-- the origins up to their sequences. It reads the journal up to there.
select
    p.account,
    p.currency,
    max(p.exponent) as exponent,
    sum(case p.direction when 'debit' then p.minor else -p.minor end) as minor
from entries as e
join postings as p on p.origin_id = e.origin_id and p.sequence = e.sequence
left join late_entries as l on l.origin_id = e.origin_id and l.sequence = e.sequence
left join unnest($4::integer[], $5::bigint[]) as s (origin_id, sequence)
    on s.origin_id = e.origin_id
where
    e.book = $1
    and (coalesce(l.reported_at, e.effective_at) < $2 or e.recorded_at < $3 or e.sequence <= s.sequence)
group by p.account, p.currency
having sum(case p.direction when 'debit' then p.minor else -p.minor end) <> 0
order by p.account, p.currency

-- name: export_first_effective
-- When the first of the entries happened that an opening leaves to be told; null: there is none.
select min(coalesce(l.reported_at, e.effective_at))
from entries as e
left join late_entries as l on l.origin_id = e.origin_id and l.sequence = e.sequence
left join unnest($3::integer[], $4::bigint[]) as s (origin_id, sequence)
    on s.origin_id = e.origin_id
where
    e.book = $1
    and ($2::timestamptz is null or e.recorded_at >= $2)
    and (s.sequence is null or e.sequence > s.sequence)
