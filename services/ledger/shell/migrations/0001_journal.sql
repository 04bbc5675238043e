-- The journal, what stands beside it in one transaction, and the guards that hold law 6 and law 8.

do $$
begin
    create role ledger_app nologin;
exception when duplicate_object or unique_violation then
    null;
end
$$;

do $$
begin
    create role ledger_reader nologin;
exception when duplicate_object or unique_violation then
    null;
end
$$;

-- How far each input partition has been booked.
create table positions (
    cluster_id text not null,
    topic_id text not null,
    topic text not null,
    partition integer not null,
    next_offset bigint not null,
    constraint positions_pkey primary key (cluster_id, topic, partition),
    constraint positions_next_offset_not_negative check (next_offset >= 0)
) with (fillfactor = 50);

-- Input partitions by a short name, with the head of the chain that each numbers its entries by.
create table origins (
    origin_id integer not null generated always as identity,
    topic text not null,
    partition integer not null,
    sequence bigint not null default 0,
    chain bytea not null default decode(repeat('00', 32), 'hex'),
    constraint origins_pkey primary key (origin_id),
    constraint origins_topic_partition_unique unique (topic, partition),
    constraint origins_chain_is_sha256 check (length(chain) = 32)
) with (fillfactor = 50);

-- Messages that are remembered by their id, with what they said.
create table seen_events (
    book text not null,
    identity text not null,
    digest bytea not null,
    origin_id integer not null,
    caused_offset bigint not null,
    constraint seen_events_pkey primary key (book, identity)
);

-- Who may book a reference. A table of its own, so that references stay unique when the journal
-- is split by time.
create table claims (
    book text not null,
    reference text not null,
    digest bytea not null,
    origin_id integer not null,
    caused_offset bigint not null,
    constraint claims_pkey primary key (book, reference)
);

create table entries (
    origin_id integer not null,
    sequence bigint not null,
    book text not null,
    reference text not null,
    kind text not null,
    effective_at timestamptz not null,
    recorded_at timestamptz not null,
    caused_offset bigint not null,
    message_id text not null,
    rules_version integer not null,
    description text not null,
    reverses text,
    digest bytea not null,
    chain bytea not null,
    posting_count smallint not null,
    constraint entries_pkey primary key (origin_id, sequence),
    constraint entries_sequence_positive check (sequence > 0),
    constraint entries_posting_count_at_least_two check (posting_count >= 2)
);

-- From a claim to its entry, and from a message to what it caused. Offsets grow, so this index
-- does too, at its right edge.
create index entries_caused_offset_index on entries (origin_id, caused_offset);

create table postings (
    origin_id integer not null,
    sequence bigint not null,
    ordinal smallint not null,
    account text not null,
    key text not null,
    direction text not null,
    minor numeric(38, 0) not null,
    currency text not null,
    exponent smallint not null,
    constraint postings_pkey primary key (origin_id, sequence, ordinal),
    constraint postings_ordinal_positive check (ordinal > 0),
    constraint postings_direction_known check (direction in ('debit', 'credit')),
    constraint postings_minor_in_range check (minor > 0 and minor <= 1e30)
);

-- What each origin has put on each account: no row that two projectors would wait for.
create table balances (
    book text not null,
    account text not null,
    currency text not null,
    origin_id integer not null,
    exponent smallint not null,
    debit_minor numeric(38, 0) not null,
    credit_minor numeric(38, 0) not null,
    constraint balances_pkey primary key (book, account, currency, origin_id)
) with (fillfactor = 60);

-- The same by effective and recorded day, so that a late fact spoils no earlier statement.
create table day_buckets (
    book text not null,
    account text not null,
    currency text not null,
    effective_day date not null,
    recorded_day date not null,
    origin_id integer not null,
    exponent smallint not null,
    debit_minor numeric(38, 0) not null,
    credit_minor numeric(38, 0) not null,
    constraint day_buckets_pkey
        primary key (book, account, currency, effective_day, recorded_day, origin_id)
) with (fillfactor = 60);

-- Keys that do not stand at zero. A row goes when its key returns to zero.
create table open_items (
    book text not null,
    account text not null,
    key text not null,
    currency text not null,
    exponent smallint not null,
    minor numeric(38, 0) not null,
    since timestamptz not null,
    since_recorded timestamptz not null,
    constraint open_items_pkey primary key (book, account, key, currency)
) with (fillfactor = 80);

create table outcomes (
    origin_id integer not null,
    caused_offset bigint not null,
    ordinal smallint not null,
    outcome text not null,
    reason text not null,
    book text not null,
    subject text not null,
    detail text not null,
    reference text,
    amount_minor numeric(38, 0),
    currency text,
    exponent smallint,
    message_id text not null,
    recorded_at timestamptz not null,
    constraint outcomes_pkey primary key (origin_id, caused_offset, ordinal),
    constraint outcomes_amount_whole check (
        (amount_minor is null) = (currency is null) and (currency is null) = (exponent is null)
    )
);

-- Records that nothing could be made of, as they came.
create table dead_letters (
    origin_id integer not null,
    caused_offset bigint not null,
    reason text not null,
    detail text not null,
    record_key bytea,
    record_value bytea not null,
    record_headers bytea not null,
    recorded_at timestamptz not null,
    constraint dead_letters_pkey primary key (origin_id, caused_offset)
);

