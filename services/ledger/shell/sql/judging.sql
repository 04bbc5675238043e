-- name: hold_names
-- Hold what commands are judged by until the end of the transaction; whether it is there or not.
-- In the order given, which is the same for all.
select
    case when n.is_shared then pg_advisory_xact_lock_shared(n.lock)
        else pg_advisory_xact_lock(n.lock)
    end
from unnest($1::bigint[], $2::boolean[]) as n (lock, is_shared)

-- name: read_closings
-- How far books are closed, and since when. No row: never.
select book, number, since, closed_through, locked_through
from periods
where book = any($1::text[])
order by book, number

-- name: read_holds
-- Holds by their ids. No row: never placed.
select h.book, h.hold, h.account, h.key, h.currency, h.exponent, h.minor, h.expires_at, h.ended
from unnest($1::text[], $2::text[]) as n (book, hold)
join holds as h on h.book = n.book and h.hold = n.hold
where h.account is not null

-- name: read_open_holds
-- What is set aside under names at a time, or later.
select h.book, h.hold, h.account, h.key, h.currency, h.exponent, h.minor, h.expires_at, h.ended
from unnest($1::text[], $2::text[], $3::text[], $4::text[]) as n (book, account, key, currency)
join holds as h
    on h.book = n.book
    and h.account = n.account
    and h.key = n.key
    and h.currency = n.currency
where h.ended is null and (h.expires_at is null or h.expires_at > $5)

-- name: read_open_holds_of_accounts
-- What is set aside on whole accounts, up to a bound for each.
select h.book, h.hold, h.account, h.key, h.currency, h.exponent, h.minor, h.expires_at, h.ended
from unnest($1::text[], $2::text[]) as n (book, account)
cross join lateral (
    select book, hold, account, key, currency, exponent, minor, expires_at, ended
    from holds
    where
        book = n.book
        and account = n.account
        and ended is null
        and (expires_at is null or expires_at > $3)
    limit $4
) as h

-- name: read_reversals
-- What reverses certain entries. No row: nothing.
select e.book, e.reverses, e.reference
from unnest($1::text[], $2::text[]) as n (book, reference)
join entries as e on e.book = n.book and e.reverses = n.reference

-- name: read_account_changes
-- The last command about each account. No row: it is as the chart has it.
select
    a.book, a.account, a.number, a.display, a.is_open, a.is_of_chart, a.key, a.normal, a.has_floor
from unnest($1::text[], $2::text[]) as n (book, account)
cross join lateral (
    select
        book, account, number, display, is_open, is_of_chart, key, normal, has_floor
    from account_changes
    where book = n.book and account = n.account
    order by number desc
    limit 1
) as a

-- name: read_posted
-- What stands on names, debit positive: of a key, or, under the empty key, of the whole account.
select n.book, n.account, n.key, n.currency, s.minor
from unnest($1::text[], $2::text[], $3::text[], $4::text[]) as n (book, account, key, currency)
cross join lateral (
    select sum(debit_minor - credit_minor) as minor
    from balances
    where n.key = '' and book = n.book and account = n.account and currency = n.currency
    union all
    select minor
    from open_items
    where
        n.key <> ''
        and book = n.book
        and account = n.account
        and key = n.key
        and currency = n.currency
) as s
where s.minor is not null

-- name: read_posted_of_accounts
-- What stands on whole accounts: in all by currency, and by key up to a bound.
select b.book, b.account, '' as key, b.currency, sum(b.debit_minor - b.credit_minor) as minor
from unnest($1::text[], $2::text[]) as n (book, account)
join balances as b on b.book = n.book and b.account = n.account
group by b.book, b.account, b.currency
union all
select n.book, n.account, i.key, i.currency, i.minor
from unnest($1::text[], $2::text[]) as n (book, account)
cross join lateral (
    select key, currency, minor
    from open_items
    where book = n.book and account = n.account
    limit $3
) as i

-- name: read_totals_through
-- Debits and credits of a book through a day, as they are reported; memo accounts left out.
select
    currency, sum(debit_minor) as debit_minor, sum(credit_minor) as credit_minor
from (
    select currency, debit_minor, credit_minor
    from month_buckets
    where
        book = $1
        and account not like 'memo:%'
        and effective_month < date_trunc('month', $2::date::timestamp)::date
    union all
    select currency, debit_minor, credit_minor
    from day_buckets
    where
        book = $1
        and account not like 'memo:%'
        and effective_day >= date_trunc('month', $2::date::timestamp)::date
        and effective_day <= $2
) as moved
group by currency
order by currency

-- name: read_open_keys
-- Keys of certain accounts that have waited since before a moment, some of them and how many.
select account, key, currency, minor, count(*) over () as keys
from open_items
where book = $1 and account = any($2::text[]) and since < $3
order by since, account, key, currency
limit $4

-- name: add_closings!
-- Close, lock or open; the same closing learned twice is one.
insert into periods (
    book, number, since, closed_through, locked_through, origin_id, caused_offset
)
select book, number, since, closed_through, locked_through, origin_id, caused_offset
from unnest(
    $1::text[], $2::integer[], $3::timestamptz[], $4::date[], $5::date[], $6::integer[],
    $7::bigint[]
) as n (book, number, since, closed_through, locked_through, origin_id, caused_offset)
order by book, number
on conflict do nothing

-- name: add_account_changes!
-- Open, close or rename accounts.
insert into account_changes (
    book, account, number, display, is_open, is_of_chart, key, normal, has_floor, recorded_at,
    origin_id, caused_offset
)
select
    book, account, number, display, is_open, is_of_chart, key, normal, has_floor, recorded_at,
    origin_id, caused_offset
