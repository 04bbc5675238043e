-- Postings are read by account where an account has few, and what stood under keys at a moment is read
-- from what was kept near it. What a page or a moment costs then does not grow with the journal.

-- Each posting with its entry, to be found by its account and when it was recorded. `stands_at` is when
-- it counts: its entry's own time, or the midnight of the later day that it is reported on.
create view account_postings as
select
    p.account, p.recorded_at, e.book, coalesce(l.reported_at, e.effective_at) as stands_at,
    e.effective_at, l.reported_day, p.origin_id, o.topic, o.partition, p.sequence, p.ordinal, p.key,
    p.direction, p.minor, p.currency, p.exponent, e.reference, e.kind, e.description
from ledger.postings as p
join ledger.entries as e
    on e.origin_id = p.origin_id and e.sequence = p.sequence and e.recorded_at = p.recorded_at
join ledger.origins as o on o.origin_id = p.origin_id
left join ledger.late_entries as l on l.origin_id = e.origin_id and l.sequence = e.sequence;

-- Of each moment at which open items were kept, how far every input had been booked: `recorded_at` is
-- the time of its last entry then, `next_recorded_at` that of its first entry since. Null: none.
create view kept_heads as
select
    k.number, o.origin_id, coalesce(h.sequence, 0) as sequence, h.recorded_at,
    (
        select n.recorded_at
        from ledger.entries as n
        where n.origin_id = o.origin_id and n.sequence = coalesce(h.sequence, 0) + 1
    ) as next_recorded_at
from ledger.kept as k
cross join ledger.origins as o
left join ledger.kept_heads as h on h.number = k.number and h.origin_id = o.origin_id;

create view kept_items as
select number, book, account, key, currency, exponent, minor
from ledger.kept_items;

grant select on account_postings, kept_heads, kept_items to ledger_reader;

-- Entries of an input behind a sequence, in their order. Sequences have no gaps: so a stretch of them is
-- found by itself, and longer ones follow where they are of other books.
create function entries_of_origin(
    in_book text, in_topic text, in_partition integer, after_sequence bigint, count_max integer
) returns setof ledger_read.entries language plpgsql stable
set enable_bitmapscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set enable_seqscan = off
set plan_cache_mode = force_generic_plan
as $$
declare
    done_through bigint := after_sequence;
    stretch bigint := 2 * count_max;
    left_over integer := count_max;
    got integer;
    head constant bigint := (
        select o.sequence
        from ledger_read.origins as o
        where o.topic = in_topic and o.partition = in_partition
    );
begin
    while left_over > 0 and done_through < head loop
        return query
        select e.*
        from ledger_read.entries as e
        where
            e.topic = in_topic
            and e.partition = in_partition
            and e.sequence > done_through
            and e.sequence <= done_through + stretch
            and e.book = in_book
        order by e.sequence
        limit left_over;
        get diagnostics got = row_count;
        left_over := left_over - got;
        done_through := done_through + stretch;
        stretch := least(2 * stretch, 20000);
    end loop;
end
$$;

-- The postings of some entries of an input, which were recorded in a span of time (its end included).
create function postings_of_sequences(
    in_topic text,
    in_partition integer,
    sequences bigint [],
    recorded_from timestamptz,
    recorded_through timestamptz
) returns setof ledger_read.account_postings language sql stable
set enable_hashjoin = off
set enable_mergejoin = off
set enable_seqscan = off
set plan_cache_mode = force_generic_plan
as $$
    select p.*
    from unnest(sequences) as s (sequence)
    cross join lateral (
        select m.*
        from ledger_read.account_postings as m
        where
            m.topic = in_topic
            and m.partition = in_partition
            and m.sequence = s.sequence
            and m.recorded_at >= recorded_from
            and m.recorded_at <= recorded_through
        -- Planned by itself, for each entry.
        offset 0
    ) as p
$$;

-- Days, in spans without a gap: where each begins and, excluded, ends.
create function spans_of_days(days date [], time_zone text)
returns table (begins timestamptz, ends timestamptz) language sql stable as $$
    select
        min(g.day)::timestamp at time zone time_zone,
        (max(g.day) + 1)::timestamp at time zone time_zone
    from (
        select d.day, d.day - (dense_rank() over (order by d.day))::integer as island
        from unnest(days) as d (day)
    ) as g
    group by g.island
