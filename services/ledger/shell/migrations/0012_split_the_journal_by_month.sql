-- The journal is split by the month in which it was recorded, so that its indexes stay small, a read
-- of a time touches the months of that time alone, and old months can be put away whole.
--
-- A month is one of UTC. Months are opened by whoever books, before the first entry in them. A unique
-- index of a split table must hold what it is split by, so the sequences of an origin are held
-- unique by its head: an entry stands behind the head, and moves it.

lock table entries, postings in access exclusive mode;

-- Views of others stand upon these tables; they are made anew, as they are, upon the new ones.
create temporary table journal_views on commit drop as
select distinct
    v.oid, v.oid::regclass::text as name, pg_get_viewdef(v.oid) as definition, v.relacl as rights
from pg_class as v
join pg_rewrite as w on w.ev_class = v.oid
join pg_depend as d on d.classid = 'pg_rewrite'::regclass and d.objid = w.oid
where
    v.relkind = 'v'
    and d.refclassid = 'pg_class'::regclass
    and d.refobjid in ('entries'::regclass, 'postings'::regclass);

do $$
declare
    view record;
begin
    for view in select name from journal_views loop
        execute format('drop view %s', view.name);
    end loop;
end
$$;

alter table entries rename to entries_before;
alter table postings rename to postings_before;
alter index entries_pkey rename to entries_before_pkey;
alter index postings_pkey rename to postings_before_pkey;
alter index entries_caused_offset_index rename to entries_before_caused_offset_index;
alter index entries_effective_at_index rename to entries_before_effective_at_index;
alter index entries_recorded_at_index rename to entries_before_recorded_at_index;
alter index entries_reverses_index rename to entries_before_reverses_index;

create table entries (
    sequence bigint not null,
    effective_at timestamptz not null,
    recorded_at timestamptz not null,
    caused_offset bigint not null,
    origin_id integer not null,
    rules_version integer not null,
    posting_count smallint not null,
    book text not null,
    reference text not null,
    kind text not null,
    message_id text not null,
    description text not null,
    reverses text,
    digest bytea not null,
    chain bytea not null,
    constraint entries_pkey primary key (origin_id, sequence, recorded_at),
    constraint entries_sequence_positive check (sequence > 0),
    constraint entries_posting_count_at_least_two check (posting_count >= 2),
    constraint entries_posting_count_publishable check (posting_count <= 10000)
) partition by range (recorded_at);

create index entries_caused_offset_index on entries (origin_id, caused_offset);
create index entries_effective_at_index on entries (effective_at, origin_id, sequence);
create index entries_recorded_at_index on entries
using brin (recorded_at) with (pages_per_range = 32, autosummarize = on);
create index entries_reverses_index on entries (book, reverses) where reverses is not null;

create table postings (
    sequence bigint not null,
    recorded_at timestamptz not null,
    origin_id integer not null,
    ordinal smallint not null,
    exponent smallint not null,
    account text not null,
    key text not null,
    direction text not null,
    currency text not null,
    minor numeric(38, 0) not null,
    constraint postings_pkey primary key (origin_id, sequence, ordinal, recorded_at),
    constraint postings_ordinal_positive check (ordinal > 0),
    constraint postings_direction_known check (direction in ('debit', 'credit')),
    constraint postings_minor_in_range check (minor > 0 and minor <= 1e30)
) partition by range (recorded_at);

-- ---------------------------------------------------------------- months

-- Makes the parts of months that have none, and of the month behind each, so that nobody waits for
-- it at midnight. Runs as the owner: who books may only add rows.
create function open_journal_months(in_schema text, months date []) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    month date;
    whole text;
    part text;
