-- What clock ticks release: when invoice lines are served, what was taken back, how far it ticked.

-- A line of an invoice that is served over time, and its part of the revenue.
create table unearned_lines (
    book text not null,
    line text not null,
    currency text not null,
    exponent smallint not null,
    minor numeric(38, 0) not null,
    since timestamptz not null,
    until timestamptz not null,
    constraint unearned_lines_pkey primary key (book, line),
    constraint unearned_lines_served_in_time check (since < until)
);

-- What an entry took back of a line; below zero where that was itself undone.
create table unearned_cuts (
    book text not null,
    line text not null,
    reference text not null,
    minor numeric(38, 0) not null,
    at timestamptz not null,
    constraint unearned_cuts_pkey primary key (book, line, reference)
);

create table clocks (
    book text not null,
    ticked_until timestamptz not null,
    constraint clocks_pkey primary key (book)
);

create trigger unearned_lines_append_only before update or delete or truncate on unearned_lines
for each statement execute function refuse_change();

create trigger unearned_cuts_append_only before update or delete or truncate on unearned_cuts
for each statement execute function refuse_change();

grant select, insert on unearned_lines, unearned_cuts to ledger_app;
grant select, insert, update on clocks to ledger_app;
