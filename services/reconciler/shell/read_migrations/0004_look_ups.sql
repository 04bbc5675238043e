-- What was asked for by name, and when.

create view look_ups as
select
    l.book,
    l.id,
    l.subject,
    l.deadline,
    l.look_up,
    l.place,
    l.asked_at
from reconciler.look_ups as l;

grant select on look_ups to reconciler_reader;
