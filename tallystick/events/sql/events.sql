-- name: index_positions
-- How far the index has read. No row: it has never read.
select cluster_id, topic_id, partition, next_offset
from positions
where topic = $1

-- name: known_types
-- Every type that ever came, by jumps over the index. No row: nothing came yet.
with recursive jumps as (
    (
        select event_type
        from events
        order by event_type
        limit 1
    )
    union all
    select (
        select e.event_type
        from events as e
        where e.event_type > j.event_type
        order by e.event_type
        limit 1
    )
    from jumps as j
    where j.event_type is not null
)
select event_type
from jumps
where event_type is not null

-- name: newest_events
-- The newest deliveries that fit; a condition that is null is none. No row: none fits.
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
from events
where ($1::text is null or event_id = $1)
    and ($2::text is null or account = $2)
    and ($3::text is null or object_id = $3)
    and ($4::timestamptz is null or appended_at >= $4)
    and ($5::timestamptz is null or appended_at < $5)
    and ($6::text is null or via = $6)
order by appended_at desc, partition desc, "offset" desc
limit $7

-- name: newest_events_of_types
-- The same of some types: as many as are wanted of each, then the newest of them.
select
    e.partition,
    e."offset",
    e.event_id,
    e.form,
    e.event_type,
    e.account,
    e.object_id,
    e.created,
    e.received_at,
    e.appended_at,
    e.via,
    e.endpoint,
    e.book,
    e.livemode,
    e.is_foreign,
    e.resent_from
from unnest($8::text[]) as t (event_type)
cross join lateral (
    select
        i.partition,
        i."offset",
        i.event_id,
        i.form,
        i.event_type,
        i.account,
        i.object_id,
        i.created,
        i.received_at,
        i.appended_at,
        i.via,
        i.endpoint,
        i.book,
        i.livemode,
        i.is_foreign,
        i.resent_from
    from events as i
    where i.event_type = t.event_type
        and ($1::text is null or i.event_id = $1)
        and ($2::text is null or i.account = $2)
        and ($3::text is null or i.object_id = $3)
        and ($4::timestamptz is null or i.appended_at >= $4)
        and ($5::timestamptz is null or i.appended_at < $5)
        and ($6::text is null or i.via = $6)
    order by i.appended_at desc, i.partition desc, i."offset" desc
    limit $7
) as e
order by e.appended_at desc, e.partition desc, e."offset" desc
limit $7
