-- Rates for statements in a reporting currency, until now told in sentences only.

-- One major unit of `base` is worth `rate` major units of `quote` on a day, as a command said.
create table exchange_rates (
    book text not null,
    base text not null,
    quote text not null,
    on_day date not null,
    rate numeric not null,
    base_exponent smallint not null,
    quote_exponent smallint not null,
    recorded_at timestamptz not null,
    origin_id integer not null,
    caused_offset bigint not null,
    constraint exchange_rates_pkey primary key (origin_id, caused_offset),
    constraint exchange_rates_rate_positive check (rate > 0),
    constraint exchange_rates_two_currencies check (base <> quote)
);

create index exchange_rates_pair_index on exchange_rates (book, base, quote, on_day);

create trigger exchange_rates_append_only before update or delete or truncate on exchange_rates
for each statement execute function refuse_change();

grant select, insert on exchange_rates to ledger_app;

-- What was recorded before this table was. The sentence has had this one form, and an exponent
-- other than two only for these currencies.
insert into exchange_rates (
    book, base, quote, on_day, rate, base_exponent, quote_exponent,
    recorded_at, origin_id, caused_offset
)
with decimals (exponent, codes) as (
    values
        (0, array['bif', 'clp', 'djf', 'gnf', 'jpy', 'kmf', 'krw', 'mga', 'pyg', 'rwf', 'vnd',
            'vuv', 'xaf', 'xof', 'xpf']),
        (3, array['bhd', 'jod', 'kwd', 'omr', 'tnd']),
        (6, array['usdc', 'usdt']),
        (8, array['btc']),
        (18, array['dai', 'eth', 'matic', 'pol'])
),
told as (
    select
        u.book, u.recorded_at, u.origin_id, u.caused_offset,
        regexp_match(u.detail, '^1 ([A-Z]+) is ([0-9.E+-]+) ([A-Z]+) on (\d{4}-\d\d-\d\d)$') as said
    from outcomes as u
    join origins as o on o.origin_id = u.origin_id
    where o.topic = 'ledger.commands' and u.outcome = 'accepted' and u.reference is null
)
select
    t.book, lower(t.said[1]), lower(t.said[3]), t.said[4]::date, t.said[2]::numeric,
    coalesce((select d.exponent from decimals as d where lower(t.said[1]) = any(d.codes)), 2),
    coalesce((select d.exponent from decimals as d where lower(t.said[3]) = any(d.codes)), 2),
    t.recorded_at, t.origin_id, t.caused_offset
from told as t
where t.said is not null;
