-- Roll-ups by key as of any moment, not only as the keys stand now.

-- Turnover under the keys of an account, and of those under it, in certain spans of the effective axis
-- (their ends excluded), of what was recorded in a span of the other. Reads the entries of the spans,
-- and no more than `count_max` of their postings: `postings` tells how many each row is of.
create function turnover_of_keys(
    in_book text,
    in_account text,
    begins timestamptz [],
    ends timestamptz [],
    recorded_from timestamptz default null,
    recorded_before timestamptz default null,
    count_max bigint default null
) returns table (
    account text, key text, currency text, exponent smallint, debit_minor numeric,
    credit_minor numeric, postings bigint
) language sql stable
set enable_hashjoin = off
set enable_mergejoin = off
set enable_seqscan = off
as $$
    select
        v.account, v.key, v.currency, max(v.exponent),
        coalesce(sum(v.minor) filter (where v.direction = 'debit'), 0),
        coalesce(sum(v.minor) filter (where v.direction = 'credit'), 0),
        count(*)
    from (
        select n.account, n.key, n.currency, n.exponent, n.direction, n.minor
        from unnest(begins, ends) as d (begins, ends)
        cross join lateral (
            select m.account, m.key, m.currency, m.exponent, m.direction, m.minor
            from ledger_read.movements as m
            where
                m.book = in_book
                and m.key <> ''
                and (m.account = in_account or starts_with(m.account, in_account || ':'))
                and m.reported_at is null
                and m.effective_at >= d.begins
                and m.effective_at < d.ends
                and m.recorded_at >= coalesce(recorded_from, '-infinity')
                and m.recorded_at < coalesce(recorded_before, 'infinity')
            union all
            select m.account, m.key, m.currency, m.exponent, m.direction, m.minor
            from ledger_read.movements as m
            where
                m.book = in_book
                and m.key <> ''
                and (m.account = in_account or starts_with(m.account, in_account || ':'))
                and m.reported_at >= d.begins
                and m.reported_at < d.ends
                and m.recorded_at >= coalesce(recorded_from, '-infinity')
                and m.recorded_at < coalesce(recorded_before, 'infinity')
        ) as n
        limit count_max
    ) as v
    group by v.account, v.key, v.currency
$$;

-- What stood open under each key of an account, and of those under it, at a moment of either axis
-- (the moment itself excluded): what stands now without what came since. A bound that is null is none.
create function open_items_as_of(
    in_book text,
    in_account text,
    effective_before timestamptz default null,
    recorded_before timestamptz default null
) returns table (account text, key text, currency text, exponent smallint, minor numeric)
language sql stable as $$
    select v.account, v.key, v.currency, max(v.exponent), sum(v.minor)
    from (
        select i.account, i.key, i.currency, i.exponent, i.minor
        from ledger_read.open_items as i
        where
            i.book = in_book
            and (i.account = in_account or starts_with(i.account, in_account || ':'))
        union all
        select t.account, t.key, t.currency, t.exponent, t.credit_minor - t.debit_minor
        from ledger_read.turnover_of_keys(
            in_book, in_account, array[effective_before], array['infinity'::timestamptz]
        ) as t
        where effective_before is not null
        union all
        select t.account, t.key, t.currency, t.exponent, t.credit_minor - t.debit_minor
        from ledger_read.turnover_of_keys(
            in_book, in_account, array['-infinity'::timestamptz],
            array[coalesce(effective_before, 'infinity')], recorded_before
        ) as t
        where recorded_before is not null
    ) as v
    group by v.account, v.key, v.currency
    having sum(v.minor) <> 0
    order by v.account, v.key, v.currency
$$;
