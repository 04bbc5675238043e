-- name: closings_of_book
-- Every closing, locking and opening of a book, the last first. No row: it was never closed.
select number, since, closed_through, locked_through
from periods
where book = $1
order by number desc
limit $2

-- name: late_entries_of_book
-- Entries that are reported on a later day than their own, the newest first.
select reference, kind, effective_at, recorded_at, reported_day
from late_entries
where book = $1
order by recorded_at desc, reference
limit $2

-- name: account_changes_of_book
-- What commands did to accounts, or to one of them, the last first. No row: nothing.
select account, number, display, is_open, is_of_chart, key, normal, has_floor, recorded_at
from account_history
where book = $1 and ($3 = '' or account = $3)
order by recorded_at desc, account, number desc
limit $2

-- name: holds_of_book
-- Amounts set aside, those that are open first, then the newest. No row: nothing was.
select hold, account, key, currency, exponent, minor, placed_at, expires_at, ended, ended_at
from holds
where book = $1
order by ended is not null, placed_at desc, hold
limit $2

-- name: charts_in_force
-- What books begin with, and each chart of a book that was put in force, the first first.
select what, $1::text as book, value, recorded_at
from activations
where what = 'genesis' or (what = 'chart' and book = $1)
order by number

-- name: accounts_opened_and_closed
-- Whether each account that a command opened or closed is open, the last word last.
select account, is_open
from account_history
where book = $1
order by number
