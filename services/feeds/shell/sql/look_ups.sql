-- name: note_look_ups!
-- Take in look-ups that were asked for; one that is known changes nothing, and one that was asked
-- for before a time is not worth asking for any more.
insert into look_ups (
    id, book, account, currency, since, asked_at, state, reason, try_at, settled_at
)
select distinct on (id)
    id,
    book,
    account,
    currency,
    since,
    asked_at,
    case when asked_at < $8::timestamptz then 'left' else 'open' end,
    case when asked_at < $8::timestamptz then 'too old when it was read' else '' end,
    $7::timestamptz,
    case when asked_at < $8::timestamptz then $7::timestamptz end
from unnest(
    $1::text[], $2::text[], $3::text[], $4::text[], $5::date[], $6::timestamptz[]
) as n (id, book, account, currency, since, asked_at)
order by id
on conflict (id) do nothing

-- name: due_look_ups
-- The look-ups whose turn it is. No row: none.
select id, book, account, currency, since, tries
from look_ups
where state = 'open' and try_at <= $1
order by try_at, id
limit $2

-- name: settle_look_ups!
-- What became of look-ups.
update look_ups
set state = $2, reason = $3, tries = tries + 1, settled_at = $4
where id = any($1::text[])

-- name: try_look_up_again!
-- The account could not be read; the look-up has another turn.
update look_ups
set tries = tries + 1, reason = $2, try_at = $3
where id = $1

-- name: leave_look_ups
-- Look-ups that could not be carried out in time. No row: none.
update look_ups
set
    state = 'left',
    settled_at = $2,
    reason = case when reason = '' then 'the account is not polled' else reason end
where state = 'open' and asked_at < $1
returning id, account, reason

-- name: open_look_ups
-- How many look-ups are still to be carried out.
select count(*)
from look_ups
where state = 'open'

-- name: forget_look_ups!
-- Look-ups that were settled long ago; a record that comes again is too old to be carried out.
delete from look_ups
where settled_at < $1
