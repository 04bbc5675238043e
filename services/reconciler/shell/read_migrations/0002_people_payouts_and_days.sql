-- What people did, what payouts hold, bank lines and the proofs of days, for reports.

create view decisions as
select
    a.book,
    a.key,
    a.message_id,
    a.kind,
    a.outcome,
    a.number,
    a.record ->> 'detail' as detail,
    a.record -> 'decided' as decided,
    a.record ->> 'actor' as actor,
    a.record ->> 'reason' as reason,
    (a.record ->> 'decided_at')::timestamptz as decided_at,
    a.topic,
    a.partition,
    a.caused_offset
from reconciler.acts as a
where a.outcome is not null;

create view expectations as
select
    f.book,
    f.key,
    f.body ->> 'id' as id,
    f.body ->> 'what' as what,
    f.body ->> 'stage' as stage,
    (f.body ->> 'minor')::numeric as minor,
    f.body ->> 'currency' as currency,
    (f.body ->> 'created')::timestamptz as created,
    (f.body ->> 'arrival')::date as arrival,
    f.body ->> 'account' as account,
    f.body ->> 'destination' as destination,
    f.body ->> 'method' as method,
    f.body ->> 'descriptor' as descriptor,
    f.body ->> 'failure' as failure,
    f.body -> 'traces' as traces,
    (f.body ->> 'told_at')::timestamptz as told_at
from reconciler.facts as f
where f.kind = 'expectation';

create view balance_transactions as
select
    f.book,
    f.key,
    f.body ->> 'id' as id,
    f.body ->> 'type' as type,
    f.body ->> 'category' as category,
    f.body ->> 'source' as source,
    (f.body ->> 'amount_minor')::numeric as amount_minor,
    (f.body ->> 'fee_minor')::numeric as fee_minor,
    (f.body ->> 'net_minor')::numeric as net_minor,
    f.body ->> 'currency' as currency,
    f.body ->> 'balance_type' as balance_type,
    (f.body ->> 'created')::timestamptz as created,
    (f.body ->> 'available_on')::date as available_on
from reconciler.facts as f
where f.kind = 'balance_transaction';

create view payout_contents as
select
    f.book,
    f.key,
    f.body ->> 'payout' as payout,
    (f.body ->> 'part')::integer as part,
    (f.body ->> 'parts')::integer as parts,
    (f.body ->> 'count')::integer as count,
    f.body -> 'balance_transactions' as balance_transactions
from reconciler.facts as f
where f.kind = 'payout_contents';

create view bank_lines as
select
    f.book,
    f.key,
    f.body ->> 'account' as account,
    f.body ->> 'id' as id,
    (f.body ->> 'revision')::integer as revision,
    f.body ->> 'state' as state,
    (f.body ->> 'minor')::numeric as minor,
    f.body ->> 'currency' as currency,
    (f.body ->> 'booked_on')::date as booked_on,
    f.body ->> 'description' as description,
    f.body ->> 'reference' as reference,
    f.body ->> 'counterparty' as counterparty
from reconciler.facts as f
where f.kind = 'line';

create view stripe_balances as
select
    f.book,
    f.key,
    f.body ->> 'account' as account,
    f.body ->> 'currency' as currency,
    (f.body ->> 'minor')::numeric as minor,
    (f.body ->> 'told_at')::timestamptz as told_at
from reconciler.facts as f
where f.kind = 'stripe_balance';

create view daily_proofs as
select
    p.book,
    p.account,
    p.currency,
    p.day,
    p.at,
    p.told_at,
    p.bank_minor,
    p.ledger_minor,
    p.reading
from reconciler.daily_proofs as p;

grant select on
    decisions, expectations, balance_transactions, payout_contents, bank_lines, stripe_balances,
    daily_proofs
to reconciler_reader;
