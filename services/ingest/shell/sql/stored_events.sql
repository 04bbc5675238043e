-- name: store_events!
-- Index deliveries by their place on the topic; a place has one delivery for ever.
insert into stored_events (
    partition,
    "offset",
    event_id,
    form,
    event_type,
    account,
    object_id,
    created,
    received_at,
    appended_at,
    via,
    endpoint,
    book,
    livemode,
    is_foreign,
    resent_from
)
select
    partition,
    "offset",
    event_id,
    form,
    event_type,
    account,
    object_id,
    created,
    received_at,
    appended_at,
    via,
    endpoint,
    book,
    livemode,
    is_foreign,
    resent_from
from unnest(
    $1::integer[],
    $2::bigint[],
    $3::text[],
    $4::text[],
    $5::text[],
    $6::text[],
    $7::text[],
    $8::timestamptz[],
    $9::timestamptz[],
    $10::timestamptz[],
    $11::text[],
    $12::text[],
    $13::text[],
    $14::boolean[],
    $15::boolean[],
    $16::text[]
) as n (
    partition,
    "offset",
    event_id,
    form,
    event_type,
    account,
    object_id,
    created,
    received_at,
    appended_at,
    via,
    endpoint,
    book,
    livemode,
    is_foreign,
    resent_from
)
on conflict (partition, "offset") do nothing

-- name: arrived_of
-- Which of these events are on the topic. No row: none of them.
select distinct event_id
from stored_events
where event_id = any($1::text[])
