-- What the bank feed must remember: how far it has read, and the last form of each line.

create table bank_accounts (
    account text not null,
    watermark timestamptz not null,
    constraint bank_accounts_pkey primary key (account)
);

-- unpublished is the message that tells this form, until Kafka has acknowledged it: what a
-- revision says is decided once, also when the process dies between deciding and telling.
create table bank_lines (
    account text not null,
    line_id text not null,
    revision integer not null,
    state text not null,
    amount_minor numeric(38, 0) not null,
    currency text not null,
    created_at timestamptz not null,
    booked_on date not null,
    value_on date,
    description text not null,
    reference text not null,
    counterparty text not null,
    source_sha256 text not null,
    unpublished bytea,
    constraint bank_lines_pkey primary key (account, line_id),
    constraint bank_lines_revision_positive check (revision > 0),
    constraint bank_lines_state_known check (state in ('pending', 'posted', 'removed'))
);

create index bank_lines_created_at_index on bank_lines (account, created_at);
create index bank_lines_unpublished_index on bank_lines (account, created_at, line_id)
where unpublished is not null;
