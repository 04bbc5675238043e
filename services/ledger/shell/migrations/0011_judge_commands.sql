-- What decisions stand on and what they leave: closed periods, accounts by command, holds, records.

-- How far a book is closed and locked for what is recorded after `since`; the last number holds now.
create table periods (
    book text not null,
    number integer not null,
    since timestamptz not null,
    closed_through date,
    locked_through date,
    origin_id integer not null,
    caused_offset bigint not null,
    constraint periods_pkey primary key (book, number),
    constraint periods_number_positive check (number > 0),
    constraint periods_locked_is_closed check (
        locked_through is null or locked_through <= closed_through
    )
);

-- Every opening, closing and renaming of an account; the last number holds now.
create table account_changes (
    book text not null,
    account text not null,
    number integer not null,
    display text not null,
    is_open boolean not null,
    is_of_chart boolean not null,
    key text not null,
    normal text not null,
    has_floor boolean not null,
    recorded_at timestamptz not null,
    origin_id integer not null,
    caused_offset bigint not null,
    constraint account_changes_pkey primary key (book, account, number),
    constraint account_changes_number_positive check (number > 0),
    constraint account_changes_normal_known check (normal in ('debit', 'credit'))
);

-- Amounts set aside. A rebuild may read a hold's end before its placing, so each half stands alone.
create table holds (
    book text not null,
    hold text not null,
    account text,
    key text,
    currency text,
    exponent smallint,
    minor numeric(38, 0),
    expires_at timestamptz,
    placed_at timestamptz,
    ended text,
    ended_at timestamptz,
    constraint holds_pkey primary key (book, hold),
    constraint holds_placed_whole check (
        (account is null) = (key is null)
        and (account is null) = (currency is null)
        and (account is null) = (exponent is null)
        and (account is null) = (minor is null)
        and (account is null) = (placed_at is null)
    ),
    constraint holds_minor_positive check (minor > 0),
    constraint holds_ended_known check (ended in ('settled', 'released')),
    constraint holds_ended_whole check ((ended is null) = (ended_at is null))
) with (fillfactor = 80);

create index holds_open_index on holds (book, account, key, currency, expires_at)
where ended is null and account is not null;

-- Entries that are reported on a later day than their own, since that was closed. Derived.
create table late_entries (
    origin_id integer not null,
    sequence bigint not null,
    book text not null,
    reported_day date not null,
    reported_at timestamptz not null,
    constraint late_entries_pkey primary key (origin_id, sequence)
);

create index late_entries_reported_at_index on late_entries (book, reported_at);

-- What our own topics tell of decisions that this database has not booked yet; followed, never
-- decided again.
create table decisions (
    origin_id integer not null,
    caused_offset bigint not null,
    outcome text,
    reason text,
    detail text,
    reference text,
    decided jsonb,
    entries jsonb not null,
    constraint decisions_pkey primary key (origin_id, caused_offset)
);

-- What reverses an entry. Few entries reverse anything.
create index entries_reverses_index on entries (book, reverses) where reverses is not null;

create trigger periods_append_only before update or delete or truncate on periods
for each statement execute function refuse_change();

create trigger account_changes_append_only before update or delete or truncate on account_changes
for each statement execute function refuse_change();

grant select, insert on periods, account_changes to ledger_app;
grant select, insert, update on holds, decisions to ledger_app;
grant select, insert, update, delete on late_entries to ledger_app;
