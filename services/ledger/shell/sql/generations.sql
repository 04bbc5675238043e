-- name: generation_schemas
-- Schemas that hold a generation of the journal: the one in use, and those beside it.
select n.nspname as name
from pg_catalog.pg_namespace as n
where
    (n.nspname = 'ledger' or n.nspname ~ '^ledger_g[0-9]+$')
    and exists (
        select
        from pg_catalog.pg_class as c
        where c.relnamespace = n.oid and c.relname = 'generation'
    )
order by n.nspname

-- name: generation_bytes
-- How much of the disk a schema takes.
select coalesce(sum(pg_catalog.pg_table_size(c.oid) + pg_catalog.pg_indexes_size(c.oid)), 0)::bigint
from pg_catalog.pg_class as c
join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
where n.nspname = $1 and c.relkind in ('r', 'm')

-- name: read_generation
-- Which generation the schema of the search path holds, and how far it is.
select
    g.number, g.made_at, g.in_use_since, g.in_use_until,
    (select coalesce(sum(next_offset), 0)::bigint from positions) as messages,
    (select coalesce(sum(sequence), 0)::bigint from origins) as entries
from generation as g

-- name: number_generation!
-- A schema made beside the one in use is a generation of its own, not in use.
update generation
set number = $1, made_at = now(), in_use_since = null, in_use_until = null

-- name: begin_generation_use!
-- The generation of the search path is in use from now on.
update generation
set in_use_since = now(), in_use_until = null

-- name: end_generation_use!
-- The generation of the search path has been in use until now.
update generation
set in_use_until = now()

-- name: hold_generations
-- One process at a time makes, swaps and drops generations; held until the session ends.
select pg_try_advisory_lock(hashtextextended('ledger generations', 0)) as is_held

-- name: take_origin_ids!
-- The origins of the generation in use under the same numbers.
insert into origins (origin_id, topic, partition)
overriding system value
select origin_id, topic, partition
from ledger.origins
on conflict do nothing

-- name: set_origin_ids
-- The next origin is numbered behind them.
select setval(
    pg_get_serial_sequence(format('%I.origins', current_schema()), 'origin_id'),
    greatest((select max(origin_id) from origins), 1)
)

-- name: migrations_of
-- What has been applied to the schema of the search path.
select number, checksum
from schema_migrations
order by number

-- name: tables_of
-- The tables of a schema, without the parts of those that are split.
select c.relname as name
from pg_catalog.pg_class as c
join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
where n.nspname = $1 and c.relkind in ('r', 'p') and not c.relispartition
order by c.relname

-- name: views_upon
-- Views of other schemas that read tables of a schema: how each is made, with full names as long
-- as the search path is empty.
select
    vn.nspname as schema, v.relname as name, coalesce(v.reloptions, '{}') as options,
    pg_catalog.pg_get_viewdef(v.oid) as definition
from pg_catalog.pg_class as v
join pg_catalog.pg_namespace as vn on vn.oid = v.relnamespace
where
    v.relkind = 'v'
    and vn.nspname <> $1
    and exists (
        select
        from pg_catalog.pg_rewrite as w
        join pg_catalog.pg_depend as d
            on d.classid = 'pg_catalog.pg_rewrite'::regclass and d.objid = w.oid
        join pg_catalog.pg_class as t
            on d.refclassid = 'pg_catalog.pg_class'::regclass and t.oid = d.refobjid
        join pg_catalog.pg_namespace as tn on tn.oid = t.relnamespace
        where w.ev_class = v.oid and tn.nspname = $1
    )
order by vn.nspname, v.relname

-- name: bound_to
-- What of other schemas hangs on the tables or functions of a schema. No row: nothing.
select distinct pg_catalog.pg_describe_object(d.classid, d.objid, d.objsubid) as what
from pg_catalog.pg_depend as d
left join pg_catalog.pg_class as t
    on d.refclassid = 'pg_catalog.pg_class'::regclass and t.oid = d.refobjid
left join pg_catalog.pg_proc as p
    on d.refclassid = 'pg_catalog.pg_proc'::regclass and p.oid = d.refobjid
join pg_catalog.pg_namespace as n on n.oid = coalesce(t.relnamespace, p.pronamespace)
left join pg_catalog.pg_rewrite as w
    on d.classid = 'pg_catalog.pg_rewrite'::regclass and w.oid = d.objid
left join pg_catalog.pg_class as v on v.oid = w.ev_class
left join pg_catalog.pg_proc as f
    on d.classid = 'pg_catalog.pg_proc'::regclass and f.oid = d.objid
join pg_catalog.pg_namespace as elsewhere
    on elsewhere.oid = coalesce(v.relnamespace, f.pronamespace)
where n.nspname = $1 and elsewhere.nspname <> $1
order by 1

-- name: holders_of
-- Who else has read or written tables of a schema in a transaction that is still open.
select distinct a.pid, a.application_name, a.xact_start
from pg_catalog.pg_locks as l
join pg_catalog.pg_class as c on c.oid = l.relation
join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
join pg_catalog.pg_stat_activity as a on a.pid = l.pid
where n.nspname = $1 and l.granted and a.pid <> pg_catalog.pg_backend_pid()
order by a.xact_start
limit 3

-- name: not_yet_published
-- Origins with entries up to certain sequences, or messages before certain offsets, that have not
-- been published yet.
select o.topic, o.partition, n.sequence - p.sequence as entries
from unnest($1::text[], $2::integer[], $3::bigint[], $4::bigint[])
    as n (topic, partition, sequence, next_offset)
join origins as o on o.topic = n.topic and o.partition = n.partition
join published as p on p.origin_id = o.origin_id
where p.sequence < n.sequence or p.next_offset < n.next_offset
order by o.topic, o.partition

-- name: rows_in
-- How to ask whether a table has rows.
select format('select exists (select from %I.%I)', $1::text, $2::text)
