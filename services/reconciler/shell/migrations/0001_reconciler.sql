-- The reconciler's memory: how far each topic is read, what is known, what is found, what is told.

create table positions (
    cluster_id text not null,
    topic_id text not null,
    topic text not null,
    partition integer not null,
    next_offset bigint not null,
    -- While a partition is before this offset nothing is judged: half of what is known tells
    -- of discrepancies that are none.
    caught_up_at bigint not null default 0,
    constraint positions_pkey primary key (cluster_id, topic, partition),
    constraint positions_next_offset_not_negative check (next_offset >= 0)
);

-- The last sequence read of each origin's entries; the ledger repeats some after a crash.
create table origins (
    origin text not null,
    sequence bigint not null,
    constraint origins_pkey primary key (origin),
    constraint origins_sequence_positive check (sequence > 0)
);

-- How far the ledger has booked each of its inputs.
create table progress (
    topic text not null,
    partition integer not null,
    next_offset bigint not null,
    sequence bigint not null,
    constraint progress_pkey primary key (topic, partition)
);

-- One row is locked by whoever judges a book; version counts the judgements and changes.
create table books (
    book text not null,
    version bigint not null default 0,
    constraint books_pkey primary key (book)
);

-- json keeps the text as it is written, so integers of any size come back exact.
create table facts (
    book text not null,
    key text not null,
    kind text not null,
    body json not null,
    is_dormant boolean not null default false,
    constraint facts_pkey primary key (book, key)
);

create index facts_active on facts (book) where not is_dormant;

create table hooks (
    book text not null,
    hook text not null,
    key text not null,
    constraint hooks_pkey primary key (book, hook, key)
);

create index hooks_key on hooks (book, key);

-- What the ledger has on the accounts whose balances are compared, summed by moment.
create table cash_sums (
    book text not null,
    account text not null,
    currency text not null,
    is_line boolean not null,
    effective_at timestamptz not null,
    minor numeric(38, 0) not null,
    constraint cash_sums_pkey primary key (book, account, currency, is_line, effective_at)
);

-- Its movements by the record that caused them, as long as a reading before them may be unproven.
create table cash_moves (
    book text not null,
    account text not null,
    currency text not null,
    is_line boolean not null,
    effective_at timestamptz not null,
    reference text not null,
    topic text not null,
    partition integer not null,
    caused_offset bigint not null,
    minor numeric(38, 0) not null,
    constraint cash_moves_pkey primary key (book, account, currency, reference)
);

create index cash_moves_place on cash_moves (topic, partition, caused_offset);

create table balance_sums (
    book text not null,
    account text not null,
    currency text not null,
    minor numeric(38, 0) not null,
    constraint balance_sums_pkey primary key (book, account, currency)
);

-- Bank balances that wait for the ledger to have booked what stood before them.
create table readings (
    book text not null,
    key text not null,
    account text not null,
    currency text not null,
    topic text not null,
    partition integer not null,
    told_offset bigint not null,
    body json not null,
    constraint readings_pkey primary key (book, key)
);

create index readings_place on readings (topic, partition, told_offset);

-- Readings held against the ledger: the last few of each account.
create table proofs (
    book text not null,
    account text not null,
    currency text not null,
    at timestamptz not null,
    reading text not null,
    body json not null,
    constraint proofs_pkey primary key (book, account, currency, at, reading)
);

-- How far each bank account was read by the bank's own time, and when it last told anything.
create table read_until (
    book text not null,
    account text not null,
    at timestamptz not null,
    told_at timestamptz not null,
    constraint read_until_pkey primary key (book, account)
);

-- Matches in their last revision; the record is the MatchMade or MatchUndone of it.
create table matches (
    book text not null,
    id text not null,
    revision integer not null,
    is_standing boolean not null,
    is_dormant boolean not null default false,
    record json not null,
    constraint matches_pkey primary key (id),
    constraint matches_revision_positive check (revision > 0)
);

create index matches_active on matches (book) where is_standing and not is_dormant;

create table match_hooks (
    book text not null,
    hook text not null,
    id text not null,
    constraint match_hooks_pkey primary key (book, hook, id)
);

-- Discrepancies in their last revision; the record is a DiscrepancyReported.
create table discrepancies (
    book text not null,
    id text not null,
    revision integer not null,
    kind text not null,
    state text not null,
    subject text not null,
    amount_minor numeric(38, 0),
    currency text,
    exponent integer,
    opened_at timestamptz not null,
    changed_at timestamptz not null,
    resolved_at timestamptz,
    record json not null,
    constraint discrepancies_pkey primary key (id),
    constraint discrepancies_revision_positive check (revision > 0)
);

create index discrepancies_unresolved on discrepancies (book) where state <> 'resolved';

-- When a book has to be judged again though nothing new is told. Wakes that fail are counted.
create table due (
    book text not null,
    due_at timestamptz not null,
    failures integer not null default 0,
    constraint due_pkey primary key (book)
);

create index due_due_at on due (due_at);

-- What is to be published, in order; a row goes when Kafka has acknowledged it.
create table outbox (
    id bigint generated always as identity,
    lane text not null,
    topic text not null,
    key bytea not null,
    envelope_id text not null,
    envelope_type text not null,
    subject text not null,
    book text not null,
    time timestamptz not null,
    extensions json,
    value bytea,
    constraint outbox_pkey primary key (id)
);

create index outbox_lane on outbox (lane, id);

-- Records that could not be read. Their bytes are on the dead-letter topic.
create table parked (
    topic text not null,
    partition integer not null,
    record_offset bigint not null,
    reason text not null,
    detail text not null,
    parked_at timestamptz not null,
    constraint parked_pkey primary key (topic, partition, record_offset)
);

-- Records at which the process had to end; at the third time they are parked.
create table crashes (
    topic text not null,
    partition integer not null,
    record_offset bigint not null,
    times integer not null,
    constraint crashes_pkey primary key (topic, partition, record_offset)
);

-- The balances of balance_sums as they were when everything was last at rest.
create table rest_sums (
    book text not null,
    account text not null,
    currency text not null,
    minor numeric(38, 0) not null,
    constraint rest_sums_pkey primary key (book, account, currency)
);
