-- What a consumer remembers: its position and its effects, in one database and one transaction.

-- How far each origin of ledger.entries has been applied.
create table if not exists applied (
    origin text primary key,
    sequence bigint not null
);

-- What the entries sum to. Minor units; debit is positive.
create table if not exists balances (
    book text not null,
    account text not null,
    currency text not null,
    exponent smallint not null,
    minor numeric not null,
    primary key (book, account, currency)
);

-- How each discrepancy stands.
create table if not exists discrepancies (
    id text primary key,
    revision integer not null,
    book text not null,
    kind text not null,
    state text not null,
    subject text not null,
    amount_minor numeric,
    currency text,
    explanation text not null
);
