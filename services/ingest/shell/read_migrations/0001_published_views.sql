-- What ingest shows to others: the stored deliveries, and how far the index has read.

create view events as
select
    e.partition,
    e."offset",
    e.event_id,
    e.form,
    e.event_type,
    e.account,
    e.object_id,
    e.created,
    e.received_at,
    e.appended_at,
    e.via,
    e.endpoint,
    e.book,
    e.livemode,
    e.is_foreign,
    e.resent_from
from ingest.stored_events as e;

create view positions as
select
    p.cluster_id,
    p.topic_id,
    p.topic,
    p.partition,
    p.next_offset
from ingest.positions as p;

do $$
begin
    create role ingest_reader nologin;
exception
    -- Roles belong to the whole cluster: another database, or another process just now, made it.
    when duplicate_object or unique_violation then null;
end
$$;

grant usage on schema ingest_read to ingest_reader;
grant select on events, positions to ingest_reader;

do $$
begin
    execute format('grant ingest_reader to %I', current_user);
end
$$;