$$;

-- The accounts of a book that have a name, or are under it.
create function accounts_under(in_book text, in_account text) returns text []
language sql stable as $$
    select coalesce(array_agg(distinct b.account order by b.account), '{}')
    from ledger_read.balances as b
    where
        b.book = in_book and (b.account = in_account or starts_with(b.account, in_account || ':'))
$$;

-- Postings of accounts that were recorded in certain days, no more than `count_max`.
create function postings_of_days(
    in_book text, accounts text [], recorded_days date [], time_zone text, count_max bigint
) returns setof ledger_read.account_postings language sql stable
set enable_hashjoin = off
set enable_mergejoin = off
set enable_seqscan = off
set plan_cache_mode = force_generic_plan
as $$
    select m.*
    from unnest(accounts) as a (account)
    cross join ledger_read.spans_of_days(recorded_days, time_zone) as s
    cross join lateral (
        select p.*
        from ledger_read.account_postings as p
        where
            p.account = a.account
            and p.recorded_at >= s.begins
            and p.recorded_at < s.ends
            and p.book = in_book
        -- Planned by itself, for each account and span.
        offset 0
    ) as m
    limit count_max
$$;

-- Turnover under the keys of an account, and of those under it, of what stands in a span of moments
-- (its end excluded) and was recorded before one. Reads no more than `count_max` postings: those of
-- the account that were recorded in days in which something of the span was. `postings` says how many.
create function turnover_of_keys_between(
    in_book text,
    in_account text,
    time_zone text,
    begins timestamptz,
    ends timestamptz,
    recorded_before timestamptz,
    count_max bigint
) returns table (
    account text, key text, currency text, exponent smallint, debit_minor numeric,
    credit_minor numeric, postings bigint
) language sql stable
as $$
    with under as materialized (
        select ledger_read.accounts_under(in_book, in_account) as accounts
    ),
    days as materialized (
        select coalesce(array_agg(distinct d.recorded_day), '{}') as recorded
        from under as u
        join ledger_read.day_turnover as d on d.book = in_book and d.account = any(u.accounts)
        where
            d.effective_day >= coalesce((begins at time zone time_zone)::date, '-infinity')
            and d.effective_day <= coalesce((ends at time zone time_zone)::date, 'infinity')
            and d.recorded_day <= coalesce((recorded_before at time zone time_zone)::date, 'infinity')
    ),
    taken as materialized (
        select p.*
        from under as u
        cross join days as d
        cross join lateral ledger_read.postings_of_days(
            in_book, u.accounts, d.recorded, time_zone, count_max
        ) as p
    )
    select
        t.account, t.key, t.currency, max(t.exponent),
        coalesce(sum(t.minor) filter (where t.direction = 'debit'), 0),
        coalesce(sum(t.minor) filter (where t.direction = 'credit'), 0),
        (select count(*) from taken)
    from taken as t
    where
        t.key <> ''
        and t.stands_at >= coalesce(begins, '-infinity')
        and t.stands_at < coalesce(ends, 'infinity')
        and t.recorded_at < coalesce(recorded_before, 'infinity')
    group by t.account, t.key, t.currency
$$;

-- What stood open under each key of an account, and of those under it, at a moment of either axis (the
-- moment itself excluded; null: now). It begins with what stands now, with nothing, or with what was
-- kept twice a month, whichever has the fewest days to read between it and the moment; and reads no
-- more than `count_max` postings and keys: `looked_at` says how many.
create function open_keys_as_of(
    in_book text,
    in_account text,
    time_zone text,
    effective_before timestamptz,
    recorded_before timestamptz,
    count_max bigint
) returns table (
    account text, key text, currency text, exponent smallint, minor numeric, looked_at bigint
) language plpgsql stable as $$
#variable_conflict use_column
declare
    names text [] := ledger_read.accounts_under(in_book, in_account);
    day_effective date := coalesce((effective_before at time zone time_zone)::date, 'infinity');
    day_recorded date := coalesce((recorded_before at time zone time_zone)::date, 'infinity');
    chosen integer;
    to_read date [];
