-- What is asked for again by its id: objects that are not final, and parents of what was told.

create table open_objects (
    account text not null,
    mode text not null,
    object_id text not null,
    path text not null,
    since timestamptz not null,
    asks integer not null default 0,
    ask_at timestamptz not null,
    constraint open_objects_pkey primary key (account, mode, object_id),
    constraint open_objects_asks_not_negative check (asks >= 0)
);

create index open_objects_ask_at_index on open_objects (account, mode, ask_at);

-- Payouts of which Stripe can say what they pay out; it is asked once, and told_at says when.
create table payout_contents (
    account text not null,
    mode text not null,
    payout_id text not null,
    noted_at timestamptz not null,
    told_at timestamptz,
    constraint payout_contents_pkey primary key (account, mode, payout_id)
);

create index payout_contents_untold_index on payout_contents (account, mode, noted_at)
where told_at is null;

-- Payouts that a list still shows are told once more, so that their contents are noted.
delete from told_objects
where object_id like 'po\_%';
