-- Customers' credits and what is yet to be earned, as applications and reports read them.

-- What each customer has in each currency, and what of it is held. Credits whose customer nobody
-- has named yet stand under their payment (`pi_…`, `ch_…`).
create view customer_credits as
select
    i.book,
    i.key as customer,
    i.currency,
    i.exponent,
    i.minor,
    coalesce(h.minor, 0) as held_minor,
    i.minor - coalesce(h.minor, 0) as available_minor,
    i.since
from ledger.open_items as i
left join lateral (
    select sum(o.minor) as minor
    from ledger.holds as o
    where
        o.book = i.book
        and o.account = i.account
        and o.key = i.key
        and o.currency = i.currency
        and o.ended is null
        and coalesce(o.expires_at, 'infinity') > now()
) as h on true
where i.account = 'memo:credits' and i.minor <> 0;

-- What each customer's credits moved by, a minor below zero where they were spent.
create view customer_credit_movements as
select
    e.book,
    p.key as customer,
    e.reference,
    e.kind,
    e.effective_at,
    e.recorded_at,
    o.topic,
    o.partition,
    e.sequence,
    p.ordinal,
    e.description,
    case p.direction when 'debit' then p.minor else -p.minor end as minor,
    p.currency,
    p.exponent
from ledger.postings as p
join ledger.entries as e
    on e.origin_id = p.origin_id and e.sequence = p.sequence and e.recorded_at = p.recorded_at
join ledger.origins as o on o.origin_id = p.origin_id
where p.account = 'memo:credits';

-- Lines of invoices that are yet to be earned, of what, and until when.
create view unearned_lines as
select
    i.book,
    i.key as line,
    i.currency,
    i.exponent,
    -i.minor as unearned_minor,
    u.minor as line_minor,
    u.since,
    u.until
from ledger.open_items as i
join ledger.unearned_lines as u
    on u.book = i.book and u.line = i.key and u.currency = i.currency
where i.account = 'liabilities:unearned' and i.minor <> 0;

create view clocks as
select book, ticked_until
from ledger.clocks;

grant select on customer_credits, customer_credit_movements, unearned_lines, clocks
to ledger_reader;
