-- name: put_stripe_moves!
-- What movements have put on Stripe's balances; one that is told again is the same.
insert into stripe_moves (book, reference, account, currency, effective_at, minor)
select book, reference, account, currency, effective_at, minor
from unnest(
    $1::text[], $2::text[], $3::text[], $4::text[], $5::timestamptz[], $6::numeric[]
) as n (book, reference, account, currency, effective_at, minor)
order by book, reference, account, currency
on conflict do nothing

-- name: put_stripe_owners!
-- Whose movements these are.
insert into stripe_owners (book, reference, owner, created)
select book, reference, owner, created
from unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[])
    as n (book, reference, owner, created)
order by book, reference
on conflict do nothing

-- name: put_stripe_reading!
-- A reading of Stripe's balance that waits for the ledger.
insert into stripe_readings (book, owner, told_at, created_to, last, topic, ends, body)
values ($1, $2, $3, $4, $5, $6, $7, $8)
on conflict do nothing

-- name: keep_last_stripe_readings!
-- Forget all readings of a Stripe account but the last few; for while nothing is judged.
delete from stripe_readings as r
where
    r.book = $1 and r.owner = $2
    and r.told_at < (
        select q.told_at
        from stripe_readings as q
        where q.book = $1 and q.owner = $2
        order by q.told_at desc
        offset $3
        limit 1
    )

-- name: keep_last_proven_readings!
-- Forget the readings before the last few of each Stripe account that can be held against the
-- ledger: those still waiting do not take their place.
delete from stripe_readings as r
where
    r.book = any($1::text[])
    and r.told_at < (
        select q.told_at
        from stripe_readings as q
        where q.book = r.book and q.owner = r.owner and q.is_provable
        order by q.told_at desc
        offset $2
        limit 1
    )

-- name: forget_stripe_moves!
-- Movements that every reading kept of a book holds; a reading still to come holds them too.
delete from stripe_moves as m
where
    m.book = any($1::text[])
    and m.effective_at < (
        select min(coalesce(r.created_to, '-infinity'))
        from stripe_readings as r
        where r.book = m.book
    )

-- name: forget_stripe_owners!
-- Owners of such movements.
delete from stripe_owners as o
where
    o.book = any($1::text[])
    and o.created < (
        select min(coalesce(r.created_to, '-infinity'))
        from stripe_readings as r
        where r.book = o.book
    )

-- name: note_provable
-- The books of readings whose movements the ledger has now booked, and we have read. No row: none.
update stripe_readings as r
set is_provable = true
where
    not r.is_provable
    and not exists (
        select 1
        from json_each_text(r.ends) as e (partition, next_offset)
        left join progress as p on p.topic = r.topic and p.partition = e.partition::integer
        left join origins as o on o.origin = r.topic || '/' || e.partition
        where
            e.next_offset::bigint > coalesce(p.next_offset, 0)
            or coalesce(p.sequence, 0) > coalesce(o.sequence, 0)
    )
returning r.book

-- name: stripe_readings_of
-- The readings kept of a book. No row: none was told.
select body, is_provable
from stripe_readings
where book = $1
order by owner, told_at

-- name: stripe_sums_of
-- What a book's ledger has on Stripe's balances. No row: nothing was ever booked on them.
select b.account, b.currency, b.minor
from balance_sums as b
join stripe_summed as s on s.account = b.account
where b.book = $1

-- name: stripe_summed
-- The accounts whose sums are whole.
select account
from stripe_summed

-- name: stripe_moves_beyond
-- What movements that a reading does not hold have put on the balances, by whose they are.
select m.account, m.currency, coalesce(o.owner, '') as owner, sum(m.minor) as minor
from stripe_moves as m
left join stripe_owners as o on o.book = m.book and o.reference = m.reference
where
    m.book = $1
    and (
        $2::timestamptz is null
        or m.effective_at > $2
        or (m.effective_at = $2 and not m.reference = any($3::text[]))
    )
group by m.account, m.currency, o.owner