begin
    -- Of each recorded day, whether all of it counts at the moment, and whether any of it does.
    with days as materialized (
        select
            d.recorded_day as day,
            bool_and(d.effective_day < day_effective and d.recorded_day < day_recorded) as is_whole,
            bool_or(d.effective_day <= day_effective and d.recorded_day <= day_recorded) as is_any
        from ledger_read.day_turnover as d
        where d.book = in_book and d.account = any(names)
        group by d.recorded_day
    ),
    starts as (
        select
            h.number,
            coalesce((min(h.next_recorded_at) at time zone time_zone)::date, 'infinity') as first_since,
            coalesce((max(h.recorded_at) at time zone time_zone)::date, '-infinity') as last_in
        from ledger_read.kept_heads as h
        group by h.number
        union all
        values (0, date '-infinity', date '-infinity'), (null, 'infinity', 'infinity')
    )
    select s.number, coalesce(r.days, '{}')
    into chosen, to_read
    from starts as s
    cross join lateral (
        select array_agg(d.day) as days
        from days as d
        where (d.day <= s.last_in and not d.is_whole) or (d.day >= s.first_since and d.is_any)
    ) as r
    order by cardinality(coalesce(r.days, '{}')), s.number
    limit 1;
    return query
    with begun as materialized (
        select i.account, i.key, i.currency, i.exponent, i.minor
        from ledger_read.open_items as i
        where chosen is null and i.book = in_book and i.account = any(names)
        union all
        select i.account, i.key, i.currency, i.exponent, i.minor
        from ledger_read.kept_items as i
        where i.number = chosen and i.book = in_book and i.account = any(names)
        limit count_max
    ),
    heads as materialized (
        select h.origin_id, h.sequence
        from ledger_read.kept_heads as h
        where h.number = chosen
    ),
    taken as materialized (
        select
            p.account, p.key, p.currency, p.exponent,
            case p.direction when 'debit' then p.minor else -p.minor end as net,
            chosen is null or coalesce(p.sequence <= h.sequence, false) as is_in,
            p.stands_at < coalesce(effective_before, 'infinity')
            and p.recorded_at < coalesce(recorded_before, 'infinity') as counts
        from ledger_read.postings_of_days(in_book, names, to_read, time_zone, count_max) as p
        left join heads as h on h.origin_id = p.origin_id
    ),
    looked as (
        select (select count(*) from begun) + (select count(*) from taken) as count
    )
    select v.account, v.key, v.currency, max(v.exponent), sum(v.minor), max(l.count)
    from (
        select b.account, b.key, b.currency, b.exponent, b.minor
        from begun as b
        union all
        select t.account, t.key, t.currency, t.exponent, case when t.is_in then -t.net else t.net end
        from taken as t
        where t.key <> '' and t.is_in <> t.counts
    ) as v
    cross join looked as l
    group by v.account, v.key, v.currency
    having sum(v.minor) <> 0 or max(l.count) >= count_max;
end
$$;

-- A page of an account's postings of certain days, behind a place, in order: those that stand before
-- `ends` and were recorded before `recorded_before`. `effective_at` is the time that they stand at;
-- `happened_at` their own, where that is another.
--
-- Where the account moved more than a thousand times on a day, entries are walked through in their
-- order until the page is full; else the account's few postings are looked for by themselves. It
-- begins with the first day, and takes twice as many each time as long as the page is not full: neither
-- a busy account nor a seldom one is read much further than the page needs.
create function page_of_account(
    in_book text,
    in_account text,
    time_zone text,
    from_day date,
    ends timestamptz,
    recorded_before timestamptz,
    after_effective_at timestamptz,
    after_origin_id integer,
    after_sequence bigint,
    after_ordinal smallint,
    count_max integer
) returns table (
    effective_at timestamptz, recorded_at timestamptz, topic text, partition integer,
    sequence bigint, ordinal smallint, reference text, kind text, description text, key text,
    direction text, minor numeric, currency text, exponent smallint, happened_at timestamptz,
    reported_day date
) language plpgsql stable as $$
#variable_conflict use_column
declare
    few constant integer := 1000;
    last_day date := coalesce((ends at time zone time_zone)::date, date '9999-12-30');
    last_recorded date := coalesce(
        (recorded_before at time zone time_zone)::date, date '9999-12-30'
    );
    next_day date := from_day;
    take integer := 1;
    left_over integer := count_max;
    days date [];
    recorded date [];
    span_ends timestamptz;
    found ledger_read.account_postings [];
    is_busy boolean;
    got integer;
