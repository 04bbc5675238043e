-- name: hold_book
-- Lock a book's row, made when there is none, and say its version; others wait their turn.
insert into books as b (book)
values ($1)
on conflict (book) do update set version = b.version
returning version

-- name: bump_book
-- Say that what is known of a book has changed.
update books
set version = version + 1
where book = $1
returning version

-- name: active_facts
-- The facts of a book that are not done with. No row: nothing is open.
select key, kind, body
from facts
where book = $1 and not is_dormant

-- name: facts_by_key
-- The facts with these keys, done with or not. No row: not known.
select key, kind, body, is_dormant
from facts
where book = $1 and key = any($2::text[])

-- name: keys_by_hook
-- What can be met by these hooks: keys of facts, and of matches as ``match:ID``.
select distinct key
from hooks
where book = $1 and hook = any($2::text[])

-- name: hooks_by_key
-- The hooks that these keys can be met by.
select key, hook
from hooks
where book = $1 and key = any($2::text[])

-- name: put_facts!
-- Facts as they are known now.
insert into facts (book, key, kind, body, is_dormant)
select $1, key, kind, body, is_dormant
from unnest($2::text[], $3::text[], $4::json[], $5::boolean[]) as n (key, kind, body, is_dormant)
order by key
on conflict (book, key) do update
set body = excluded.body, is_dormant = excluded.is_dormant

-- name: set_dormant!
-- Which facts have become done with, or are no longer.
update facts as f
set is_dormant = n.is_dormant
from unnest($2::text[], $3::boolean[]) as n (key, is_dormant)
where f.book = $1 and f.key = n.key

-- name: put_hooks!
-- Hooks of new keys. A key only ever gains hooks: one too many loads more and changes nothing.
insert into hooks (book, hook, key)
select $1, hook, key
from unnest($2::text[], $3::text[]) as n (hook, key)
order by hook, key
on conflict do nothing

-- name: count_active_facts
-- How many facts of a book are not done with.
select count(*)
from facts
where book = $1 and not is_dormant
