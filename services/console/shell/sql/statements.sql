-- name: standing
-- All that is booked, by account and currency. No row: nothing booked.
select account, currency, exponent, debit_minor, credit_minor
from trial_balance
where book = $1

-- name: turnover
-- Turnover of whole days, of one account where one is named. No row: nothing moved.
select account, currency, exponent, debit_minor, credit_minor
from turnover($1, $2, $3, $4)
where $5::text is null or account = $5::text

-- name: turnover_of_roots
-- Turnover of whole days of the accounts of certain roots. No row: nothing moved.
select account, currency, exponent, debit_minor, credit_minor
from turnover($1, $2, $3, $4)
where split_part(account, ':', 1) = any($5::text[])

-- name: turnover_within_days
-- Turnover of a span of moments, by day. No row: nothing moved.
select account, currency, exponent, day, debit_minor, credit_minor
from turnover_within_days($1, $2, $3, $4, $5, $6)

-- name: turnover_at_daily_rates
-- Turnover of whole days with its net at each day's rate, of certain roots or of all.
select
    account, currency, exponent, debit_minor, credit_minor,
    at_daily_rates::text as at_daily_rates, missing_on
from turnover_at_daily_rates($1, $2, $3, $4, $5, $6, $7)

-- name: rates_on
-- The last rates on or before a day. No row: no currency has one.
select currency, exponent, on_day, rate::text as rate
from rates_on($1, $2, $3, $4)

-- name: turnover_by_unit
-- Turnover of whole days by the day, week, month, quarter or year in which they lie.
select account, currency, exponent, begins, debit_minor, credit_minor
from turnover_by($1, $2, $3, $4, $5)

-- name: open_keys
-- What stands under the keys of an account and of those under it, now. No row: nothing.
select account, key, currency, exponent, minor
from open_items
where
    book = $1
    and (account = $2::text or starts_with(account, $2::text || ':'))
order by account, key, currency
limit $3

-- name: open_keys_as_of
-- The same as of a moment of either axis, from what was kept near it. No row: nothing.
select account, key, currency, exponent, minor, looked_at
from open_keys_as_of($1, $2, $3, $4, $5, $6)

-- name: turnover_of_keys
-- Turnover under the keys of an account in a span of time. No row: nothing moved.
select account, key, currency, exponent, debit_minor, credit_minor, postings
from turnover_of_keys_between($1, $2, $3, $4, $5, $6, $7)

-- name: accounts_moved
-- Accounts of a book that ever moved, from a name on in their order, with or without those under it.
select distinct account
from trial_balance
where
    book = $1
    and ($2::text = '' or account = $2::text or starts_with(account, $2::text || ':'))
order by account

-- name: what_was_told
-- What statements are a function of: the entries of each input, and the commands, which tell rates,
-- names and periods besides. Messages that book nothing are no part of it.
select topic, partition, sequence as told
from origins
union all
select topic, partition, next_offset as told
from positions
where topic = 'ledger.commands'
order by topic, partition, told

-- name: origin_numbers
-- The number of each input partition in this database, and its last entry's time.
select origin_id, topic, partition, last_recorded_at
from origins

-- name: page_of_account
-- An account's postings from a day on, after a place in their order. No row: no more.
select
    effective_at, recorded_at, topic, partition, sequence, ordinal, reference, kind, description,
    key, direction, minor, currency, exponent, happened_at, reported_day
from page_of_account($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)

-- name: turnover_of_day_up_to_place
-- What an account turned over on a day up to a place in the order, which is included.
select currency, exponent, debit_minor, credit_minor
from turnover_of_day_up_to_place($1, $2, $3, $4, $5, $6, $7, $8, $9)

-- name: account_names
-- What commands called accounts, the first name of each first. No row: as the chart has it.
select account, display, is_of_chart, recorded_at
from account_history
where book = $1
order by account, number
