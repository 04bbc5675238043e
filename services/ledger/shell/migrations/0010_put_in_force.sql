-- What was put in force, in the order it was decided: `record` is as the command's outcome tells it.

create table activations (
    number integer not null,
    record jsonb not null,
    origin_id integer not null,
    caused_offset bigint not null,
    recorded_at timestamptz not null,
    constraint activations_pkey primary key (number),
    constraint activations_cause_unique unique (origin_id, caused_offset),
    constraint activations_number_positive check (number > 0)
);

create trigger activations_append_only before update or delete or truncate on activations
for each statement execute function refuse_change();

grant select, insert on activations to ledger_app;