from unnest(
    $1::text[], $2::text[], $3::integer[], $4::text[], $5::boolean[], $6::boolean[], $7::text[],
    $8::text[], $9::boolean[], $10::timestamptz[], $11::integer[], $12::bigint[]
) as n (
    book, account, number, display, is_open, is_of_chart, key, normal, has_floor, recorded_at,
    origin_id, caused_offset
)
order by book, account, number
on conflict do nothing

-- name: place_holds!
-- Set amounts aside. One whose end a rebuild has read first stays ended.
insert into holds as h (
    book, hold, account, key, currency, exponent, minor, expires_at, placed_at
)
select book, hold, account, key, currency, exponent, minor, expires_at, placed_at
from unnest(
    $1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::smallint[], $7::numeric[],
    $8::timestamptz[], $9::timestamptz[]
) as n (book, hold, account, key, currency, exponent, minor, expires_at, placed_at)
order by book, hold
on conflict (book, hold) do update
set
    account = excluded.account,
    key = excluded.key,
    currency = excluded.currency,
    exponent = excluded.exponent,
    minor = excluded.minor,
    expires_at = excluded.expires_at,
    placed_at = excluded.placed_at

-- name: end_holds!
-- Settle or release; a rebuild may read this before the placing.
insert into holds as h (book, hold, ended, ended_at)
select book, hold, ended, ended_at
from unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[]) as n (book, hold, ended, ended_at)
order by book, hold
on conflict (book, hold) do update
set ended = excluded.ended, ended_at = excluded.ended_at

-- name: read_decisions
-- What was decided on messages, as our own topics tell it. No row: not yet, or not published.
select
    d.origin_id, d.caused_offset, d.outcome, d.reason, d.detail, d.reference, d.decided, d.entries
from unnest($1::integer[], $2::bigint[]) as n (origin_id, caused_offset)
join decisions as d on d.origin_id = n.origin_id and d.caused_offset = n.caused_offset

-- name: read_refused_references
-- The first refusal of references, by the id that each is about. No row: never refused.
select distinct on (o.book, o.reference)
    o.book, o.reference, o.subject, o.reason, o.detail, o.decided
from unnest($1::text[], $2::text[], $3::text[]) as n (book, subject, reference)
join outcomes as o on o.subject = n.subject and o.book = n.book and o.reference = n.reference
where o.outcome = 'refused'
order by o.book, o.reference, o.origin_id, o.caused_offset, o.ordinal

-- name: contradicting_events
-- Messages of which our own topics tell that another had their id before.
select o.topic, o.partition, d.caused_offset
from decisions as d
join origins as o on o.origin_id = d.origin_id
where d.outcome = 'conflict' and d.reason = $1

-- name: seed_decisions!
-- Take in what our own topics tell of decisions; entries and outcome may come one after the other.
insert into decisions as d (
    origin_id, caused_offset, outcome, reason, detail, reference, decided, entries
)
select origin_id, caused_offset, outcome, reason, detail, reference, decided, entries::jsonb
from unnest(
    $1::integer[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[], $7::jsonb[],
    $8::text[]
) as n (origin_id, caused_offset, outcome, reason, detail, reference, decided, entries)
order by origin_id, caused_offset
on conflict (origin_id, caused_offset) do update
set
    outcome = coalesce(d.outcome, excluded.outcome),
    reason = coalesce(d.reason, excluded.reason),
    detail = coalesce(d.detail, excluded.detail),
    reference = coalesce(d.reference, excluded.reference),
    decided = coalesce(d.decided, excluded.decided),
    entries = d.entries || excluded.entries

-- name: read_first_outcomes
-- What was said of messages first, for whoever asks again.
select
    u.origin_id, u.caused_offset, u.outcome, u.reason, u.subject, u.detail, u.reference, u.decided
from unnest($1::integer[], $2::bigint[]) as n (origin_id, caused_offset)
join outcomes as u
    on u.origin_id = n.origin_id and u.caused_offset = n.caused_offset and u.ordinal = 1

-- name: read_entries_for_closing
-- Entries of a book that were recorded after a moment and took effect before another, with their
-- postings, behind a place; a number of entries at a time.
select
    e.origin_id, e.sequence, e.effective_at, e.recorded_at,
    p.account, p.key, p.direction, p.minor, p.currency, p.exponent
from (
    select origin_id, sequence, effective_at, recorded_at
    from entries
    where
        book = $1
        and recorded_at > $2
        and effective_at < $3
        and (origin_id, sequence) > ($4, $5)
    order by origin_id, sequence
    limit $6
) as e
join postings as p
    on p.origin_id = e.origin_id and p.sequence = e.sequence and p.recorded_at = e.recorded_at
order by e.origin_id, e.sequence, p.ordinal

-- name: add_late_entries!
-- Entries that are reported on a later day than their own.
insert into late_entries as l (origin_id, sequence, book, reported_day, reported_at)
select origin_id, sequence, book, reported_day, reported_at
from unnest($1::integer[], $2::bigint[], $3::text[], $4::date[], $5::timestamptz[])
    as n (origin_id, sequence, book, reported_day, reported_at)
order by origin_id, sequence
on conflict (origin_id, sequence) do update
set reported_day = excluded.reported_day, reported_at = excluded.reported_at

-- name: drop_late_entries!
-- Entries that are reported on their own day after all.
delete from late_entries as l
using unnest($1::integer[], $2::bigint[]) as n (origin_id, sequence)
where l.origin_id = n.origin_id and l.sequence = n.sequence

-- name: booked_offsets
-- How far each origin is booked.
select o.origin_id, q.next_offset
from origins as o
join positions as q on q.topic = o.topic and q.partition = o.partition
