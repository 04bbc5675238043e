-- That an invoice which had been given up was paid or voided after all: how much had been given up is
-- told by another message, which may come later. See decision 0069.

create table recoveries (
    book text not null,
    invoice text not null,
    at timestamptz not null,
    constraint recoveries_pkey primary key (book, invoice, at)
);

create trigger recoveries_append_only before update or delete or truncate on recoveries
for each statement execute function refuse_change();

grant select, insert on recoveries to ledger_app;
