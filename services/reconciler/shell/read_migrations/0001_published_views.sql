-- What others may read: discrepancies, matches and positions, under a role that reads only this.

create view discrepancies as
select
    d.book,
    d.id,
    d.revision,
    d.kind,
    d.state,
    d.subject,
    d.amount_minor,
    d.currency,
    d.exponent,
    d.record ->> 'expected' as expected,
    d.record ->> 'found' as found,
    d.record ->> 'explanation' as explanation,
    d.record ->> 'next_step' as next_step,
    d.opened_at,
    d.changed_at,
    d.resolved_at,
    d.record
from reconciler.discrepancies as d;

create view matches as
select
    m.book,
    m.id,
    m.revision,
    case when m.is_standing then 'made' else 'undone' end as state,
    m.record ->> 'match_kind' as kind,
    m.record ->> 'rule' as rule,
    m.record -> 'line' ->> 'account' as line_account,
    m.record -> 'line' ->> 'id' as line_id,
    (m.record ->> 'effective_at')::timestamptz as effective_at,
    m.record
from reconciler.matches as m;

create view positions as
select
    p.topic,
    p.partition,
    p.next_offset
from reconciler.positions as p;

do $$
begin
    create role reconciler_reader nologin;
exception
    -- Roles belong to the whole cluster: another database, or another process just now, made it.
    when duplicate_object or unique_violation then null;
end
$$;

grant usage on schema reconciler_read to reconciler_reader;
grant select on discrepancies, matches, positions to reconciler_reader;
