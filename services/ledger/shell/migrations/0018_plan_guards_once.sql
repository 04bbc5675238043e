-- What the journal's triggers do is planned once in a connection, and no longer with every batch: of a
-- batch of two messages, two thirds of what the database did was to plan the same statements anew.
--
-- Their functions still find their tables by the schema of the table that fired them, so that they
-- hold in every generation: each puts that schema alone, in which only the owner can make anything,
-- into its own search path, which ends with the function. A plan is kept for the schema it was made in.

create or replace function note_postings() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    perform set_config('search_path', format('pg_catalog, %I, pg_temp', tg_table_schema), true);
    insert into journal_notes (
        origin_id, first_sequence, last_sequence, first_recorded_at, last_recorded_at
    )
    select origin_id, min(sequence), max(sequence), min(recorded_at), max(recorded_at)
    from written
    group by origin_id
    on conflict do nothing;
    return null;
end
$$;

create or replace function note_entries() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    wrong record;
begin
    perform set_config('search_path', format('pg_catalog, %I, pg_temp', tg_table_schema), true);
    with noted as (
        select
            origin_id, min(sequence) as first_sequence, max(sequence) as last_sequence,
            min(recorded_at) as first_recorded_at, max(recorded_at) as last_recorded_at,
            count(*) as entries, count(distinct sequence) as sequences
        from written
        group by origin_id
    ),
    moved as (
        update origins as o
        set sequence = n.last_sequence
        from noted as n
        where
            o.origin_id = n.origin_id
            and o.sequence < n.first_sequence
            and n.entries = n.sequences
        returning o.origin_id
    ),
    kept as (
        insert into journal_notes (
            origin_id, first_sequence, last_sequence, first_recorded_at, last_recorded_at
        )
        select origin_id, first_sequence, last_sequence, first_recorded_at, last_recorded_at
        from noted
        on conflict do nothing
    )
    select n.origin_id, n.first_sequence
    into wrong
    from noted as n
    where n.origin_id not in (select m.origin_id from moved as m)
    order by 1
    limit 1;
    if wrong.origin_id is not null then
        raise exception 'origin % goes on behind its head, and not at %',
            wrong.origin_id, wrong.first_sequence
            using errcode = 'check_violation', constraint = 'entries_sequence_unique';
    end if;
    return null;
end
$$;

-- Which months are in question is known when it runs, and the others are not looked into then.
create or replace function check_journal_notes() returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set jit = off as $$
declare
    noted record;
    wrong record;
begin
    perform set_config('search_path', format('pg_catalog, %I, pg_temp', tg_table_schema), true);
    with notes as (
        delete from journal_notes
        where transaction = new.transaction
        returning origin_id, first_sequence, last_sequence, first_recorded_at, last_recorded_at
    )
    select
        array_agg(origin_id) as origin_ids, array_agg(first_sequence) as first,
        array_agg(last_sequence) as last, min(first_recorded_at) as since,
        max(last_recorded_at) as until
    into noted
    from notes;
    if noted.since is null then
        return null;
    end if;
    select notes.origin_id, found.*
    into wrong
    from unnest(noted.origin_ids, noted.first, noted.last)
        as notes (origin_id, first_sequence, last_sequence)
    cross join lateral (
        select
            coalesce(written.sequence, legs.sequence) as sequence, written.reference,
            written.posting_count, coalesce(legs.legs, 0) as legs, legs.excess
        from (
            select sequence, recorded_at, sum(legs) as legs, max(abs(excess)) as excess
            from (
                select
                    sequence, recorded_at, count(*) as legs,
                    sum(case direction when 'debit' then minor else -minor end) as excess
                from postings
                where
                    origin_id = notes.origin_id
                    and sequence between notes.first_sequence and notes.last_sequence
                    and recorded_at between noted.since and noted.until
                group by sequence, recorded_at, currency
            ) as sums
            group by sequence, recorded_at
        ) as legs
        full join (
            select sequence, recorded_at, reference, posting_count
            from entries
            where
                origin_id = notes.origin_id
                and sequence between notes.first_sequence and notes.last_sequence
                and recorded_at between noted.since and noted.until
        ) as written
            on written.sequence = legs.sequence and written.recorded_at = legs.recorded_at
        where
            posting_count is null
            or legs.legs is distinct from posting_count
            or legs.excess <> 0
        order by 1
        limit 1
    ) as found
    order by 1, 2
    limit 1;
    if wrong.sequence is null then
        return null;
    end if;
    if wrong.posting_count is null then
        raise exception 'postings without an entry: origin %, sequence %',
            wrong.origin_id, wrong.sequence
            using errcode = 'check_violation', constraint = 'postings_entry_exists';
    end if;
    if wrong.legs <> wrong.posting_count then
        raise exception 'entry % has % postings, not %',
            wrong.reference, wrong.legs, wrong.posting_count
            using errcode = 'check_violation', constraint = 'entries_postings_complete';
    end if;
    raise exception 'entry % does not balance: off by %', wrong.reference, wrong.excess
        using errcode = 'check_violation', constraint = 'entries_balance';