begin
    while left_over > 0 loop
        days := array(
            select distinct d.effective_day
            from ledger_read.day_turnover as d
            where
                d.book = in_book
                and d.account = in_account
                and d.effective_day >= next_day
                and d.effective_day <= last_day
                and d.recorded_day <= last_recorded
            order by d.effective_day
            limit take
        );
        exit when cardinality(days) = 0;
        recorded := array(
            select distinct d.recorded_day
            from ledger_read.day_turnover as d
            where
                d.book = in_book
                and d.account = in_account
                and d.effective_day >= days[1]
                and d.effective_day <= days[cardinality(days)]
                and d.recorded_day <= last_recorded
        );
        span_ends := least(
            (days[cardinality(days)] + 1)::timestamp at time zone time_zone,
            coalesce(ends, 'infinity')
        );
        found := array(
            select p
            from ledger_read.postings_of_days(
                in_book, array[in_account], recorded, time_zone, few + 1
            ) as p
        );
        is_busy := cardinality(found) > few;
        if is_busy and take > 1 then
            take := 1;
            continue;
        elsif is_busy then
            return query
            select
                m.effective_at, m.recorded_at, m.topic, m.partition, m.sequence, m.ordinal,
                m.reference, m.kind, m.description, m.key, m.direction, m.minor, m.currency,
                m.exponent, m.happened_at, m.reported_day
            from ledger_read.movements_of_account(
                in_book, in_account,
                array[days[1]::timestamp at time zone time_zone], array[span_ends],
                recorded_before, after_effective_at, after_origin_id, after_sequence,
                after_ordinal, left_over
            ) as m;
        else
            return query
            select
                p.stands_at, p.recorded_at, p.topic, p.partition, p.sequence, p.ordinal,
                p.reference, p.kind, p.description, p.key, p.direction, p.minor, p.currency,
                p.exponent, case when p.reported_day is not null then p.effective_at end, p.reported_day
            from unnest(found) as p
            where
                p.stands_at >= days[1]::timestamp at time zone time_zone
                and p.stands_at < span_ends
                and p.recorded_at < coalesce(recorded_before, 'infinity')
                and (p.stands_at, p.origin_id, p.sequence, p.ordinal)
                > (after_effective_at, after_origin_id, after_sequence, after_ordinal)
            order by p.stands_at, p.origin_id, p.sequence, p.ordinal
            limit left_over;
        end if;
        get diagnostics got = row_count;
        left_over := left_over - got;
        next_day := days[cardinality(days)] + 1;
        take := least(take * 2, 64);
    end loop;
end
$$;

-- What an account turned over from a day's beginning up to a place of that day, which is included.
create function turnover_of_day_up_to_place(
    in_book text,
    in_account text,
    time_zone text,
    in_day date,
    recorded_before timestamptz,
    at_effective_at timestamptz,
    at_origin_id integer,
    at_sequence bigint,
    at_ordinal smallint
) returns table (
    currency text, exponent smallint, debit_minor numeric, credit_minor numeric
) language sql stable as $$
    with days as materialized (
        select coalesce(array_agg(distinct d.recorded_day), '{}') as recorded
        from ledger_read.day_turnover as d
        where
            d.book = in_book
            and d.account = in_account
            and d.effective_day = in_day
            and d.recorded_day
            <= coalesce((recorded_before at time zone time_zone)::date, date '9999-12-30')
    )
    select
        p.currency, max(p.exponent),
        coalesce(sum(p.minor) filter (where p.direction = 'debit'), 0),
        coalesce(sum(p.minor) filter (where p.direction = 'credit'), 0)
    from days as d
    cross join lateral ledger_read.postings_of_days(
        in_book, array[in_account], d.recorded, time_zone, null
    ) as p
    where
        p.stands_at >= in_day::timestamp at time zone time_zone
        and p.recorded_at < coalesce(recorded_before, 'infinity')
        and (p.stands_at, p.origin_id, p.sequence, p.ordinal)
        <= (at_effective_at, at_origin_id, at_sequence, at_ordinal)
    group by p.currency
$$;
