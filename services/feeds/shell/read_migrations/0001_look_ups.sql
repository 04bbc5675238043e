-- What the feeds show to others: what became of what was to be looked up at a bank.

create view look_ups as
select
    l.id,
    l.book,
    l.account,
    l.state,
    l.reason,
    l.tries,
    l.asked_at,
    l.try_at,
    l.settled_at
from feeds.look_ups as l;

do $$
begin
    create role feeds_reader nologin;
exception
    -- Roles belong to the whole cluster: another database, or another process just now, made it.
    when duplicate_object or unique_violation then null;
end
$$;

grant usage on schema feeds_read to feeds_reader;
grant select on look_ups to feeds_reader;

do $$
begin
    execute format('grant feeds_reader to %I', current_user);
end
$$;
