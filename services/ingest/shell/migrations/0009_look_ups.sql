-- What is to be looked up at Stripe, and what became of it: each is carried out once.

create table look_ups (
    id text not null,
    book text not null,
    account text not null,
    kind text not null,
    object_id text not null,
    asked_at timestamptz not null,
    state text not null,
    reason text not null default '',
    tries integer not null default 0,
    noted_at timestamptz not null,
    try_at timestamptz not null,
    settled_at timestamptz,
    constraint look_ups_pkey primary key (id),
    constraint look_ups_state_known
    check (state in ('open', 'told', 'gone', 'refused', 'superseded', 'left')),
    constraint look_ups_tries_not_negative check (tries >= 0)
);

create index look_ups_open_index on look_ups (book, try_at) where state = 'open';
create index look_ups_object_index on look_ups (book, object_id, asked_at);
