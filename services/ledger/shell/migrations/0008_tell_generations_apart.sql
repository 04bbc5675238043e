-- Generations of the journal stand side by side, each in a schema of its own; the one in use has
-- the name `ledger`. Which one this is, it says itself, so that no pointer can say otherwise.

create table generation (
    number integer not null,
    made_at timestamptz not null default now(),
    in_use_since timestamptz,
    in_use_until timestamptz,
    constraint generation_pkey primary key (number),
    constraint generation_number_positive check (number > 0)
);

create unique index generation_one_row_index on generation ((true));

insert into generation (number, in_use_since) values (1, now());

grant select on generation to ledger_app;
