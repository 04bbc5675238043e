-- The outcome of a command shows what was decided.

create or replace view outcomes as
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
    u.recorded_at,
    u.decided
from ledger.outcomes as u
join ledger.origins as o on o.origin_id = u.origin_id;
