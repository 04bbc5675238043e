-- name: place_of
-- How far a feed by changes has read. No row: not yet.
select cursor
from bank_cursors
where account = $1

-- name: keep_place!
-- Remember how far a feed by changes has read.
insert into bank_cursors (account, cursor)
values ($1, $2)
on conflict (account) do update set cursor = excluded.cursor

-- name: note_asked!
-- Remember that an account is asked for, from its first time on.
insert into bank_readings (account, first_asked_at)
values ($1, $2)
on conflict do nothing

-- name: note_read!
-- Remember that an account was read whole.
insert into bank_readings as r (account, first_asked_at, read_at)
values ($1, $2, $2)
on conflict (account) do update set read_at = greatest(r.read_at, excluded.read_at)

-- name: readings_of
-- When accounts were first asked for and last read. No row: never asked for.
select account, first_asked_at, read_at
from bank_readings
where account = any($1::text[])
order by account

-- name: accounts_asked
-- Every account that was ever asked for. No row: none.
select account
from bank_readings
order by account
