-- name: reconciler_positions
-- How far the reconciler has read. No row: nothing yet.
select topic, partition, next_offset
from positions
order by topic, partition

-- name: discrepancies
-- Discrepancies of a book after a place in their order, in one state or, with none named, in all.
select
    id, revision, kind, state, subject, amount_minor, currency, exponent, expected, found,
    explanation, next_step, opened_at, changed_at, resolved_at
from discrepancies
where
    book = $1
    and ($2::text = '' or state = $2::text)
    and id > $3
order by id
limit $4

-- name: decisions_under
-- What became of the acts under an idempotency key, the first first. No row: not yet decided.
select
    outcome, detail, message_id, topic, partition, decided::jsonb as decided,
    caused_offset as "offset", null::text as reference
from decisions
where book = $1 and key = $2
order by number

-- name: discrepancies_in_full
-- Discrepancies of a book with all that is told of them, by their ids or, with none, unresolved.
select record::jsonb as record
from discrepancies
where
    book = $1
    and ((cardinality($2::text[]) = 0 and state <> 'resolved') or id = any($2::text[]))
order by opened_at, id
limit $3

-- name: discrepancies_about
-- What is not resolved about a subject, with all that is told of it; a bank line that takes it back
-- is about it too.
select record::jsonb as record
from discrepancies
where
    book = $1 and state <> 'resolved'
    and (subject = $2 or record ->> 'cause' = 'returned:' || $2)
order by opened_at, id

-- name: discrepancies_like
-- The ids of discrepancies that begin so, or that are about this subject.
select id
from discrepancies
where book = $1 and (id like $2 || '%' or subject = $2)
order by state = 'resolved', id
limit 20

-- name: sign_offs
-- The sign-offs of a book, the first first.
select number, decided_at, actor, decided::jsonb as decided
from decisions
where book = $1 and kind = 'sign_off' and outcome = 'accepted'
order by number

-- name: payouts
-- Payouts and top-ups that arrive between two days, by arrival.
select id, what, stage, minor, currency, created, arrival, method, failure, traces::jsonb as traces
from expectations
where book = $1 and arrival between $2 and $3
order by currency, arrival, id
limit $4

-- name: destinations_of
-- Where payouts and top-ups go to, and since when. A key without a row: it is not known.
select id, destination, created
from expectations
where book = $1 and key = any($2::text[])

-- name: payout
-- One payout or top-up. No row: it is not known.
select
    id, what, stage, minor, currency, created, arrival, account, destination, method, descriptor,
    failure, traces::jsonb as traces, told_at
from expectations
where book = $1 and key = 'expectation:' || $2

-- name: contents_of
-- What a payout holds, in the order of its parts. No row: Stripe has not told it.
select part, parts, count, balance_transactions::jsonb as balance_transactions
from payout_contents
where book = $1 and payout = $2
order by part

-- name: contents_of_payouts
-- What several payouts hold.
select payout, part, parts, count, balance_transactions::jsonb as balance_transactions
from payout_contents
where book = $1 and payout = any($2::text[])
order by payout, part

-- name: movements_by_key
-- Balance transactions with their amounts.
select
    id, type, category, source, amount_minor, fee_minor, net_minor, currency, created,
    available_on, balance_type
from balance_transactions
where book = $1 and key = any($2::text[])
order by created, id

-- name: unpaid_movements
-- Balance transactions of a currency that no payout's contents name, but for payouts' own.
select
    b.id, b.type, b.category, b.source, b.amount_minor, b.fee_minor, b.net_minor, b.currency,
    b.created, b.available_on, b.balance_type
from balance_transactions as b
left join (
    select c.book, e.id
    from payout_contents as c,
        lateral jsonb_array_elements_text(c.balance_transactions::jsonb) as e (id)
) as paid on paid.book = b.book and paid.id = b.id
where b.book = $1 and b.currency = $2 and paid.id is null and b.type not like 'payout%'
order by b.available_on, b.created, b.id
limit $3

-- name: payouts_without_contents
-- Payouts of a currency of which Stripe tells no contents, by creation: their fees, and whose
-- contents name their own transaction. One that failed, or that takes from the bank, took nothing.
select p.id, p.minor, p.created, coalesce(b.fee_minor, 0) as fee_minor, borne.payout as borne_by
from expectations as p
left join payout_contents as c on c.book = p.book and c.payout = p.id
left join balance_transactions as b
    on b.book = p.book and b.source = p.id and b.type = 'payout'
left join (
    select t.book, t.payout, e.id
    from payout_contents as t,
        lateral jsonb_array_elements_text(t.balance_transactions::jsonb) as e (id)
) as borne on borne.book = b.book and borne.id = b.id
where
    p.book = $1 and p.currency = $2 and p.what = 'payout' and c.payout is null
    and p.stage not in ('failed', 'canceled') and p.minor > 0
order by p.created, p.id

-- name: matches_of_objects
-- The matches that stand and settle an object.
select m.id, o.hook, m.record::jsonb as record
from match_objects as o
join matches as m on m.id = o.id
where o.book = $1 and o.hook = any($2::text[]) and m.state = 'made'
order by m.id

-- name: matches_of_account
-- The matches of a bank account's lines that stand.
select m.id, m.rule, m.line_id, m.record::jsonb as record
from matches as m
where m.book = $1 and m.line_account = $2 and m.state = 'made'
order by m.line_id

-- name: write_offs_of_lines
-- The write-offs that stand and take something of these lines out of suspense.
select m.id, o.line_id, m.record::jsonb as record
from line_write_offs as o
join matches as m on m.id = o.id
where o.book = $1 and o.line_id = any($2::text[]) and m.state = 'made'
order by m.id

-- name: bank_lines_of
-- The posted lines of a bank account between two days.
select id, minor, currency, booked_on, description, reference, counterparty
from bank_lines
where book = $1 and account = $2 and state = 'posted' and booked_on between $3 and $4
order by booked_on, id
limit $5

-- name: daily_proofs_of
-- The proofs of a book's bank accounts between two days, the last of each day.
select account, currency, day, at, told_at, bank_minor, ledger_minor
from daily_proofs
where book = $1 and ($2::text = '' or account = $2::text) and day between $3 and $4
order by account, currency, day

-- name: proof_before
-- The last proof of a bank account up to a day. No row: none.
select account, currency, day, at, told_at, bank_minor, ledger_minor
from daily_proofs
where book = $1 and account = $2 and day <= $3
order by day desc
limit 1

-- name: stripe_words
-- Stripe's own last word on each of its balances.
select account, currency, minor, told_at
from stripe_balances
where book = $1
order by account, currency

-- name: bank_line
-- One bank line in its last form. No row: it is not known.
select id, minor, currency, booked_on, state
from bank_lines
where book = $1 and key = $2