end
$$;

create or replace function sum_days_by_month() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    perform set_config('search_path', format('pg_catalog, %I, pg_temp', tg_table_schema), true);
    if tg_op = 'INSERT' then
        insert into month_buckets as m (
            book, account, currency, effective_month, recorded_month, origin_id,
            exponent, debit_minor, credit_minor
        )
        select
            book, account, currency,
            date_trunc('month', effective_day::timestamp)::date,
            date_trunc('month', recorded_day::timestamp)::date,
            origin_id, max(exponent), sum(debit_minor), sum(credit_minor)
        from after
        group by 1, 2, 3, 4, 5, 6
        order by 1, 2, 3, 4, 5, 6
        on conflict (book, account, currency, effective_month, recorded_month, origin_id)
        do update set
            debit_minor = m.debit_minor + excluded.debit_minor,
            credit_minor = m.credit_minor + excluded.credit_minor;
    else
        insert into month_buckets as m (
            book, account, currency, effective_month, recorded_month, origin_id,
            exponent, debit_minor, credit_minor
        )
        select
            book, account, currency,
            date_trunc('month', effective_day::timestamp)::date,
            date_trunc('month', recorded_day::timestamp)::date,
            origin_id, max(exponent), sum(sign * debit_minor), sum(sign * credit_minor)
        from (
            select
                book, account, currency, effective_day, recorded_day, origin_id, exponent,
                debit_minor, credit_minor, 1 as sign
            from after
            union all
            select
                book, account, currency, effective_day, recorded_day, origin_id, exponent,
                debit_minor, credit_minor, -1 as sign
            from before
        ) as moved
        group by 1, 2, 3, 4, 5, 6
        order by 1, 2, 3, 4, 5, 6
        on conflict (book, account, currency, effective_month, recorded_month, origin_id)
        do update set
            debit_minor = m.debit_minor + excluded.debit_minor,
            credit_minor = m.credit_minor + excluded.credit_minor;
    end if;
    return null;
end
$$;

-- What comes late is seldom, and is planned when it comes.
create or replace function fold_late_days() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    through date;
    moved text := 'select book, account, currency, effective_day, recorded_day, exponent, '
        'debit_minor, credit_minor from after where recorded_day <= %1$L';
    statements text [];
    statement text;
begin
    perform set_config('search_path', format('pg_catalog, %I, pg_temp', tg_table_schema), true);
    select recorded_through into through from folded;
    if not exists (select from after where recorded_day <= through) then
        return null;
    end if;
    if tg_op = 'UPDATE' then
        moved := moved || ' union all select book, account, currency, effective_day, '
            'recorded_day, exponent, -debit_minor, -credit_minor from before '
            'where recorded_day <= %1$L';
    end if;
    select fold_statements(tg_table_schema, format(moved, through)) into statements;
    foreach statement in array statements loop
        execute statement;
    end loop;
    return null;
end
$$;
