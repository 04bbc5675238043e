-- name: content_digest
-- What the journal says, whatever the order: the entries' digests summed in four parts.
select
    count(*) as entries,
    coalesce(sum(('x' || encode(substring(digest from 1 for 8), 'hex'))::bit(64)::bigint), 0)
        as first_part,
    coalesce(sum(('x' || encode(substring(digest from 9 for 8), 'hex'))::bit(64)::bigint), 0)
        as second_part,
    coalesce(sum(('x' || encode(substring(digest from 17 for 8), 'hex'))::bit(64)::bigint), 0)
        as third_part,
    coalesce(sum(('x' || encode(substring(digest from 25 for 8), 'hex'))::bit(64)::bigint), 0)
        as fourth_part
from entries

-- name: all_balances
-- Every balance over all origins, debit positive.
select book, account, currency, sum(debit_minor) as debit_minor, sum(credit_minor) as credit_minor
from balances
group by book, account, currency

-- name: open_items_digest
-- What is open, whatever the order.
select
    count(*) as items,
    coalesce(
        sum(
            hashtextextended(
                concat_ws(chr(31), book, account, key, currency, minor::text), 0
            )::numeric
        ),
        0
    ) as digest
from open_items

-- name: balances_off
-- Balances that are not the sum of their postings. No row: all are.
select
    coalesce(b.book, s.book) as book,
    coalesce(b.account, s.account) as account,
    coalesce(b.currency, s.currency) as currency,
    coalesce(b.minor, 0) as kept_minor,
    coalesce(s.minor, 0) as summed_minor
from (
    select book, account, currency, sum(debit_minor - credit_minor) as minor
    from balances
    group by book, account, currency
) as b
full join (
    select
        e.book,
        p.account,
        p.currency,
        sum(case p.direction when 'debit' then p.minor else -p.minor end) as minor
    from postings as p
    join entries as e on e.origin_id = p.origin_id and e.sequence = p.sequence
    group by e.book, p.account, p.currency
) as s on s.book = b.book and s.account = b.account and s.currency = b.currency
where coalesce(b.minor, 0) <> coalesce(s.minor, 0)
order by 1, 2, 3
limit $1

-- name: chains_by_name
-- The chain of certain entries, by the names of their origins.
select o.topic, o.partition, e.sequence, e.chain
from unnest($1::text[], $2::integer[], $3::bigint[]) as n (topic, partition, sequence)
join origins as o on o.topic = n.topic and o.partition = n.partition
join entries as e on e.origin_id = o.origin_id and e.sequence = n.sequence

-- name: references_apart
-- Facts that the journal in use, up to certain sequences, and the one of the search path tell
-- differently.
with used as (
    select e.book, e.reference, e.digest
    from unnest($1::text[], $2::integer[], $3::bigint[]) as n (topic, partition, up_to)
    join ledger.origins as o on o.topic = n.topic and o.partition = n.partition
    join ledger.entries as e on e.origin_id = o.origin_id and e.sequence <= n.up_to
)
select
    coalesce(u.book, r.book) as book,
    coalesce(u.reference, r.reference) as reference,
    u.digest is not null as is_in_use,
    r.digest is not null as is_rebuilt
from used as u
full join entries as r on r.book = u.book and r.reference = u.reference
where u.digest is distinct from r.digest
order by 1, 2
limit $4
