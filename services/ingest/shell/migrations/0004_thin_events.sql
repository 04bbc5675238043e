-- Thin events and what became of them: each is resolved once, and none is forgotten silently.

create table thin_events (
    event_id text not null,
    partition integer not null,
    "offset" bigint not null,
    state text not null,
    reason text not null default '',
    tries integer not null default 0,
    noted_at timestamptz not null,
    try_at timestamptz not null,
    settled_at timestamptz,
    constraint thin_events_pkey primary key (event_id),
    constraint thin_events_state_known
    check (state in ('open', 'resolved', 'unresolved', 'foreign')),
    constraint thin_events_tries_not_negative check (tries >= 0)
);

create index thin_events_open_index on thin_events (try_at) where state = 'open';
create index thin_events_unresolved_index on thin_events (noted_at) where state = 'unresolved';

-- How far the index of stripe.events has been looked through for them.
create table thin_noted (
    partition integer not null,
    next_offset bigint not null,
    constraint thin_noted_pkey primary key (partition)
);

create index stored_events_thin_index on stored_events (partition, "offset") where form = 'thin';