begin
    for month in
        select distinct (m + make_interval(months => behind))::date
        from unnest(months) as m cross join generate_series(0, 1) as behind
        order by 1
    loop
        foreach whole in array array['entries', 'postings'] loop
            part := format('%s_%s', whole, to_char(month, 'YYYY_MM'));
            if to_regclass(format('%I.%I', in_schema, part)) is not null then
                continue;
            end if;
            -- Two who book take turns; the second finds the part there.
            perform pg_advisory_xact_lock(hashtextextended('journal months of ' || in_schema, 0));
            if to_regclass(format('%I.%I', in_schema, part)) is not null then
                continue;
            end if;
            -- Made beside its whole and attached: whoever reads or writes the whole goes on.
            execute format(
                'create table %1$I.%2$I (like %1$I.%3$I including constraints including storage)',
                in_schema, part, whole
            );
            execute format(
                'alter table %1$I.%3$I attach partition %1$I.%2$I for values from (%4$L) to (%5$L)',
                in_schema, part, whole,
                to_char(month, 'YYYY-MM-DD') || ' 00:00:00+00',
                to_char(month + interval '1 month', 'YYYY-MM-DD') || ' 00:00:00+00'
            );
            -- Statements that name the part itself are guarded as those that name the whole.
            execute format(
                'create trigger %4$I after insert on %1$I.%2$I referencing new table as written '
                'for each statement execute function %1$I.%3$I()',
                in_schema, part, 'note_' || whole, whole || '_noted'
            );
            execute format(
                'create trigger %3$I before update or delete or truncate on %1$I.%2$I '
                'for each statement execute function %1$I.refuse_change()',
                in_schema, part, whole || '_append_only'
            );
            execute format('grant select, insert on %I.%I to ledger_app', in_schema, part);
        end loop;
    end loop;
end
$$;

revoke execute on function open_journal_months(text, date []) from public;
grant execute on function open_journal_months(text, date []) to ledger_app;

-- ---------------------------------------------------------------- law 6, over months

drop trigger journal_notes_checked on journal_notes;
drop table journal_notes;

create unlogged table journal_notes (
    transaction xid8 not null default pg_current_xact_id(),
    origin_id integer not null,
    first_sequence bigint not null,
    last_sequence bigint not null,
    first_recorded_at timestamptz not null,
    last_recorded_at timestamptz not null,
    constraint journal_notes_pkey primary key (
        transaction, origin_id, first_sequence, last_sequence, first_recorded_at, last_recorded_at
    )
);

create function note_postings() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    execute format(
        'insert into %I.journal_notes (origin_id, first_sequence, last_sequence, '
        '    first_recorded_at, last_recorded_at) '
        'select origin_id, min(sequence), max(sequence), min(recorded_at), max(recorded_at) '
        'from written group by origin_id '
        'on conflict do nothing',
        tg_table_schema
    );
    return null;
end
$$;

-- Entries stand behind their origin's head and move it. The head's row is held until the commit, so
-- that two who write to one origin take turns, and the second is refused what the first has taken.
create function note_entries() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    wrong record;
begin
    execute format(
        'with noted as ('
        '    select origin_id, min(sequence) as first_sequence, max(sequence) as last_sequence, '
        '        min(recorded_at) as first_recorded_at, max(recorded_at) as last_recorded_at, '
        '        count(*) as entries, count(distinct sequence) as sequences '
        '    from written group by origin_id'
        '), '
        'moved as ('
        '    update %1$I.origins as o set sequence = n.last_sequence from noted as n '
        '    where o.origin_id = n.origin_id and o.sequence < n.first_sequence '
        '        and n.entries = n.sequences '
        '    returning o.origin_id'
        '), '
        'kept as ('
        '    insert into %1$I.journal_notes (origin_id, first_sequence, last_sequence, '
        '        first_recorded_at, last_recorded_at) '
        '    select origin_id, first_sequence, last_sequence, first_recorded_at, last_recorded_at '
        '    from noted on conflict do nothing'
        ') '
        'select n.origin_id, n.first_sequence from noted as n '
        'where n.origin_id not in (select m.origin_id from moved as m) order by 1 limit 1',
        tg_table_schema
    ) into wrong;
    if wrong.origin_id is not null then
        raise exception 'origin % goes on behind its head, and not at %',
            wrong.origin_id, wrong.first_sequence
            using errcode = 'check_violation', constraint = 'entries_sequence_unique';
    end if;
    return null;
end
$$;

-- The months in question are said in the text, so that the plan names no other.
create or replace function check_journal_notes() returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set jit = off as $$
declare
    noted record;
    wrong record;
