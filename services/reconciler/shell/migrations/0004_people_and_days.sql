-- What people do, and the decision on it; the last proof of each day; since when balances stand.

-- An act waits without an outcome until its book is judged; a rebuild takes decided ones from the
-- topic. One key names one act: another under it is a conflict.
create table acts (
    id bigint generated always as identity,
    book text not null,
    key text not null,
    message_id text not null,
    kind text not null,
    content json,
    topic text not null,
    partition integer not null,
    caused_offset bigint not null,
    outcome text,
    number bigint,
    record json,
    constraint acts_pkey primary key (book, key, message_id)
);

create index acts_pending on acts (book, id) where outcome is null;
create unique index acts_number on acts (book, number) where number is not null;

create index discrepancies_by_hand on discrepancies (book)
where state = 'resolved' and (record ->> 'resolution') = 'by_hand';

create table daily_proofs (
    book text not null,
    account text not null,
    currency text not null,
    day date not null,
    at timestamptz not null,
    told_at timestamptz not null,
    bank_minor numeric(38, 0) not null,
    ledger_minor numeric(38, 0) not null,
    reading text not null,
    constraint daily_proofs_pkey primary key (book, account, currency, day)
);

alter table balance_sums add column moved_at timestamptz;
alter table rest_sums add column moved_at timestamptz;

-- Reports list these; a balance transaction is found by its key alone.
create index facts_expectations on facts (book) where kind = 'expectation';
create index facts_lines on facts (book) where kind = 'line';
create index facts_contents on facts (book) where kind = 'payout_contents';
