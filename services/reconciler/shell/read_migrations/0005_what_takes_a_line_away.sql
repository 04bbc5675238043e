-- Which write-offs take a bank line out of suspense, all of it or a part: its key there is its id.

create view line_write_offs as
select
    h.book,
    substr(h.hook, 10) as line_id,
    substr(h.key, 7) as id
from reconciler.hooks as h
where h.key like 'match:%' and h.hook like 'suspense:%';

grant select on line_write_offs to reconciler_reader;
