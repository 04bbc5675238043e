-- Sums that nobody writes to any more are kept once, and not once for each input: what a statement
-- costs then depends on its days and accounts alone.
--
--     folded        the last recorded day that is folded
--     folded_days   day_buckets up to it, over all origins
--     folded_months the same by month
--
-- What comes late for a folded day is added there as well, by trigger, whoever writes it. The rows of
-- day_buckets stay: they are what an origin's share is checked by.

lock table day_buckets in share row exclusive mode;

create table folded (
    recorded_through date not null,
    constraint folded_pkey primary key (recorded_through)
);

create unique index folded_one_row_index on folded ((true));

insert into folded values (date '0001-01-01');

create table folded_days (
    effective_day date not null,
    recorded_day date not null,
    exponent smallint not null,
    book text not null,
    account text not null,
    currency text not null,
    debit_minor numeric(38, 0) not null,
    credit_minor numeric(38, 0) not null,
    constraint folded_days_pkey
        primary key (book, effective_day, recorded_day, account, currency)
) with (fillfactor = 90);

create index folded_days_recorded_day_index on folded_days (book, recorded_day, effective_day);

create table folded_months (
    effective_month date not null,
    recorded_month date not null,
    exponent smallint not null,
    book text not null,
    account text not null,
    currency text not null,
    debit_minor numeric(38, 0) not null,
    credit_minor numeric(38, 0) not null,
    constraint folded_months_pkey
        primary key (book, effective_month, recorded_month, account, currency)
) with (fillfactor = 90);

-- The statements that add rows to what is folded; the rows are those of a query.
create function fold_statements(in_schema text, rows_of text) returns text []
language sql immutable set search_path = pg_catalog, pg_temp as $$
    select array[
        format(
            'insert into %1$I.folded_days as f '
            '    (book, account, currency, effective_day, recorded_day, exponent, '
            '    debit_minor, credit_minor) '
            'select book, account, currency, effective_day, recorded_day, max(exponent), '
            '    sum(debit_minor), sum(credit_minor) '
            'from (%2$s) as r group by 1, 2, 3, 4, 5 order by 1, 4, 5, 2, 3 '
            'on conflict (book, effective_day, recorded_day, account, currency) do update '
            'set debit_minor = f.debit_minor + excluded.debit_minor, '
            '    credit_minor = f.credit_minor + excluded.credit_minor',
            in_schema, rows_of
        ),
        format(
            'insert into %1$I.folded_months as f '
            '    (book, account, currency, effective_month, recorded_month, exponent, '
            '    debit_minor, credit_minor) '
            'select book, account, currency, '
            '    date_trunc(''month'', effective_day::timestamp)::date, '
            '    date_trunc(''month'', recorded_day::timestamp)::date, max(exponent), '
            '    sum(debit_minor), sum(credit_minor) '
            'from (%2$s) as r group by 1, 2, 3, 4, 5 order by 1, 4, 5, 2, 3 '
            'on conflict (book, effective_month, recorded_month, account, currency) do update '
            'set debit_minor = f.debit_minor + excluded.debit_minor, '
            '    credit_minor = f.credit_minor + excluded.credit_minor',
            in_schema, rows_of
        )
    ]
$$;

-- Folds the days up to one. Who books waits for it meanwhile; it reads only what is not folded yet.
create function fold_days(in_schema text, through date) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    before date;
    statements text [];
    statement text;
begin
    execute format('select recorded_through from %I.folded', in_schema) into before;
    if through is null or through <= before then
        return;
    end if;
    execute format('lock table %I.day_buckets in share row exclusive mode', in_schema);
    execute format('select recorded_through from %I.folded', in_schema) into before;
    if through <= before then
        return;
    end if;
    execute format('select %1$I.fold_statements($1, $2)', in_schema)
    into statements
    using in_schema, format(
        'select book, account, currency, effective_day, recorded_day, exponent, debit_minor, '
        'credit_minor from %I.day_buckets where recorded_day > %L and recorded_day <= %L',
        in_schema, before, through
    );
    foreach statement in array statements loop
        execute statement;
    end loop;
    execute format('update %I.folded set recorded_through = %L', in_schema, through);
end
$$;

revoke execute on function fold_days(text, date) from public;
grant execute on function fold_days(text, date) to ledger_app;

create function fold_late_days() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    through date;
    is_late boolean;
    moved text := 'select book, account, currency, effective_day, recorded_day, exponent, '
        'debit_minor, credit_minor from after where recorded_day <= %1$L';
    statements text [];
    statement text;
begin
    execute format('select recorded_through from %I.folded', tg_table_schema) into through;
    select exists (select from after where recorded_day <= through) into is_late;
    if not is_late then
        return null;
    end if;
    if tg_op = 'UPDATE' then
        moved := moved || ' union all select book, account, currency, effective_day, '
            'recorded_day, exponent, -debit_minor, -credit_minor from before '
            'where recorded_day <= %1$L';
    end if;
    execute format('select %1$I.fold_statements($1, $2)', tg_table_schema)
    into statements using tg_table_schema, format(moved, through);
    foreach statement in array statements loop
        execute statement;
    end loop;
    return null;
end
$$;

create trigger day_buckets_added_late after insert on day_buckets
referencing new table as after
for each statement execute function fold_late_days();

create trigger day_buckets_moved_late after update on day_buckets
referencing old table as before new table as after
for each statement execute function fold_late_days();

grant select on folded, folded_days, folded_months to ledger_app;

do $$
begin
    perform fold_days(current_schema(), (select max(recorded_day) - 2 from day_buckets));
end
$$;
