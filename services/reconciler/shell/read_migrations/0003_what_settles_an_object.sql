-- Which matches settle a payout or top-up: the hook of an object is `object:ID`.

create view match_objects as
select
    h.book,
    h.hook,
    substr(h.key, 7) as id
from reconciler.hooks as h
where h.key like 'match:%' and h.hook like 'object:%';

grant select on match_objects to reconciler_reader;
