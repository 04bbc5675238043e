-- name: read_positions
-- Where each partition of a cluster's topics is read on. No row: never read.
select topic, partition, topic_id, cluster_id, next_offset
from positions
where topic = any($1::text[])
order by topic, partition

-- name: begin_positions!
-- Make rows for partitions that have none, at offset zero.
insert into positions (cluster_id, topic_id, topic, partition, next_offset)
select $1, topic_id, topic, partition, 0
from unnest($2::text[], $3::text[], $4::integer[]) as n (topic_id, topic, partition)
order by topic, partition
on conflict do nothing

-- name: move_positions
-- Move positions from where they were expected to be. Fewer rows than asked for: somebody else
-- has moved one, and nothing of this transaction may stand.
with moves as (
    select topic, partition, expected, next_offset
    from unnest($2::text[], $3::integer[], $4::bigint[], $5::bigint[])
        as m (topic, partition, expected, next_offset)
),
held as (
    select p.topic, p.partition, m.next_offset
    from positions as p
    join moves as m on m.topic = p.topic and m.partition = p.partition
    where p.cluster_id = $1 and p.next_offset = m.expected
    order by p.topic, p.partition
    for update of p
)
update positions as p
set next_offset = held.next_offset
from held
where p.cluster_id = $1 and p.topic = held.topic and p.partition = held.partition
returning p.topic, p.partition
