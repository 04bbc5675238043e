-- name: note_long_invoices!
-- Invoices and credit notes that events show in part are to be asked for; long ones once more, where
-- they have changed since. That an invoice is paid changes no more: how it was is asked once, whatever
-- events follow.
insert into long_invoices as l (
    account, livemode, invoice, book, state, noted_at, try_at, is_long, is_paid, kind
)
select
    account,
    livemode,
    invoice,
    min(book),
    'open',
    $5::timestamptz,
    $5::timestamptz,
    bool_or(is_long),
    not bool_and(is_long),
    min(kind)
from unnest($1::text[], $2::boolean[], $3::text[], $4::text[], $6::boolean[], $7::text[]) as n (
    account, livemode, invoice, book, is_long, kind
)
group by account, livemode, invoice
order by account, livemode, invoice
on conflict (account, livemode, invoice) do update
set
    is_long = l.is_long or excluded.is_long,
    is_paid = l.is_paid or excluded.is_paid,
    state = 'open',
    notings = l.notings + 1,
    tries = 0,
    reason = '',
    noted_at = case when l.state = 'told' then excluded.noted_at else l.noted_at end,
    try_at = excluded.try_at
where excluded.is_long or not l.is_paid

-- name: due_long_invoices
-- The invoices of an account whose turn it is, and of what else is told by its key: those first
-- whose lines count as earned until they are told. No row: none.
select account, kind, invoice, notings, tries
from long_invoices
where
    state = 'open'
    and try_at <= $1
    and livemode = $2
    and (account = $3 or (book = $4 and account <> all($5::text[])))
order by is_long desc, try_at, invoice
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
-- Invoices that are not told whole. One that only does not say how it was paid has its turn in the
-- rounds to come, however many there are, and is missed once a try has failed. No row: none.
select kind, invoice, noted_at, reason, is_long
from long_invoices
where
    state <> 'told'
    and (is_long or reason <> '')
    and livemode = $1
    and (account = $2 or (book = $3 and account <> all($4::text[])))
order by noted_at, invoice
limit $5
