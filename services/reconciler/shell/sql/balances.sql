-- name: add_cash!
-- Add to what the ledger has on bank accounts, by moment.
insert into cash_sums as c (book, account, currency, is_line, effective_at, minor)
select book, account, currency, is_line, effective_at, sum(minor)
from unnest(
    $1::text[], $2::text[], $3::text[], $4::boolean[], $5::timestamptz[], $6::numeric[]
) as n (book, account, currency, is_line, effective_at, minor)
group by book, account, currency, is_line, effective_at
order by book, account, currency, is_line, effective_at
on conflict (book, account, currency, is_line, effective_at) do update
set minor = c.minor + excluded.minor

-- name: keep_cash_moves!
-- The same movements one by one, with the record that caused them.
insert into cash_moves (
    book, account, currency, is_line, effective_at, reference,
    topic, partition, caused_offset, minor
)
select
    book, account, currency, is_line, effective_at, reference,
    topic, partition, caused_offset, minor
from unnest(
    $1::text[], $2::text[], $3::text[], $4::boolean[], $5::timestamptz[], $6::text[],
    $7::text[], $8::integer[], $9::bigint[], $10::numeric[]
) as n (
    book, account, currency, is_line, effective_at, reference,
    topic, partition, caused_offset, minor
)
on conflict do nothing

-- name: cash_sums
-- What the ledger has on a bank account, by moment. No row: nothing was ever booked on it.
select is_line, effective_at, minor
from cash_sums
where book = $1 and account = $2 and currency = $3

-- name: cash_moves_after
-- The movements that records after a place have caused. No row: none has been booked yet.
select is_line, effective_at, minor
from cash_moves
where
    book = $1 and account = $2 and currency = $3
    and topic = $4 and partition = $5 and caused_offset > $6

-- name: forget_cash_moves!
-- Movements that no reading still to come can stand before.
delete from cash_moves
where
    book = $1 and account = $2 and currency = $3
    and topic = $4 and partition = $5 and caused_offset <= $6

-- name: add_balances!
-- Add to the ledger's balances that are compared as they stand.
insert into balance_sums as b (book, account, currency, minor, moved_at)
select book, account, currency, sum(minor), max(moved_at)
from unnest($1::text[], $2::text[], $3::text[], $4::numeric[], $5::timestamptz[])
    as n (book, account, currency, minor, moved_at)
group by book, account, currency
order by book, account, currency
on conflict (book, account, currency) do update
set minor = b.minor + excluded.minor, moved_at = greatest(b.moved_at, excluded.moved_at)

-- name: put_readings!
-- Readings that wait for the ledger.
insert into readings (book, key, account, currency, topic, partition, told_offset, body)
select book, key, account, currency, topic, partition, told_offset, body
from unnest(
    $1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::integer[],
    $7::bigint[], $8::json[]
) as n (book, key, account, currency, topic, partition, told_offset, body)
on conflict do nothing

-- name: provable_readings
-- Readings that the ledger has booked past, oldest first. No row: none waits, or it is behind.
select r.book, r.key, r.account, r.currency, r.topic, r.partition, r.told_offset, r.body
from readings as r
join progress as p on p.topic = r.topic and p.partition = r.partition
left join origins as o on o.origin = r.topic || '/' || r.partition
where r.told_offset < p.next_offset and p.sequence <= coalesce(o.sequence, 0)
order by r.topic, r.partition, r.told_offset

-- name: forget_readings!
-- Readings that were held against the ledger.
delete from readings as r
using unnest($1::text[], $2::text[]) as n (book, key)
where r.book = n.book and r.key = n.key

-- name: put_proof!
-- A proof; the same reading proves once.
insert into proofs (book, account, currency, at, reading, body)
values ($1, $2, $3, $4, $5, $6)
on conflict do nothing

-- name: keep_last_proofs!
-- Forget all proofs of an account but the last few.
delete from proofs as p
where
    p.book = $1 and p.account = $2 and p.currency = $3
    and (p.at, p.reading) < (
        select q.at, q.reading
        from proofs as q
        where q.book = $1 and q.account = $2 and q.currency = $3
        order by q.at desc, q.reading desc
        offset $4
        limit 1
    )

-- name: proofs_of
-- The last proofs of a book's accounts. No row: no reading was proven yet.
select body
from proofs
where book = $1
order by account, currency, at, reading

-- name: read_until
-- How far each bank account of a book has been read.
select account, at, told_at
from read_until
where book = $1

-- name: move_read_until!
-- Bank accounts that were read further.
insert into read_until as r (book, account, at, told_at)
select book, account, max(at), max(told_at)
from unnest($1::text[], $2::text[], $3::timestamptz[], $4::timestamptz[])
    as n (book, account, at, told_at)
group by book, account
order by book, account
on conflict (book, account) do update
set at = greatest(r.at, excluded.at), told_at = greatest(r.told_at, excluded.told_at)

-- name: take_rest_sums
-- Take the balances as they stand for those at rest. No row: none has changed.
insert into rest_sums as r (book, account, currency, minor, moved_at)
select book, account, currency, minor, moved_at
from balance_sums
order by book, account, currency
on conflict (book, account, currency) do update
set minor = excluded.minor, moved_at = excluded.moved_at
where r.minor <> excluded.minor or r.moved_at is distinct from excluded.moved_at
returning book

-- name: rest_sums_of
-- One account's balance by currency when everything was last at rest. No row: never at rest.
select currency, minor, moved_at
from rest_sums
where book = $1 and account = $2
