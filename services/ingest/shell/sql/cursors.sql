-- name: read_created_to
-- How far a list has been read. No row: never.
select created_to
from cursors
where account = $1 and mode = $2 and resource = $3

-- name: move_created_to!
-- Remember how far a list has been read. An awaited event may move it back.
insert into cursors (account, mode, resource, created_to)
values ($1, $2, $3, $4)
on conflict (account, mode, resource)
do update set created_to = excluded.created_to, moved_at = now()
where cursors.created_to <> excluded.created_to
