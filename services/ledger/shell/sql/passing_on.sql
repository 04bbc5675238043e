-- name: read_passed_on
-- Where keys go on to. No row: nobody has said so.
select g.book, g.account, g.key, g.to_account, g.to_key, g.at
from unnest($1::text[], $2::text[], $3::text[]) as n (book, account, key)
join passed_on as g on g.book = n.book and g.account = n.account and g.key = n.key

-- name: add_passed_on!
-- Keep where keys go on to; what was said first stands.
insert into passed_on (book, account, key, to_account, to_key, at, origin_id, caused_offset)
select book, account, key, to_account, to_key, at, origin_id, caused_offset
from unnest(
    $1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::timestamptz[], $7::integer[],
    $8::bigint[]
) as n (book, account, key, to_account, to_key, at, origin_id, caused_offset)
on conflict (book, account, key) do nothing

-- name: said_to_go_on
-- Who said of keys where they go on to. No row: nobody has.
select o.topic, o.partition, g.caused_offset
from unnest($2::text[], $3::text[]) as n (account, key)
join passed_on as g on g.book = $1 and g.account = n.account and g.key = n.key
join origins as o on o.origin_id = g.origin_id
order by g.account, g.key

-- name: read_on_keys
-- What is posted to keys of accounts: the entries whole, a row for each posting, those of an entry
-- together.
select
    e.book, e.reference, e.kind, e.effective_at, e.rules_version, e.description, e.reverses,
    p.account, p.key, p.direction, p.minor, p.currency, p.exponent
from (
    select distinct n.book, f.origin_id, f.sequence
    from unnest($1::text[], $2::text[], $3::text[]) as n (book, account, key)
    cross join lateral (
        select origin_id, sequence
        from postings
        where account = 'assets:receivable' and key = n.key and n.account = 'assets:receivable'
        union all
        select origin_id, sequence
        from postings
        where account = 'memo:credits' and key = n.key and n.account = 'memo:credits'
    ) as f
) as found
join entries as e
    on e.origin_id = found.origin_id
    and e.sequence = found.sequence
    and e.book = found.book
join postings as p on p.origin_id = e.origin_id and p.sequence = e.sequence
order by e.book, e.reference, p.ordinal
