-- name: put_acts!
-- Acts that were told, to be decided when their book is judged; one that is known stays as it is.
insert into acts (book, key, message_id, kind, content, topic, partition, caused_offset)
select book, key, message_id, kind, content, topic, partition, caused_offset
from unnest(
    $1::text[], $2::text[], $3::text[], $4::text[], $5::json[], $6::text[], $7::integer[],
    $8::bigint[]
) with ordinality as n (
    book, key, message_id, kind, content, topic, partition, caused_offset, place
)
order by place
on conflict do nothing

-- name: pending_acts
-- Acts of a book that wait, in the order in which they were told. No row: none does.
select id, key, message_id, content, topic, partition, caused_offset
from acts
where book = $1 and outcome is null
order by id
limit $2

-- name: decided_under
-- Whether another act was decided under a key before. No row: none was.
select message_id
from acts
where book = $1 and key = $2 and outcome in ('accepted', 'refused')

-- name: last_number
-- The number of a book's last decision; 0 where none was made.
select coalesce(max(number), 0)
from acts
where book = $1

-- name: decide_act!
-- The decision on an act.
update acts
set outcome = $4, number = $5, record = $6
where book = $1 and key = $2 and message_id = $3

-- name: recall_decision
-- A decision read from the topic. No row: it is known.
insert into acts as a (
    book, key, message_id, kind, topic, partition, caused_offset, outcome, number, record
)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
on conflict (book, key, message_id) do update
set outcome = excluded.outcome, number = excluded.number, record = excluded.record
where a.outcome is null
returning key

-- name: last_sign_off
-- The last sign-off of a bank account. No row: it was never signed off.
select record -> 'decided' ->> 'through' as through, record -> 'decided' ->> 'digest' as digest
from acts
where
    book = $1 and kind = 'sign_off' and outcome = 'accepted'
    and record -> 'decided' ->> 'account' = $2
    and record -> 'decided' ->> 'currency' = $3
order by number desc
limit 1

-- name: proof_of_day
-- The last proof of a bank account up to a day. No row: none was made.
select day, at, bank_minor, ledger_minor
from daily_proofs
where book = $1 and account = $2 and currency = $3 and day <= $4
order by day desc
limit 1

-- name: posted_lines
-- How many posted lines a bank account has up to a day, and their sum.
select count(*) as lines, coalesce(sum((body ->> 'minor')::numeric), 0) as minor
from facts
where
    book = $1 and kind = 'line'
    and body ->> 'account' = $2 and body ->> 'currency' = $3
    and body ->> 'state' = 'posted' and (body ->> 'booked_on')::date <= $4

-- name: in_transit_before
-- What stood on each key of an account in a currency before a moment, and where its payout or
-- top-up goes. No row: nothing was on its way.
select
    leg ->> 'key' as key,
    sum((leg ->> 'minor')::numeric) as minor,
    max(e.body ->> 'destination') as destination
from facts as f
cross join lateral json_array_elements(f.body -> 'legs') as leg
left join facts as e on e.book = f.book and e.key = 'expectation:' || (leg ->> 'key')
where
    f.book = $1 and f.kind = 'booking'
    and leg ->> 'account' = $2 and leg ->> 'currency' = $3
    and (f.body ->> 'effective_at')::timestamptz < $4
group by leg ->> 'key'
having sum((leg ->> 'minor')::numeric) <> 0
order by leg ->> 'key'

-- name: standing_of_account
-- The matches of a bank account's lines that stand, up to a moment. No row: none does.
select id, revision
from matches
where
    book = $1 and is_standing
    and record -> 'line' ->> 'account' = $2
    and (record ->> 'effective_at')::timestamptz < $3
order by id

-- name: put_daily_proof!
-- The last proof of a day.
insert into daily_proofs as p (
    book, account, currency, day, at, told_at, bank_minor, ledger_minor, reading
)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
on conflict (book, account, currency, day) do update
set
    at = excluded.at,
    told_at = excluded.told_at,
    bank_minor = excluded.bank_minor,
    ledger_minor = excluded.ledger_minor,
    reading = excluded.reading
where (p.at, p.told_at) <= (excluded.at, excluded.told_at)

-- name: all_parked
-- Where every record stands that could not be read. No row: all could.
select topic, partition, record_offset
from parked

-- name: count_due
-- How many books wait to be judged, but for those put off.
select count(*)
from due
where due_at <= $1

-- name: all_facts
-- Everything known of a book.
select key, kind, body
from facts
where book = $1

-- name: standing_matches
-- The matches of a book that stand.
select id, record
from matches
where book = $1 and is_standing

-- name: all_discrepancies
-- Every discrepancy of a book with how it stands.
select id, state, record ->> 'resolution' as resolution
from discrepancies
where book = $1
