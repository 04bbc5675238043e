-- name: put_in_outbox!
-- Rows to publish, in the order given.
insert into outbox (
    lane, topic, key, envelope_id, envelope_type, subject, book, time, extensions, value
)
select
    lane, topic, key, envelope_id, envelope_type, subject, book, time, extensions, value
from unnest(
    $1::text[], $2::text[], $3::bytea[], $4::text[], $5::text[], $6::text[], $7::text[],
    $8::timestamptz[], $9::json[], $10::bytea[]
) with ordinality as n (
    lane, topic, key, envelope_id, envelope_type, subject, book, time, extensions, value, place
)
order by place

-- name: lanes_waiting
-- The lanes with something to publish. No row: all is published.
select distinct lane
from outbox
order by lane

-- name: hold_lane
-- Whether this transaction alone now publishes a lane; false when another one does.
select pg_try_advisory_xact_lock(hashtextextended('reconciler outbox ' || $1, 0))

-- name: read_lane
-- The oldest rows of a lane. No row: nothing is left in it.
select
    id, topic, key, envelope_id, envelope_type, subject, book, time, extensions, value
from outbox
where lane = $1
order by id
limit $2

-- name: forget_published!
-- Rows that Kafka has acknowledged.
delete from outbox
where id = any($1::bigint[])

-- name: count_outbox
-- How many rows wait.
select count(*)
from outbox
