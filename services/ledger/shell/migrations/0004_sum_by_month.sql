-- A statement of years must not read every day of them, nor look through all days for one of them.

-- Whoever books meanwhile waits: what is summed below and what the triggers add must meet exactly.
lock table day_buckets in share row exclusive mode;

create table month_buckets (
    book text not null,
    account text not null,
    currency text not null,
    effective_month date not null,
    recorded_month date not null,
    origin_id integer not null,
    exponent smallint not null,
    debit_minor numeric(38, 0) not null,
    credit_minor numeric(38, 0) not null,
    constraint month_buckets_pkey
        primary key (book, account, currency, effective_month, recorded_month, origin_id)
) with (fillfactor = 60);

create index day_buckets_effective_day_index on day_buckets (book, effective_day, recorded_day);

create index day_buckets_recorded_day_index on day_buckets (book, recorded_day);

insert into month_buckets (
    book, account, currency, effective_month, recorded_month, origin_id,
    exponent, debit_minor, credit_minor
)
select
    book, account, currency,
    date_trunc('month', effective_day::timestamp)::date,
    date_trunc('month', recorded_day::timestamp)::date,
    origin_id, max(exponent), sum(debit_minor), sum(credit_minor)
from day_buckets
group by 1, 2, 3, 4, 5, 6;

-- Months follow from days by trigger, so that no writer of days, older than this file or newer,
-- can leave them behind. A row that is only moved counts once with each sign.

create function sum_days_by_month() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    moved text := 'select a.*, 1 as sign from after as a';
begin
    if tg_op = 'UPDATE' then
        moved := moved || ' union all select b.*, -1 as sign from before as b';
    end if;
    execute format(
        'insert into %1$I.month_buckets as m ('
        '    book, account, currency, effective_month, recorded_month, origin_id, '
        '    exponent, debit_minor, credit_minor) '
        'select book, account, currency, '
        '    date_trunc(''month'', effective_day::timestamp)::date, '
        '    date_trunc(''month'', recorded_day::timestamp)::date, '
        '    origin_id, max(exponent), sum(sign * debit_minor), sum(sign * credit_minor) '
        'from (%2$s) as moved group by 1, 2, 3, 4, 5, 6 order by 1, 2, 3, 4, 5, 6 '
        'on conflict (book, account, currency, effective_month, recorded_month, origin_id) '
        'do update set debit_minor = m.debit_minor + excluded.debit_minor, '
        '    credit_minor = m.credit_minor + excluded.credit_minor',
        tg_table_schema, moved
    );
    return null;
end
$$;

create trigger day_buckets_added after insert on day_buckets
referencing new table as after
for each statement execute function sum_days_by_month();

create trigger day_buckets_moved after update on day_buckets
referencing old table as before new table as after
for each statement execute function sum_days_by_month();

grant select on month_buckets to ledger_app;
