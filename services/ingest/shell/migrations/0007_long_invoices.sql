-- Invoices with more lines than their events show: until they are told whole, that is expected.

create table long_invoices (
    account text not null,
    livemode boolean not null,
    invoice text not null,
    book text not null,
    state text not null,
    reason text not null default '',
    notings integer not null default 1,
    tries integer not null default 0,
    noted_at timestamptz not null,
    try_at timestamptz not null,
    constraint long_invoices_pkey primary key (account, livemode, invoice),
    constraint long_invoices_state_known check (state in ('open', 'told', 'unresolved')),
    constraint long_invoices_tries_not_negative check (tries >= 0)
);

create index long_invoices_open_index on long_invoices (try_at) where state <> 'told';
