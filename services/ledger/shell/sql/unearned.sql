-- name: add_unearned_lines!
-- Keep when lines are served. A line is of one invoice, so it is told once.
insert into unearned_lines (book, line, currency, exponent, minor, since, until)
select book, line, currency, exponent, minor, since, until
from unnest(
    $1::text[], $2::text[], $3::text[], $4::smallint[], $5::numeric[], $6::timestamptz[],
    $7::timestamptz[]
) as n (book, line, currency, exponent, minor, since, until)
order by book, line
on conflict (book, line) do nothing

-- name: add_unearned_cuts!
-- Keep what was taken back of lines, each by the entry that did.
insert into unearned_cuts (book, line, reference, minor, at)
select book, line, reference, minor, at
from unnest($1::text[], $2::text[], $3::text[], $4::numeric[], $5::timestamptz[])
    as n (book, line, reference, minor, at)
order by book, line, reference
on conflict (book, line, reference) do nothing

-- name: read_clocks
-- How far the clocks of books have ticked. No row: never yet.
select book, ticked_until
from clocks
where book = any($1::text[])

-- name: read_unearned_lines
-- The lines of which something stands unearned, or in debit, and how much.
select u.book, u.line, u.currency, u.exponent, u.minor, u.since, u.until, i.minor as standing
from open_items as i
join unearned_lines as u
    on u.book = i.book and u.line = i.key and u.currency = i.currency
where i.book = any($1::text[]) and i.account = 'liabilities:unearned' and i.minor <> 0
order by u.book, u.line

-- name: read_unearned_cuts
-- What was taken back of lines, the exponent of which is the line's.
select book, line, reference, minor, at
from unearned_cuts
where (book, line) in (
    select n.book, n.line
    from unnest($1::text[], $2::text[]) as n (book, line)
)
order by book, line, reference

-- name: move_clocks!
-- A clock never goes back.
insert into clocks as c (book, ticked_until)
select book, ticked_until
from unnest($1::text[], $2::timestamptz[]) as n (book, ticked_until)
order by book
on conflict (book) do update
set ticked_until = greatest(c.ticked_until, excluded.ticked_until)
