-- name: active_matches
-- The standing matches of a book of which some fact is not done with.
select id, record
from matches
where book = $1 and is_standing and not is_dormant

-- name: matches_by_id
-- The last record of matches. No row: never made.
select id, revision, is_standing, is_dormant, record
from matches
where id = any($1::text[])

-- name: put_matches
-- The last records of matches; an older revision never replaces a newer one, nor a making the
-- undoing of the same revision.
insert into matches as m (book, id, revision, is_standing, is_dormant, record)
select book, id, revision, is_standing, is_dormant, record
from unnest($1::text[], $2::text[], $3::integer[], $4::boolean[], $5::boolean[], $6::json[])
    as n (book, id, revision, is_standing, is_dormant, record)
order by id
on conflict (id) do update
set
    revision = excluded.revision,
    is_standing = excluded.is_standing,
    is_dormant = excluded.is_dormant,
    record = excluded.record
where
    m.revision < excluded.revision
    or (m.revision = excluded.revision and m.is_standing and not excluded.is_standing)
returning book

-- name: set_matches_dormant!
-- Which matches have become done with, or are no longer.
update matches as m
set is_dormant = n.is_dormant
from unnest($1::text[], $2::boolean[]) as n (id, is_dormant)
where m.id = n.id

-- name: unresolved_discrepancies
-- The last records of a book's discrepancies that are not resolved, and of those resolved by hand
-- but for the kinds that never heal.
select id, record
from discrepancies
where book = $1 and state <> 'resolved'
union all
select id, record
from discrepancies
where
    book = $1 and state = 'resolved' and (record ->> 'resolution') = 'by_hand'
    and kind <> all($2::text[])

-- name: discrepancies_by_id
-- The last record of discrepancies. No row: never opened.
select id, record
from discrepancies
where id = any($1::text[])

-- name: put_discrepancies
-- The last records of discrepancies; an older revision never replaces a newer one.
insert into discrepancies as d (
    book, id, revision, kind, state, subject, amount_minor, currency, exponent,
    opened_at, changed_at, resolved_at, record
)
select
    book, id, revision, kind, state, subject, amount_minor, currency, exponent,
    opened_at, changed_at, resolved_at, record
from unnest(
    $1::text[], $2::text[], $3::integer[], $4::text[], $5::text[], $6::text[],
    $7::numeric[], $8::text[], $9::integer[],
    $10::timestamptz[], $11::timestamptz[], $12::timestamptz[], $13::json[]
) as n (
    book, id, revision, kind, state, subject, amount_minor, currency, exponent,
    opened_at, changed_at, resolved_at, record
)
order by id
on conflict (id) do update
set
    revision = excluded.revision,
    state = excluded.state,
    amount_minor = excluded.amount_minor,
    currency = excluded.currency,
    exponent = excluded.exponent,
    opened_at = excluded.opened_at,
    changed_at = excluded.changed_at,
    resolved_at = excluded.resolved_at,
    record = excluded.record
where d.revision < excluded.revision
returning book

-- name: count_unresolved
-- How many discrepancies of each kind are not resolved. No row: all is well.
select kind, count(*) as unresolved
from discrepancies
where state <> 'resolved'
group by kind
order by kind
