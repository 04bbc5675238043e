-- Which invoices were given up: what posts to the receivable of one moves on to bad debt, whichever of the
-- two is told first. See decision 0069.

create table given_up (
    book text not null,
    invoice text not null,
    at timestamptz not null,
    constraint given_up_pkey primary key (book, invoice, at)
);

create trigger given_up_append_only before update or delete or truncate on given_up
for each statement execute function refuse_change();

grant select, insert on given_up to ledger_app;

-- What stands on the receivable of one invoice; only books on accrual basis have such postings.
create index postings_receivable_index on postings (key, origin_id, sequence)
where account = 'assets:receivable';
