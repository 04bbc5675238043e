-- name: remember_arrived!
-- Remember the ids of events that are on the topic; the first time of each stands.
insert into arrived_events (event_id, arrived_at)
select event_id, arrived_at
from unnest($1::text[], $2::timestamptz[]) as n (event_id, arrived_at)
order by event_id
on conflict (event_id) do nothing

-- name: arrived_of
-- Which of these events are on the topic. No row: none of them.
select event_id
from arrived_events
where event_id = any($1::text[])

-- name: forget_arrived!
-- Forget events that Stripe's list does not show any more either.
delete from arrived_events
where arrived_at < $1
