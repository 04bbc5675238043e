-- name: answers
-- What became of look-ups. No row: whoever asks has not taken them in.
select id, state, reason, tries, try_at, settled_at
from look_ups
where id = any($1::text[])
