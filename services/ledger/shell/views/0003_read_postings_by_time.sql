-- A page of an account's postings is read entry by entry, never by going through all postings:
-- which the planner would choose while it thinks a span of time is much of the journal.

-- Postings of an account in certain spans of time (their ends excluded), behind a place, in order.
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
    description text, key text, direction text, minor numeric, currency text, exponent smallint
) language sql stable
set enable_hashjoin = off
set enable_mergejoin = off
set enable_seqscan = off
as $$
    select
        m.effective_at, m.recorded_at, m.origin_id, m.topic, m.partition, m.sequence, m.ordinal,
        m.reference, m.kind, m.description, m.key, m.direction, m.minor, m.currency, m.exponent
    from unnest(begins, ends) as d (begins, ends)
    cross join lateral (
        select v.*
        from ledger_read.movements as v
        where
            v.book = in_book
            and v.account = in_account
            and v.effective_at >= greatest(d.begins, after_effective_at)
            and v.effective_at < d.ends
            and v.recorded_at < coalesce(recorded_before, 'infinity')
            and (v.effective_at, v.origin_id, v.sequence, v.ordinal)
            > (after_effective_at, after_origin_id, after_sequence, after_ordinal)
        order by v.effective_at, v.origin_id, v.sequence, v.ordinal
        limit count_max
    ) as m
    order by m.effective_at, m.origin_id, m.sequence, m.ordinal
    limit count_max
$$;

-- What an account turned over from a moment up to a place in that order, which is included.
create function turnover_up_to_place(
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
        v.currency, max(v.exponent),
        coalesce(sum(v.minor) filter (where v.direction = 'debit'), 0),
        coalesce(sum(v.minor) filter (where v.direction = 'credit'), 0)
    from ledger_read.movements as v
    where
        v.book = in_book
        and v.account = in_account
        and v.effective_at >= effective_from
        and v.effective_at <= at_effective_at
        and v.recorded_at < coalesce(recorded_before, 'infinity')
        and (v.effective_at, v.origin_id, v.sequence, v.ordinal)
        <= (at_effective_at, at_origin_id, at_sequence, at_ordinal)
    group by v.currency
$$;
