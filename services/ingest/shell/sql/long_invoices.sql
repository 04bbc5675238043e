-- name: note_long_invoices!
-- Invoices that events show in part are to be asked for; once more, where they have changed since.
insert into long_invoices as l (account, livemode, invoice, book, state, noted_at, try_at)
select distinct on (account, livemode, invoice)
    account,
    livemode,
    invoice,
    book,
    'open',
    $5::timestamptz,
    $5::timestamptz
from unnest($1::text[], $2::boolean[], $3::text[], $4::text[]) as n (
    account, livemode, invoice, book
)
order by account, livemode, invoice
on conflict (account, livemode, invoice) do update
set
    state = 'open',
    notings = l.notings + 1,
    tries = 0,
    reason = '',
    noted_at = case when l.state = 'told' then excluded.noted_at else l.noted_at end,
    try_at = excluded.try_at

-- name: due_long_invoices
-- The invoices of an account whose turn it is, and of what else is told by its key. No row: none.
select account, invoice, notings, tries
from long_invoices
where
    state = 'open'
    and try_at <= $1
    and livemode = $2
    and (account = $3 or (book = $4 and account <> all($5::text[])))
order by try_at, invoice
limit $6

-- name: settle_long_invoice!
-- What became of an invoice, unless an event has shown it anew meanwhile.
update long_invoices
set state = $5, reason = $6, tries = tries + 1
where account = $1 and livemode = $2 and invoice = $3 and notings = $4

-- name: try_long_invoice_again!
-- The invoice could not be told whole; it has another turn.
update long_invoices
set tries = tries + 1, reason = $4, try_at = $5
where account = $1 and livemode = $2 and invoice = $3

-- name: unfetched_long_invoices
-- Invoices that are not told whole. No row: none.
select invoice, noted_at, reason
from long_invoices
where
    state <> 'told'
    and livemode = $1
    and (account = $2 or (book = $3 and account <> all($4::text[])))
order by noted_at, invoice
limit $5
