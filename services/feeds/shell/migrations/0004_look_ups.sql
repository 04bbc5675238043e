-- What is to be looked up at a bank, and what became of it; how far the topic that asks is read.

create table positions (
    cluster_id text not null,
    topic_id text not null,
    topic text not null,
    partition integer not null,
    next_offset bigint not null,
    constraint positions_pkey primary key (cluster_id, topic, partition),
    constraint positions_next_offset_not_negative check (next_offset >= 0)
);

create table look_ups (
    id text not null,
    book text not null,
    -- Empty where any account in the currency may be the one.
    account text not null,
    currency text not null,
    since date not null,
    asked_at timestamptz not null,
    state text not null,
    reason text not null default '',
    tries integer not null default 0,
    try_at timestamptz not null,
    settled_at timestamptz,
    constraint look_ups_pkey primary key (id),
    constraint look_ups_state_known check (state in ('open', 'read', 'by_files', 'left')),
    constraint look_ups_tries_not_negative check (tries >= 0)
);

create index look_ups_open_index on look_ups (try_at) where state = 'open';
