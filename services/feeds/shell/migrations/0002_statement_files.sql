-- What statement files have told, and what a feed by changes must remember.

-- Each file once, by its digest; a refused one is looked at again when it comes again.
create table statement_files (
    sha256 text not null,
    name text not null,
    size_bytes bigint not null,
    format text not null,
    outcome text not null,
    reason text not null,
    fix text not null,
    accounts text[] not null,
    lines integer not null,
    fresh integer not null,
    remarks text[] not null,
    taken_at timestamptz not null,
    constraint statement_files_pkey primary key (sha256),
    constraint statement_files_outcome_known check (outcome in ('accepted', 'refused'))
);

create index statement_files_taken_at_index on statement_files (taken_at);

-- An account is told by one kind of file: each kind words its lines in its own way. Up to
-- settled_until the bank stands by what it told, so nothing is pending there any more.
create table statement_accounts (
    account text not null,
    format text not null,
    settled_until date,
    read_at timestamptz not null,
    constraint statement_accounts_pkey primary key (account)
);

-- The first and last days of statements: where they begin and end, so that a statement which goes
-- on in the middle of a day is told from one that tells the day again.
create table statement_edges (
    account text not null,
    day date not null,
    begins_minor numeric(38, 0) not null,
    ends_minor numeric(38, 0) not null,
    number text not null,
    passes numeric(38, 0)[] not null,
    counts jsonb not null,
    constraint statement_edges_pkey primary key (account, day, begins_minor, ends_minor)
);

-- Closing balances, and the message that tells each, until Kafka has acknowledged it.
create table statement_balances (
    account text not null,
    reading text not null,
    on_day date not null,
    amount_minor numeric(38, 0) not null,
    currency text not null,
    position bigint not null generated always as identity,
    unpublished bytea,
    constraint statement_balances_pkey primary key (account, reading)
);

create index statement_balances_unpublished_index on statement_balances (account, position)
where unpublished is not null;

-- How far a feed by changes has read, and when each polled account was last read whole.
create table bank_cursors (
    account text not null,
    cursor text not null,
    constraint bank_cursors_pkey primary key (account)
);

create table bank_readings (
    account text not null,
    first_asked_at timestamptz not null,
    read_at timestamptz,
    constraint bank_readings_pkey primary key (account)
);
