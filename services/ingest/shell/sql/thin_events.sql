-- name: lock_thin!
-- One process notes at a time; another one waits.
select pg_advisory_xact_lock(hashtext('ingest.thin_noted'))

-- name: note_thin!
-- Take in the thin events that were indexed since the last time. A delivery of an event that is
-- known changes nothing; one that nobody here may ask for is foreign. One statement, so that it
-- moves past just what it saw.
with found as (
    select
        s.event_id,
        s.partition,
        s."offset",
        not s.is_foreign or $2::boolean or s.account = any($3::text[]) as may_be_asked
    from stored_events as s
    left join thin_noted as n on s.partition = n.partition
    where s.form = 'thin' and s."offset" >= coalesce(n.next_offset, 0)
),

noted as (
    insert into thin_events (event_id, partition, "offset", state, noted_at, try_at)
    select distinct on (event_id)
        event_id,
        partition,
        "offset",
        case when may_be_asked then 'open' else 'foreign' end,
        $1::timestamptz,
        $1::timestamptz
    from found
    order by event_id, partition, "offset"
    on conflict (event_id) do nothing
)

insert into thin_noted (partition, next_offset)
select
    partition,
    max("offset") + 1
from found
group by partition
order by partition
on conflict (partition)
do update set next_offset = excluded.next_offset

-- name: due_thin
-- The events of an account whose turn it is, and of what else is told by its key. No row: none.
select
    t.event_id,
    t.partition,
    t."offset",
    t.tries,
    s.account
from thin_events as t
inner join stored_events as s on t.partition = s.partition and t."offset" = s."offset"
where
    t.state = 'open'
    and t.try_at <= $1
    and s.livemode = $2
    and (s.account = $3 or (s.book = $4 and s.account <> all($5::text[])))
order by t.try_at, t.event_id
limit $6

-- name: settle_thin!
-- What became of an event.
update thin_events
set state = $2, reason = $3, tries = tries + 1, settled_at = $4
where event_id = $1

-- name: try_thin_again!
-- The event could not be resolved; it has another turn.
update thin_events
set tries = tries + 1, reason = $2, try_at = $3
where event_id = $1

-- name: give_up_thin
-- Events that were tried for long enough are given up, whoever's they are. No row: none.
update thin_events
set
    state = 'unresolved',
    settled_at = $2,
    reason = case
        when reason = '' then 'no polled key is for its account and mode' else reason
    end
where state = 'open' and noted_at < $1
returning event_id, tries, reason

-- name: thin_counts
-- How many events are open and how many were given up.
select
    count(*) filter (where state = 'open') as open_events,
    count(*) filter (where state = 'unresolved') as unresolved
from thin_events
where state in ('open', 'unresolved')
