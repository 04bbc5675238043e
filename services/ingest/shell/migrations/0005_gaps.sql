-- What Stripe lists and the log lacks, how far a long walk has come, and the money on the log.

create table missing_items (
    account text not null,
    mode text not null,
    resource text not null,
    item_id text not null,
    created bigint not null,
    since timestamptz not null,
    reason text not null,
    kind text not null,
    constraint missing_items_pkey primary key (account, mode, resource, item_id)
);

-- A walk through a list that has not come to its end; a page is a step.
create table audit_walks (
    account text not null,
    mode text not null,
    resource text not null,
    since_created bigint not null,
    until_created bigint not null,
    after_id text not null,
    found bigint not null,
    already_had bigint not null,
    fetched bigint not null,
    still_lacking bigint not null,
    begun_at timestamptz not null,
    constraint audit_walks_pkey primary key (account, mode, resource),
    constraint audit_walks_counts_add_up check (found = already_had + fetched + still_lacking)
);

-- The balance transactions on stripe.objects, each once.
create table stored_transactions (
    account text not null,
    livemode boolean not null,
    transaction_id text not null,
    created bigint not null,
    partition integer not null,
    "offset" bigint not null,
    constraint stored_transactions_pkey primary key (account, livemode, transaction_id)
);

create index stored_transactions_created_index
on stored_transactions (account, livemode, created);

-- What came in a window of Stripe's time, and when the last webhook came.
create index stored_events_created_index on stored_events (account, created);
create index stored_events_webhook_index on stored_events (account, livemode, received_at)
where via = 'webhook';
