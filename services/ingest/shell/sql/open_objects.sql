-- name: watch_objects!
-- Ask for these objects again; one that is waited for already keeps its turn, unless this is sooner.
insert into open_objects (account, mode, object_id, path, since, ask_at)
select $1, $2, object_id, path, $5, $6
from unnest($3::text[], $4::text[]) as n (object_id, path)
order by object_id
on conflict (account, mode, object_id)
do update set ask_at = least(open_objects.ask_at, excluded.ask_at)

-- name: unwatch_objects!
-- These objects are final.
delete from open_objects
where account = $1 and mode = $2 and object_id = any($3::text[])

-- name: due_objects
-- The objects whose turn it is, the longest waiting first. No row: none.
select object_id, path, since, asks
from open_objects
where account = $1 and mode = $2 and ask_at <= $3
order by ask_at, object_id
limit $4

-- name: asked_object!
-- The object was asked for and is still open.
update open_objects
set asks = asks + 1, ask_at = $4
where account = $1 and mode = $2 and object_id = $3

-- name: open_count
-- How many objects are watched.
select count(*) as open_objects
from open_objects
where account = $1 and mode = $2
