-- What is told of a closed day later is reported on the first day that was open when it was recorded.
--
-- The sums by day and month are those of reported days. Where entries are read one by one, those that
-- are reported on their own day are found by their own time, and the few late ones by the day they
-- are reported on: `reported_day` and `reported_at`, its midnight, are null for all others.

-- What was moved to another day leaves a row of nothing, which is no turnover.
create or replace view day_turnover as
select
    book, account, currency, effective_day, recorded_day, exponent, debit_minor, credit_minor
from ledger.day_buckets
where debit_minor <> 0 or credit_minor <> 0;

create or replace view month_turnover as
select
    book, account, currency, effective_month, recorded_month, exponent, debit_minor, credit_minor
from ledger.month_buckets
where debit_minor <> 0 or credit_minor <> 0;

create or replace view movements as
select
    e.book, e.effective_at, e.recorded_at, e.origin_id, o.topic, o.partition, e.sequence,
    p.ordinal, e.reference, e.kind, e.description, p.account, p.key, p.direction, p.minor,
    p.currency, p.exponent, l.reported_day, l.reported_at
from ledger.entries as e
join ledger.postings as p on p.origin_id = e.origin_id and p.sequence = e.sequence
join ledger.origins as o on o.origin_id = e.origin_id
left join ledger.late_entries as l on l.origin_id = e.origin_id and l.sequence = e.sequence;

-- Entries that are reported on a later day than their own.
create view late_entries as
select
    e.book, o.topic, o.partition, e.sequence, e.reference, e.kind, e.effective_at, e.recorded_at,
    l.reported_day
from ledger.late_entries as l
join ledger.entries as e on e.origin_id = l.origin_id and e.sequence = l.sequence
join ledger.origins as o on o.origin_id = l.origin_id;

-- Every closing, locking and opening of a book; the last number holds.
create view periods as
select
    p.book, p.number, p.since, p.closed_through, p.locked_through, o.topic, o.partition,
    p.caused_offset as "offset"
from ledger.periods as p
join ledger.origins as o on o.origin_id = p.origin_id;

-- Every opening, closing and renaming of an account; the last number of an account holds.
create view account_history as
select
    a.book, a.account, a.number, a.display, a.is_open, a.is_of_chart, a.key, a.normal, a.has_floor,
    a.recorded_at, o.topic, o.partition, a.caused_offset as "offset"
from ledger.account_changes as a
join ledger.origins as o on o.origin_id = a.origin_id;

-- Amounts set aside, with how they ended: settled, released, or null while they are open. One whose
-- `expires_at` has passed holds nothing.
create view holds as
select
    book, hold, account, key, currency, exponent, minor, placed_at, expires_at, ended, ended_at
from ledger.holds
where account is not null;

-- The same from the journal, for moments within a day: a span of either axis, its end excluded.
create or replace function turnover_within(
    in_book text,
    effective_from timestamptz default null,
    effective_before timestamptz default null,
    recorded_from timestamptz default null,
    recorded_before timestamptz default null
) returns table (
    account text, currency text, exponent smallint, debit_minor numeric, credit_minor numeric
) language sql stable as $$
    select
        v.account, v.currency, max(v.exponent),
        coalesce(sum(v.minor) filter (where v.direction = 'debit'), 0),
        coalesce(sum(v.minor) filter (where v.direction = 'credit'), 0)
    from (
        select m.account, m.currency, m.exponent, m.direction, m.minor
        from ledger_read.movements as m
        where
            m.book = in_book
            and m.reported_at is null
            and m.effective_at >= coalesce(effective_from, '-infinity')
            and m.effective_at < coalesce(effective_before, 'infinity')
            and m.recorded_at >= coalesce(recorded_from, '-infinity')
            and m.recorded_at < coalesce(recorded_before, 'infinity')
        union all
        select m.account, m.currency, m.exponent, m.direction, m.minor
        from ledger_read.movements as m
        where
            m.book = in_book
            and m.reported_at >= coalesce(effective_from, '-infinity')
            and m.reported_at < coalesce(effective_before, 'infinity')
            and m.recorded_at >= coalesce(recorded_from, '-infinity')
            and m.recorded_at < coalesce(recorded_before, 'infinity')
    ) as v
    group by v.account, v.currency
$$;

-- The same by day.
create function turnover_within_days(
    in_book text,
    time_zone text,
    effective_from timestamptz default null,
    effective_before timestamptz default null,
    recorded_from timestamptz default null,
    recorded_before timestamptz default null
) returns table (
    account text, currency text, exponent smallint, day date, debit_minor numeric,
    credit_minor numeric
) language sql stable as $$
    select
        v.account, v.currency, max(v.exponent), v.day,
        coalesce(sum(v.minor) filter (where v.direction = 'debit'), 0),
        coalesce(sum(v.minor) filter (where v.direction = 'credit'), 0)
    from (
        select
            m.account, m.currency, m.exponent, m.direction, m.minor,
            (m.effective_at at time zone time_zone)::date as day
        from ledger_read.movements as m
        where
            m.book = in_book
            and m.reported_at is null
            and m.effective_at >= coalesce(effective_from, '-infinity')
            and m.effective_at < coalesce(effective_before, 'infinity')
            and m.recorded_at >= coalesce(recorded_from, '-infinity')
            and m.recorded_at < coalesce(recorded_before, 'infinity')
        union all
        select m.account, m.currency, m.exponent, m.direction, m.minor, m.reported_day
        from ledger_read.movements as m
        where
            m.book = in_book
            and m.reported_at >= coalesce(effective_from, '-infinity')
            and m.reported_at < coalesce(effective_before, 'infinity')
            and m.recorded_at >= coalesce(recorded_from, '-infinity')
            and m.recorded_at < coalesce(recorded_before, 'infinity')
    ) as v
    group by v.account, v.currency, v.day
