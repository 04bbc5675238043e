-- name: reconciler_positions
-- How far the reconciler has read. No row: nothing yet.
select topic, partition, next_offset
from positions
order by topic, partition

-- name: discrepancies
-- Discrepancies of a book after a place in their order, in one state or, with none named, in all.
select
    id, revision, kind, state, subject, amount_minor, currency, exponent, expected, found,
    explanation, next_step, opened_at, changed_at, resolved_at
from discrepancies
where
    book = $1
    and ($2::text = '' or state = $2::text)
    and id > $3
order by id
limit $4
