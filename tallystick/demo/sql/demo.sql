-- name: counts
-- How much is booked and matched; always one row.
select
    (select count(*) from ledger_read.entries) as entries,
    (select count(*) from reconciler_read.matches where state = 'made') as matches;

-- name: booked_positions
-- How far the ledger has booked each input; no row before its first batch.
select
    topic,
    partition,
    next_offset
from ledger_read.positions;

-- name: reconciled_positions
-- How far the reconciler has read each input; no row before its first batch.
select
    topic,
    partition,
    next_offset
from reconciler_read.positions;

-- name: open_discrepancies
-- What is wrong now, the largest first within a kind.
select
    kind,
    subject,
    amount_minor,
    currency,
    exponent,
    expected,
    found,
    next_step
from reconciler_read.discrepancies
where state <> 'resolved'
order by kind, amount_minor desc nulls last, subject;

-- name: balances
-- Every balance that is not zero, debit positive.
select
    account,
    currency,
    exponent,
    minor
from ledger_read.balances
where minor <> 0
order by account, currency;
