-- name: known_look_ups
-- Which of these look-ups have been asked for. No row: none has.
select id
from look_ups
where id = any($1::text[])

-- name: look_ups_since
-- How many look-ups of a book were asked for after a time.
select count(*)
from look_ups
where book = $1 and asked_at > $2

-- name: put_look_ups
-- Look-ups that are asked for; one that has been is not asked for twice. The books of new ones.
insert into look_ups (book, id, subject, deadline, look_up, place, asked_at)
select book, id, subject, deadline, look_up, place, asked_at
from unnest(
    $1::text[], $2::text[], $3::text[], $4::timestamptz[], $5::text[], $6::text[],
    $7::timestamptz[]
) as n (book, id, subject, deadline, look_up, place, asked_at)
order by id
on conflict do nothing
returning book

-- name: all_look_ups
-- Every look-up that was asked for. No row: none was.
select id
from look_ups