$$;

-- Postings of an account in certain spans of time (their ends excluded), behind a place, in order.
-- `effective_at` is the time that they stand at; `happened_at` their own, where that is another.
drop function movements_of_account(
    text, text, timestamptz [], timestamptz [], timestamptz, timestamptz, integer, bigint, smallint,
    integer
);
create function movements_of_account(
    in_book text,
    in_account text,
    begins timestamptz [],
    ends timestamptz [],
    recorded_before timestamptz,
    after_effective_at timestamptz,
    after_origin_id integer,
    after_sequence bigint,
    after_ordinal smallint,
    count_max integer
) returns table (
    effective_at timestamptz, recorded_at timestamptz, origin_id integer, topic text,
    partition integer, sequence bigint, ordinal smallint, reference text, kind text,
    description text, key text, direction text, minor numeric, currency text, exponent smallint,
    happened_at timestamptz, reported_day date
) language sql stable
set enable_hashjoin = off
set enable_mergejoin = off
set enable_seqscan = off
as $$
    select
        m.effective_at, m.recorded_at, m.origin_id, m.topic, m.partition, m.sequence, m.ordinal,
        m.reference, m.kind, m.description, m.key, m.direction, m.minor, m.currency, m.exponent,
        m.happened_at, m.reported_day
    from unnest(begins, ends) as d (begins, ends)
    cross join lateral (
        (
            select
                v.effective_at, v.recorded_at, v.origin_id, v.topic, v.partition, v.sequence,
                v.ordinal, v.reference, v.kind, v.description, v.key, v.direction, v.minor,
                v.currency, v.exponent, null::timestamptz as happened_at, null::date as reported_day
            from ledger_read.movements as v
            where
                v.book = in_book
                and v.account = in_account
                and v.reported_at is null
                and v.effective_at >= greatest(d.begins, after_effective_at)
                and v.effective_at < d.ends
                and v.recorded_at < coalesce(recorded_before, 'infinity')
                and (v.effective_at, v.origin_id, v.sequence, v.ordinal)
                > (after_effective_at, after_origin_id, after_sequence, after_ordinal)
            order by v.effective_at, v.origin_id, v.sequence, v.ordinal
            limit count_max
        )
        union all
        (
            select
                v.reported_at, v.recorded_at, v.origin_id, v.topic, v.partition, v.sequence,
                v.ordinal, v.reference, v.kind, v.description, v.key, v.direction, v.minor,
                v.currency, v.exponent, v.effective_at, v.reported_day
            from ledger_read.movements as v
            where
                v.book = in_book
                and v.account = in_account
                and v.reported_at >= greatest(d.begins, after_effective_at)
                and v.reported_at < d.ends
                and v.recorded_at < coalesce(recorded_before, 'infinity')
                and (v.reported_at, v.origin_id, v.sequence, v.ordinal)
                > (after_effective_at, after_origin_id, after_sequence, after_ordinal)
            order by v.reported_at, v.origin_id, v.sequence, v.ordinal
            limit count_max
        )
    ) as m
    order by m.effective_at, m.origin_id, m.sequence, m.ordinal
    limit count_max
$$;

-- What an account turned over from a moment up to a place in that order, which is included.
create or replace function turnover_up_to_place(
    in_book text,
    in_account text,
    effective_from timestamptz,
    recorded_before timestamptz,
    at_effective_at timestamptz,
    at_origin_id integer,
    at_sequence bigint,
    at_ordinal smallint
) returns table (
    currency text, exponent smallint, debit_minor numeric, credit_minor numeric
) language sql stable
set enable_hashjoin = off
set enable_mergejoin = off
set enable_seqscan = off
as $$
    select
        s.currency, max(s.exponent),
        coalesce(sum(s.minor) filter (where s.direction = 'debit'), 0),
        coalesce(sum(s.minor) filter (where s.direction = 'credit'), 0)
    from (
        select v.currency, v.exponent, v.direction, v.minor
        from ledger_read.movements as v
        where
            v.book = in_book
            and v.account = in_account
            and v.reported_at is null
            and v.effective_at >= effective_from
            and v.effective_at <= at_effective_at
            and v.recorded_at < coalesce(recorded_before, 'infinity')
            and (v.effective_at, v.origin_id, v.sequence, v.ordinal)
            <= (at_effective_at, at_origin_id, at_sequence, at_ordinal)
        union all
        select v.currency, v.exponent, v.direction, v.minor
        from ledger_read.movements as v
        where
            v.book = in_book
            and v.account = in_account
            and v.reported_at >= effective_from
            and v.reported_at <= at_effective_at
            and v.recorded_at < coalesce(recorded_before, 'infinity')
            and (v.reported_at, v.origin_id, v.sequence, v.ordinal)
            <= (at_effective_at, at_origin_id, at_sequence, at_ordinal)
    ) as s
    group by s.currency
$$;

grant select on late_entries, periods, account_history, holds to ledger_reader;
