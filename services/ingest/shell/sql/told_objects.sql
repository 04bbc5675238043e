-- name: known_digests
-- The digests of the objects that were told before. No row: never told.
select object_id, digest
from told_objects
where account = $1 and mode = $2 and object_id = any($3::text[])

-- name: remember_told!
-- Remember what was published, in sorted order so that two pollers do not lock each other out.
insert into told_objects (account, mode, object_id, digest, told_at)
select $1, $2, object_id, digest, $5
from unnest($3::text[], $4::bytea[]) as n (object_id, digest)
order by object_id
on conflict (account, mode, object_id)
do update set digest = excluded.digest, told_at = excluded.told_at

-- name: forget_told!
-- Forget objects that no overlapping window reaches any more; told again, they are repeats.
delete from told_objects
where told_at < $1
