-- name: lock_look_ups!
-- One process notes at a time; another one waits.
select pg_advisory_xact_lock(hashtext('ingest.look_ups'))

-- name: note_look_ups!
-- Take in look-ups that were asked for; one that is known changes nothing, and one that was asked
-- for before a time is not worth asking for any more.
insert into look_ups (
    id, book, account, kind, object_id, asked_at, state, reason, noted_at, try_at, settled_at
)
select distinct on (id)
    id,
    book,
    account,
    kind,
    object_id,
    asked_at,
    case when asked_at < $8::timestamptz then 'left' else 'open' end,
    case when asked_at < $8::timestamptz then 'too old when it was read' else '' end,
    $7::timestamptz,
    $7::timestamptz,
    case when asked_at < $8::timestamptz then $7::timestamptz end
from unnest(
    $1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::timestamptz[]
) as n (id, book, account, kind, object_id, asked_at)
order by id
on conflict (id) do nothing

-- name: supersede_look_ups!
-- Of several look-ups of one object that are open, only the last is carried out.
update look_ups as l
set state = 'superseded', settled_at = $1
where
    l.state = 'open'
    and exists (
        select
        from look_ups as later
        where
            later.book = l.book
            and later.object_id = l.object_id
            and later.asked_at > l.asked_at
    )

-- name: due_look_ups
-- The look-ups whose turn it is: of a book, but for what other keys are for, and of connected
-- accounts in whatever book they are. No row: none.
select id, account, kind, object_id, tries
from look_ups
where
    state = 'open'
    and try_at <= $1
    and (
        (book = $2 and account <> all($3::text[]))
        or (book, account) in (
            select
                c.book,
                c.account
            from unnest($4::text[], $5::text[]) as c (book, account)
        )
    )
order by try_at, id
limit $6

-- name: settle_look_up!
-- What became of a look-up.
update look_ups
set state = $2, reason = $3, tries = tries + 1, settled_at = $4
where id = $1

-- name: try_look_up_again!
-- The look-up could not be carried out; it has another turn.
update look_ups
set tries = tries + 1, reason = $2, try_at = $3
where id = $1

-- name: leave_look_ups
-- Look-ups that nobody could carry out in time, whoever's they are. No row: none.
update look_ups
set
    state = 'left',
    settled_at = $2,
    reason = case when reason = '' then 'no polled key is for its book' else reason end
where state = 'open' and asked_at < $1
returning id, object_id, tries, reason

-- name: open_look_ups
-- How many look-ups are still to be carried out.
select count(*)
from look_ups
where state = 'open'

-- name: forget_look_ups!
-- Look-ups that were settled long ago; a record that comes again is too old to be carried out.
delete from look_ups
where settled_at < $1
