-- What was put in force, in the order it was decided: by whom, why, and from which positions on.

create view activations as
select
    a.number,
    a.record ->> 'what' as what,
    a.record ->> 'book' as book,
    a.record -> 'value' as value,
    a.record -> 'positions' as positions,
    a.record ->> 'actor' as actor,
    a.record ->> 'reason' as reason,
    a.recorded_at,
    o.topic,
    o.partition,
    a.caused_offset as "offset"
from ledger.activations as a
join ledger.origins as o on o.origin_id = a.origin_id;

grant select on activations to ledger_reader;
