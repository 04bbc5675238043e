-- name: add_recoveries!
-- Keep that invoices which had been given up were paid or voided, whatever is known of them by now.
insert into recoveries (book, invoice, at)
select distinct book, invoice, at
from unnest($1::text[], $2::text[], $3::timestamptz[]) as n (book, invoice, at)
order by book, invoice, at
on conflict (book, invoice, at) do nothing

-- name: read_recoveries
-- When invoices were told to be no loss after all: the first of the times told. No row: not yet.
select r.book, r.invoice, min(r.at) as at
from unnest($1::text[], $2::text[]) as n (book, invoice)
join recoveries as r on r.book = n.book and r.invoice = n.invoice
group by r.book, r.invoice
