-- Every delivery on stripe.events, for ever: found by id, type, time, account and object.

create table stored_events (
    partition integer not null,
    "offset" bigint not null,
    event_id text not null,
    form text not null,
    event_type text not null,
    account text not null,
    object_id text not null,
    created timestamptz,
    received_at timestamptz not null,
    appended_at timestamptz not null,
    via text not null,
    endpoint text not null,
    book text not null,
    livemode boolean not null,
    is_foreign boolean not null,
    resent_from text not null,
    constraint stored_events_pkey primary key (partition, "offset"),
    constraint stored_events_offset_not_negative check ("offset" >= 0),
    constraint stored_events_form_known check (form in ('snapshot', 'thin')),
    constraint stored_events_via_known check (via in ('webhook', 'fetched', 'resent'))
);

create index stored_events_event_id_index on stored_events (event_id);
create index stored_events_appended_at_index on stored_events (appended_at);
create index stored_events_type_index on stored_events (event_type, appended_at);
create index stored_events_account_index on stored_events (account, appended_at);
create index stored_events_object_id_index on stored_events (object_id, appended_at);
-- What came otherwise than Stripe's webhook is rare, and asked for by just that.
create index stored_events_via_index on stored_events (via, appended_at) where via <> 'webhook';

-- The topic is read once more from its beginning: what was read before went to arrived_events
-- alone, which held too little of it. A poller of an older version is fenced and begins anew too.
delete from positions
where topic = 'stripe.events';
