-- name: clocks_of_books
-- Of some books those with lines that are yet to be earned, and how far their clocks have ticked.
select b.book, c.ticked_until
from unnest($1::text[]) as b (book)
left join clocks as c on c.book = b.book
where exists (
    select 1
    from unearned_lines as u
    where u.book = b.book
)
order by b.book
