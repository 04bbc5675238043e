-- What the poller must remember between two polls: positions, cursors, digests, ids.

create table positions (
    cluster_id text not null,
    topic_id text not null,
    topic text not null,
    partition integer not null,
    next_offset bigint not null,
    constraint positions_pkey primary key (cluster_id, topic, partition),
    constraint positions_next_offset_not_negative check (next_offset >= 0)
);

-- How far a list of Stripe's API has been read: the newest created, in Stripe's own time.
create table cursors (
    account text not null,
    mode text not null,
    resource text not null,
    created_to bigint not null,
    moved_at timestamptz not null default now(),
    constraint cursors_pkey primary key (account, mode, resource)
);

-- The content that was last published of each object.
create table told_objects (
    account text not null,
    mode text not null,
    object_id text not null,
    digest bytea not null,
    told_at timestamptz not null,
    constraint told_objects_pkey primary key (account, mode, object_id),
    constraint told_objects_digest_length check (octet_length(digest) = 32)
);

create index told_objects_told_at_index on told_objects (told_at);

-- The events that are on stripe.events, by whichever way they came.
create table arrived_events (
    event_id text not null,
    arrived_at timestamptz not null,
    constraint arrived_events_pkey primary key (event_id)
);

create index arrived_events_arrived_at_index on arrived_events (arrived_at);