begin
    execute format(
        'with notes as ('
        '    delete from %1$I.journal_notes where transaction = $1 '
        '    returning origin_id, first_sequence, last_sequence, first_recorded_at, '
        '        last_recorded_at'
        ') '
        'select array_agg(origin_id) as origin_ids, array_agg(first_sequence) as first, '
        '    array_agg(last_sequence) as last, min(first_recorded_at) as since, '
        '    max(last_recorded_at) as until from notes',
        tg_table_schema
    ) into noted using new.transaction;
    if noted.since is null then
        return null;
    end if;
    execute format(
        'select notes.origin_id, found.* '
        'from unnest($1, $2, $3) as notes (origin_id, first_sequence, last_sequence) '
        'cross join lateral ('
        '    select coalesce(written.sequence, legs.sequence) as sequence, written.reference, '
        '        written.posting_count, coalesce(legs.legs, 0) as legs, legs.excess '
        '    from ('
        '        select sequence, recorded_at, sum(legs) as legs, max(abs(excess)) as excess '
        '        from ('
        '            select sequence, recorded_at, count(*) as legs, '
        '                sum(case direction when ''debit'' then minor else -minor end) as excess '
        '            from %1$I.postings where origin_id = notes.origin_id '
        '                and sequence between notes.first_sequence and notes.last_sequence '
        '                and recorded_at between %2$L and %3$L '
        '            group by sequence, recorded_at, currency'
        '        ) as sums group by sequence, recorded_at'
        '    ) as legs '
        '    full join ('
        '        select sequence, recorded_at, reference, posting_count '
        '        from %1$I.entries where origin_id = notes.origin_id '
        '            and sequence between notes.first_sequence and notes.last_sequence '
        '            and recorded_at between %2$L and %3$L '
        '    ) as written '
        '        on written.sequence = legs.sequence and written.recorded_at = legs.recorded_at '
        '    where posting_count is null '
        '        or legs.legs is distinct from posting_count or legs.excess <> 0 '
        '    order by 1 limit 1'
        ') as found order by 1, 2 limit 1',
        tg_table_schema, noted.since, noted.until
    ) into wrong using noted.origin_ids, noted.first, noted.last;
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

create constraint trigger journal_notes_checked after insert on journal_notes
deferrable initially deferred
for each row execute function check_journal_notes();

-- ---------------------------------------------------------------- what stands already

do $$
begin
    perform open_journal_months(current_schema(), array(
        select distinct date_trunc('month', recorded_at at time zone 'UTC')::date
        from entries_before
    ));
end
$$;

insert into entries (
    sequence, effective_at, recorded_at, caused_offset, origin_id, rules_version, posting_count,
    book, reference, kind, message_id, description, reverses, digest, chain
)
select
    sequence, effective_at, recorded_at, caused_offset, origin_id, rules_version, posting_count,
    book, reference, kind, message_id, description, reverses, digest, chain
from entries_before
order by recorded_at, origin_id, sequence;

insert into postings (
    sequence, recorded_at, origin_id, ordinal, exponent, account, key, direction, currency, minor
)
select
    p.sequence, e.recorded_at, p.origin_id, p.ordinal, p.exponent, p.account, p.key, p.direction,
    p.currency, p.minor
from postings_before as p
join entries_before as e on e.origin_id = p.origin_id and e.sequence = p.sequence
order by e.recorded_at, p.origin_id, p.sequence, p.ordinal;

drop table postings_before, entries_before;
drop function note_journal_rows();

create trigger entries_noted after insert on entries
referencing new table as written
for each statement execute function note_entries();

create trigger postings_noted after insert on postings
referencing new table as written
for each statement execute function note_postings();

create trigger entries_append_only before update or delete or truncate on entries
for each statement execute function refuse_change();

create trigger postings_append_only before update or delete or truncate on postings
for each statement execute function refuse_change();

grant select, insert on entries, postings to ledger_app;

do $$
declare
    view record;
    granted record;
begin
    for view in select v.name, v.definition, v.rights from journal_views as v order by v.oid loop
        execute format('create view %s as %s', view.name, view.definition);
        for granted in
            select r.privilege_type, r.grantee::regrole::text as grantee
            from aclexplode(view.rights) as r
            where r.grantee <> 0 and r.grantee <> (
                select c.relowner from pg_class as c where c.oid = view.name::regclass
            )
        loop
            execute format('grant %s on %s to %s', granted.privilege_type, view.name, granted.grantee);
        end loop;
    end loop;
end
$$;
