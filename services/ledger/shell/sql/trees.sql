-- name: begin_tree_origins!
-- Make a row for each origin that has none.
insert into tree_origins (origin_id)
select o.origin_id
from origins as o
where not exists (select from tree_origins as t where t.origin_id = o.origin_id)
order by o.origin_id
on conflict do nothing

-- name: tree_origins_due
-- Origins with published entries that stand in no tree yet; held until the end of the transaction.
-- Those that another process holds are left to it.
select t.origin_id, t.sequence, least(p.sequence, o.sequence) as up_to, o.topic, o.partition
from tree_origins as t
join published as p on p.origin_id = t.origin_id
join origins as o on o.origin_id = t.origin_id
where t.sequence < least(p.sequence, o.sequence)
order by t.origin_id
limit $1
for update of t skip locked

-- name: tree_leaves
-- The links of origins' entries after one sequence and up to another, in order.
select e.origin_id, e.sequence, e.book, e.chain
from unnest($1::integer[], $2::bigint[], $3::bigint[]) as n (origin_id, after, up_to)
join entries as e
    on e.origin_id = n.origin_id and e.sequence > n.after and e.sequence <= n.up_to
order by e.origin_id, e.sequence

-- name: trees_of_origins
-- The trees of certain origins and books. No row: the book has none there.
select t.origin_id, t.book, t.size, t.sequence, t.peaks
from unnest($1::integer[], $2::text[]) as n (origin_id, book)
join trees as t on t.origin_id = n.origin_id and t.book = n.book

-- name: grow_trees!
-- What trees have become.
insert into trees as t (book, origin_id, size, sequence, chain, peaks)
select book, origin_id, size, sequence, chain, peaks
from unnest($1::integer[], $2::text[], $3::bigint[], $4::bigint[], $5::bytea[], $6::bytea[])
    as n (origin_id, book, size, sequence, chain, peaks)
order by origin_id, book
on conflict (book, origin_id) do update
set
    size = excluded.size,
    sequence = excluded.sequence,
    chain = excluded.chain,
    peaks = excluded.peaks

-- name: keep_tiles!
-- Perfect subtrees of origins' trees that have become complete.
insert into tree_tiles (book, origin_id, position, hash, sequence)
select book, origin_id, position, hash, sequence
from unnest($1::integer[], $2::text[], $3::bigint[], $4::bytea[], $5::bigint[])
    as n (origin_id, book, position, hash, sequence)

-- name: move_tree_origins!
-- How far origins' entries stand in trees.
update tree_origins as t
set sequence = n.sequence
from unnest($1::integer[], $2::bigint[]) as n (origin_id, sequence)
where t.origin_id = n.origin_id

-- name: heads_due
-- Books whose trees have more entries than their last head told.
select t.book, sum(t.size)::bigint as size, coalesce(h.size, 0) as told_size, h.made_at
from trees as t
left join tree_heads as h on h.book = t.book
group by t.book, h.size, h.made_at
having sum(t.size) > coalesce(h.size, 0)
order by t.book

-- name: hold_head
-- One process at a time makes a head of a book; held until the end of the transaction.
select pg_try_advisory_xact_lock(
    hashtextextended('ledger tree head of ' || current_schema() || ' ' || $1::text, 0)
) as is_held

-- name: last_head
-- The last head of a book that is known to be on the topic. No row: none is.
select head
from tree_heads
where book = $1

-- name: last_heads
-- The last head of every book.
select book, head
from tree_heads
order by book

-- name: trees_of_book
-- Every tree of a book. No row: it has no published entry.
select o.topic, o.partition, t.origin_id, t.size, t.sequence, t.chain, t.peaks
from trees as t
join origins as o on o.origin_id = t.origin_id
where t.book = $1
order by o.topic, o.partition

-- name: note_head!
-- A head is on the topic; never one that is smaller than the last.
insert into tree_heads as h (book, size, made_at, head)
values ($1, $2, $3, $4::jsonb)
on conflict (book) do update
set size = excluded.size, made_at = excluded.made_at, head = excluded.head
where h.size < excluded.size

-- name: heads_are_known
-- Whether it is known what stands on the topic of heads.
select exists (select from published_tails where topic = $1) as are_known

-- name: tiles_of_tree
-- The complete tiles of a book's tree in an origin, of the first so many entries.
select position, hash
from tree_tiles
where book = $1 and origin_id = $2 and position < $3
order by position

-- name: tile_before
-- The last complete tile before an entry, and the last entry in it. Null: there is none.
select max(position) as position, max(sequence) as sequence
from tree_tiles
where book = $1 and origin_id = $2 and sequence < $3

-- name: tile_end
-- The last entry in a tile. No row: the tile is not complete, or it is none.
select sequence
from tree_tiles
where book = $1 and origin_id = $2 and position = $3

-- name: leaves_between
-- How many leaves of a book's tree in an origin stand after a sequence and before another.
select count(*) as leaves
from entries
where origin_id = $2 and sequence > $3 and sequence < $4 and book = $1

-- name: leaves_after
-- The leaves of a book's tree in an origin after a sequence, in order, not more than so many.
select chain
from entries
where origin_id = $2 and sequence > $3 and book = $1
order by sequence
limit $4
