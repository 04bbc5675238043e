-- What stood open under each key at a moment of the past is read from what was kept near that moment,
-- and from the postings of its account between the two: never from the whole journal.
--
--     kept        twice in a month of recording: that open items were kept, while days were folded
--     kept_heads  how far each input had been booked then
--     kept_items  the open items of that very moment
--
-- An entry is in what was kept when its sequence is not behind the head: so what an input that lags
-- behind tells of an earlier day is no part of it, and nothing kept is ever changed.

create table kept (
    number integer not null generated always as identity,
    recorded_through date not null,
    constraint kept_pkey primary key (number)
);

create table kept_heads (
    number integer not null,
    origin_id integer not null,
    sequence bigint not null,
    recorded_at timestamptz not null,
    constraint kept_heads_pkey primary key (number, origin_id)
);

create table kept_items (
    number integer not null,
    exponent smallint not null,
    book text not null,
    account text not null,
    key text not null,
    currency text not null,
    minor numeric(38, 0) not null,
    constraint kept_items_pkey primary key (number, book, account, key, currency)
);

create trigger kept_append_only before update or delete or truncate on kept
for each statement execute function refuse_change();

create trigger kept_heads_append_only before update or delete or truncate on kept_heads
for each statement execute function refuse_change();

create trigger kept_items_append_only before update or delete or truncate on kept_items
for each statement execute function refuse_change();

grant select on kept, kept_heads, kept_items to ledger_app;

-- Keeps the open items where half a month has none yet. Heads and items are read in one statement, so
-- that they are of one moment, whoever books meanwhile.
create function keep_open_items(in_schema text, through date) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    is_kept boolean;
    asked text := format(
        'select exists (select from %I.kept where recorded_through >= $1)', in_schema
    );
    half date := date_trunc('month', through::timestamp)::date
        + case when extract(day from through) > 15 then 15 else 0 end;
begin
    execute asked into is_kept using half;
    if is_kept or through is null then
        return;
    end if;
    -- Two who book take turns; the second finds it kept.
    perform pg_advisory_xact_lock(hashtextextended('open items of ' || in_schema, 0));
    execute asked into is_kept using half;
    if is_kept then
        return;
    end if;
    execute format(
        'with noted as ('
        '    insert into %1$I.kept (recorded_through) values ($1) returning number'
        '), '
        'heads as ('
        '    insert into %1$I.kept_heads (number, origin_id, sequence, recorded_at) '
        '    select n.number, o.origin_id, o.sequence, e.recorded_at '
        '    from noted as n cross join %1$I.origins as o '
        '    join %1$I.entries as e on e.origin_id = o.origin_id and e.sequence = o.sequence'
        ') '
        'insert into %1$I.kept_items (number, exponent, book, account, key, currency, minor) '
        'select n.number, i.exponent, i.book, i.account, i.key, i.currency, i.minor '
        'from noted as n cross join %1$I.open_items as i where i.minor <> 0 '
        'order by i.book, i.account, i.key, i.currency',
        in_schema
    ) using through;
end
$$;

revoke execute on function keep_open_items(text, date) from public;

-- Folds the days up to one. Who books waits for it meanwhile; it reads only what is not folded yet.
create or replace function fold_days(in_schema text, through date) returns void
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
    execute format('select %I.keep_open_items($1, $2)', in_schema) using in_schema, through;
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

-- A filter for each range of pages, by account and by when it was recorded: a few hundredths of what
-- an index would take, and nothing to look up when a posting is added. Whoever reads a seldom account
-- reads its ranges alone; whoever reads a busy one, those of the days that are asked for.
create index postings_account_index on postings
using brin (
    account text_bloom_ops (n_distinct_per_range = 64, false_positive_rate = 0.01),
    recorded_at timestamptz_minmax_ops
)
with (pages_per_range = 32, autosummarize = on);

-- In which days an account moved is asked for every page of its postings.
create index folded_days_account_index on folded_days (book, account, effective_day, recorded_day);

do $$
begin
    perform keep_open_items(current_schema(), (select max(recorded_day) from day_buckets));
end
$$;
