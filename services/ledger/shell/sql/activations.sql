-- name: read_activations
-- All that was put in force, in the order it was decided.
select number, record, recorded_at
from activations
order by number

-- name: add_activations!
-- Keep what was put in force. One that is known already stays as it is.
insert into activations (number, record, origin_id, caused_offset, recorded_at)
select number, record, origin_id, caused_offset, recorded_at
from unnest(
    $1::integer[], $2::jsonb[], $3::integer[], $4::bigint[], $5::timestamptz[]
) as n (number, record, origin_id, caused_offset, recorded_at)
order by number
on conflict do nothing

-- name: has_history
-- Whether anything was ever booked, or published by a journal that was lost.
select exists (select from published where sequence > 0)
    or exists (select from origins where sequence > 0) as has_history

-- name: hold_positions
-- Every position, held until the end of the transaction: nobody books meanwhile.
select topic, partition
from positions
order by topic, partition
for update
