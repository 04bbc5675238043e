-- Where what posts to one key of an account goes on to: the receivable of an invoice that was given up to
-- bad debt, the credits of a payment to the customer who was named. Either side may be told first.
-- See decision 0069.

create table passed_on (
    book text not null,
    account text not null,
    key text not null,
    to_account text not null,
    to_key text not null,
    at timestamptz not null,
    -- Who said so first.
    origin_id integer not null,
    caused_offset bigint not null,
    constraint passed_on_pkey primary key (book, account, key)
);

create trigger passed_on_append_only before update or delete or truncate on passed_on
for each statement execute function refuse_change();

grant select, insert on passed_on to ledger_app;

-- What stands on the receivable of one invoice; only books on accrual basis have such postings.
create index postings_receivable_index on postings (key, origin_id, sequence)
where account = 'assets:receivable';