-- How far each origin has been published: its entries up to a sequence, with the chain there, and
-- all else of the messages before an offset.
create table published (
    origin_id integer not null,
    sequence bigint not null default 0,
    chain bytea not null default decode(repeat('00', 32), 'hex'),
    next_offset bigint not null default 0,
    constraint published_pkey primary key (origin_id)
) with (fillfactor = 50);

-- How much of our own output topics is known to be in `published`.
create table published_tails (
    topic text not null,
    partition integer not null,
    next_offset bigint not null,
    constraint published_tails_pkey primary key (topic, partition)
) with (fillfactor = 50);

-- ---------------------------------------------------------------- law 6
-- No commit leaves an unbalanced, empty or later-extended entry, whoever writes the SQL.
--
-- Each statement that inserts entries or postings notes which sequences it touched: one row for
-- an origin, however many entries. At commit all notes of the transaction are looked into at once,
-- set by set: every entry in those ranges has all its postings and balances in each currency, and
-- no posting stands without its entry. The same range noted twice, by the entries and by their
-- postings, is one row.

create unlogged table journal_notes (
    transaction xid8 not null default pg_current_xact_id(),
    origin_id integer not null,
    first_sequence bigint not null,
    last_sequence bigint not null,
    constraint journal_notes_pkey
        primary key (transaction, origin_id, first_sequence, last_sequence)
);

-- The functions find their tables by the schema of the table that fired them, so that they hold
-- in every generation and whatever the writer's search path is; they run as the owner, since a
-- writer needs no right on the notes.

create function note_journal_rows() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    execute format(
        'insert into %I.journal_notes (origin_id, first_sequence, last_sequence) '
        'select origin_id, min(sequence), max(sequence) from written group by origin_id '
        'on conflict do nothing',
        tg_table_schema
    );
    return null;
end
$$;

-- The first note to be looked into takes all the others of its transaction with it, so the check is
-- planned and run once a commit. It is planned each time, with the tables as large as they are then,
-- and must not fall back on reading a whole table while statistics are young.

create function check_journal_notes() returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set jit = off as $$
declare
    wrong record;
begin
    execute format(
        'with notes as ('
        '    delete from %1$I.journal_notes where transaction = $1 '
        '    returning origin_id, first_sequence, last_sequence'
        ') '
        'select notes.origin_id, found.* from notes cross join lateral ('
        '    select coalesce(written.sequence, legs.sequence) as sequence, written.reference, '
        '        written.posting_count, coalesce(legs.legs, 0) as legs, legs.excess '
        '    from ('
        '        select sequence, sum(legs) as legs, max(abs(excess)) as excess from ('
        '            select sequence, count(*) as legs, '
        '                sum(case direction when ''debit'' then minor else -minor end) as excess '
        '            from %1$I.postings where origin_id = notes.origin_id '
        '                and sequence between notes.first_sequence and notes.last_sequence '
        '            group by sequence, currency'
        '        ) as sums group by sequence'
        '    ) as legs '
        '    full join ('
        '        select sequence, reference, posting_count '
        '        from %1$I.entries where origin_id = notes.origin_id '
        '            and sequence between notes.first_sequence and notes.last_sequence'
        '    ) as written on written.sequence = legs.sequence '
        '    where posting_count is null '
        '        or legs.legs is distinct from posting_count or legs.excess <> 0 '
        '    order by 1 limit 1'
        ') as found order by 1, 2 limit 1',
        tg_table_schema
    ) into wrong using new.transaction;
    if wrong.sequence is null then
        return null;
    end if;
    if wrong.posting_count is null then
        raise exception 'postings without an entry: origin %, sequence %',
            wrong.origin_id, wrong.sequence
            using errcode = 'check_violation', constraint = 'postings_entry_exists';
    end if;
    if wrong.legs <> wrong.posting_count then
        raise exception 'entry % has % postings, not %',
            wrong.reference, wrong.legs, wrong.posting_count
            using errcode = 'check_violation', constraint = 'entries_postings_complete';
    end if;
    raise exception 'entry % does not balance: off by %', wrong.reference, wrong.excess
        using errcode = 'check_violation', constraint = 'entries_balance';
end
$$;

create trigger entries_noted after insert on entries
referencing new table as written
for each statement execute function note_journal_rows();

create trigger postings_noted after insert on postings
referencing new table as written
for each statement execute function note_journal_rows();

create constraint trigger journal_notes_checked after insert on journal_notes
deferrable initially deferred
for each row execute function check_journal_notes();

-- ---------------------------------------------------------------- law 8
-- Rights are for roles, and an owner has them all; so the tables themselves refuse as well.

create function refuse_change() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    raise exception '% of % is refused: the journal is only ever added to', tg_op, tg_table_name
        using errcode = 'check_violation', constraint = 'journal_append_only';
end
$$;

create trigger entries_append_only before update or delete or truncate on entries
for each statement execute function refuse_change();

create trigger postings_append_only before update or delete or truncate on postings
for each statement execute function refuse_change();

create trigger claims_append_only before update or delete or truncate on claims
for each statement execute function refuse_change();

grant select, insert on
    entries, postings, claims, seen_events, outcomes, dead_letters
to ledger_app;
grant select, insert, update on
    positions, origins, balances, day_buckets, published, published_tails
to ledger_app;
grant select, insert, update, delete on open_items to ledger_app;

do $$
begin
    execute format('grant usage on schema %I to ledger_app', current_schema());
    execute format('grant ledger_app to %I', current_user);
end
$$;
