-- What the ledger shows to others: a contract, versioned like a message.

create view positions as
select topic, partition, next_offset
from ledger.positions;

create view balances as
select
    book,
    account,
    currency,
    max(exponent) as exponent,
    sum(debit_minor - credit_minor) as minor
from ledger.balances
group by book, account, currency;

create view trial_balance as
select
    book,
    account,
    currency,
    max(exponent) as exponent,
    sum(debit_minor) as debit_minor,
    sum(credit_minor) as credit_minor,
    sum(debit_minor - credit_minor) as net_minor
from ledger.balances
group by book, account, currency;

create view open_items as
select book, account, key, currency, exponent, minor, since, since_recorded
from ledger.open_items
where minor <> 0;

create view entries as
select
    e.book,
    e.reference,
    e.kind,
    e.effective_at,
    e.recorded_at,
    o.topic,
    o.partition,
    e.caused_offset as "offset",
    e.sequence,
    e.message_id,
    e.rules_version,
    e.description,
    e.reverses,
    e.digest,
    e.chain
from ledger.entries as e
join ledger.origins as o on o.origin_id = e.origin_id;

create view postings as
select
    e.book,
    e.reference,
    o.topic,
    o.partition,
    p.sequence,
    p.ordinal,
    p.account,
    p.key,
    p.direction,
    p.minor,
    p.currency,
    p.exponent
from ledger.postings as p
join ledger.entries as e on e.origin_id = p.origin_id and e.sequence = p.sequence
join ledger.origins as o on o.origin_id = p.origin_id;

create view outcomes as
select
    o.topic,
    o.partition,
    u.caused_offset as "offset",
    u.ordinal,
    u.outcome,
    u.reason,
    u.book,
    u.subject,
    u.detail,
    u.reference,
    u.amount_minor,
    u.currency,
    u.exponent,
    u.message_id,
    u.recorded_at
from ledger.outcomes as u
join ledger.origins as o on o.origin_id = u.origin_id;

create view dead_letters as
select
    o.topic,
    o.partition,
    d.caused_offset as "offset",
    d.reason,
    d.detail,
    d.recorded_at
from ledger.dead_letters as d
join ledger.origins as o on o.origin_id = d.origin_id;

create view messages as
select s.book, s.identity, o.topic, o.partition, s.caused_offset as "offset"
from ledger.seen_events as s
join ledger.origins as o on o.origin_id = s.origin_id;

grant usage on schema ledger_read to ledger_reader;
grant select on
    positions, balances, trial_balance, open_items, entries, postings, outcomes, dead_letters,
    messages
to ledger_reader;

do $$
begin
    execute format('grant ledger_reader to %I', current_user);
end
$$;
