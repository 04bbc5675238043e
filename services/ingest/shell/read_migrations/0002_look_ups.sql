-- What became of what was to be looked up at Stripe: whoever still waits for it can see the answer.

create view look_ups as
select
    l.id,
    l.book,
    l.object_id,
    l.state,
    l.reason,
    l.tries,
    l.asked_at,
    l.try_at,
    l.settled_at
from ingest.look_ups as l;

grant select on look_ups to ingest_reader;
