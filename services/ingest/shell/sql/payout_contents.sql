-- name: note_contents!
-- The contents of these payouts can be asked for.
insert into payout_contents (account, mode, payout_id, noted_at)
select $1, $2, payout_id, $4
from unnest($3::text[]) as n (payout_id)
order by payout_id
on conflict (account, mode, payout_id) do nothing

-- name: untold_contents
-- The payouts whose contents are still to be told, oldest first. No row: none.
select payout_id
from payout_contents
where account = $1 and mode = $2 and told_at is null
order by noted_at, payout_id
limit $3

-- name: told_contents!
-- The contents of a payout were told and acknowledged.
update payout_contents
set told_at = $4
where account = $1 and mode = $2 and payout_id = $3
