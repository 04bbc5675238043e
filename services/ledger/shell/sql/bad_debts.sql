-- name: read_given_up
-- When invoices were given up, by the first of the times told. No row: nobody has said so.
select g.book, g.invoice, min(g.at) as at
from unnest($1::text[], $2::text[]) as n (book, invoice)
join given_up as g on g.book = n.book and g.invoice = n.invoice
group by g.book, g.invoice

-- name: add_given_up!
-- Keep which invoices were given up.
insert into given_up (book, invoice, at)
select distinct book, invoice, at
from unnest($1::text[], $2::text[], $3::timestamptz[]) as n (book, invoice, at)
order by book, invoice, at
on conflict (book, invoice, at) do nothing

-- name: read_on_receivables
-- What entries of some kinds post to the receivables of invoices: the entries whole, a row for each
-- posting, those of an entry together.
select
    e.book, e.reference, e.kind, e.effective_at, e.rules_version, e.description, e.reverses,
    p.account, p.key, p.direction, p.minor, p.currency, p.exponent
from (
    select distinct n.book, f.origin_id, f.sequence
    from unnest($1::text[], $2::text[]) as n (book, invoice)
    join postings as f on f.account = 'assets:receivable' and f.key = n.invoice
) as found
join entries as e
    on e.origin_id = found.origin_id
    and e.sequence = found.sequence
    and e.book = found.book
    and e.kind = any($3::text[])
join postings as p on p.origin_id = e.origin_id and p.sequence = e.sequence
order by e.book, e.reference, p.ordinal
