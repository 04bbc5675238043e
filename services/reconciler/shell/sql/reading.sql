-- name: last_sequences
-- The last sequence read of origins. No row: none was read.
select origin, sequence
from origins
where origin = any($1::text[])

-- name: move_origins!
-- The last sequence read of origins.
insert into origins as o (origin, sequence)
select origin, sequence
from unnest($1::text[], $2::bigint[]) as n (origin, sequence)
order by origin
on conflict (origin) do update
set sequence = greatest(o.sequence, excluded.sequence)

-- name: move_progress!
-- How far the ledger has booked its inputs.
insert into progress as p (topic, partition, next_offset, sequence)
select topic, partition, max(next_offset), max(sequence)
from unnest($1::text[], $2::integer[], $3::bigint[], $4::bigint[])
    as n (topic, partition, next_offset, sequence)
group by topic, partition
order by topic, partition
on conflict (topic, partition) do update
set
    next_offset = greatest(p.next_offset, excluded.next_offset),
    sequence = greatest(p.sequence, excluded.sequence)

-- name: crashes_of
-- How often the process had to end at records. No row: never.
select n.topic, n.partition, n.record_offset, c.times
from unnest($1::text[], $2::integer[], $3::bigint[]) as n (topic, partition, record_offset)
join crashes as c
    on c.topic = n.topic and c.partition = n.partition and c.record_offset = n.record_offset

-- name: count_crash
-- One more time at which the process has to end at a record.
insert into crashes as c (topic, partition, record_offset, times)
values ($1, $2, $3, 1)
on conflict (topic, partition, record_offset) do update
set times = c.times + 1
returning times

-- name: park
-- A record that could not be read; parked once.
insert into parked (topic, partition, record_offset, reason, detail, parked_at)
values ($1, $2, $3, $4, $5, $6)
on conflict do nothing
returning topic

-- name: set_caught_up_at!
-- Before these offsets nothing is judged; never taken back.
update positions as p
set caught_up_at = greatest(p.caught_up_at, n.until)
from unnest($1::text[], $2::integer[], $3::bigint[]) as n (topic, partition, until)
where p.topic = n.topic and p.partition = n.partition

-- name: is_catching_up
-- Whether some partition of these topics is before the offset from which on books are judged.
select exists(
    select 1
    from positions
    where topic = any($1::text[]) and next_offset < caught_up_at
)

-- name: behind
-- The partitions of these topics with how far they are read and how far the ledger has booked.
select p.topic, p.partition, p.next_offset, p.caught_up_at, g.next_offset as booked
from positions as p
left join progress as g on g.topic = p.topic and g.partition = p.partition
where p.topic = any($1::text[])
order by p.topic, p.partition

-- name: wake_book!
-- Judge a book again at this time, or earlier where it was to be earlier; one whose judging
-- failed too often keeps its time.
insert into due as d (book, due_at)
values ($1, $2)
on conflict (book) do update
set due_at = case when d.failures >= $3 then d.due_at else least(d.due_at, excluded.due_at) end

-- name: set_due!
-- When a book that was just judged has to be judged again.
insert into due (book, due_at)
values ($1, $2)
on conflict (book) do update
set due_at = excluded.due_at, failures = 0

-- name: clear_due!
-- A book that was just judged and that no time changes.
delete from due
where book = $1

-- name: due_books
-- A book that is due, held by this transaction; one that another holds is passed over.
select book, due_at, failures
from due
where due_at <= $1
order by due_at, book
limit 1
for update skip locked

-- name: postpone
-- A book whose judging failed, with one more failure.
insert into due as d (book, due_at, failures)
values ($1, $2, 1)
on conflict (book) do update
set due_at = excluded.due_at, failures = d.failures + 1
returning failures

-- name: failing_books
-- Books whose judging has failed too often: their facts are kept and judged later.
select book
from due
where failures >= $1
order by book

-- name: all_books
-- Every book that anything is known of.
select book
from books
order by book
