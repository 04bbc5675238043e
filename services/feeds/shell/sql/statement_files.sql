-- name: lock_account
-- Hold an account until the transaction ends: two files of one account take turns.
select pg_advisory_xact_lock(hashtextextended('feeds/' || $1::text, 0))

-- name: file_of
-- What became of a file. No row: it was never here.
select
    sha256, name, size_bytes, format, outcome, reason, fix, accounts, lines, fresh, remarks,
    taken_at
from statement_files
where sha256 = $1

-- name: files_by_prefix
-- Files by the beginning of their digest. No row: none begins so.
select
    sha256, name, size_bytes, format, outcome, reason, fix, accounts, lines, fresh, remarks,
    taken_at
from statement_files
where starts_with(sha256, $1)
order by sha256
limit 2

-- name: newest_files
-- The newest files, of one outcome or of all. No row: there are none.
select
    sha256, name, size_bytes, format, outcome, reason, fix, accounts, lines, fresh, remarks,
    taken_at
from statement_files
where $1 = '' or outcome = $1
order by taken_at desc, sha256
limit $2

-- name: remember_file!
-- Remember what became of a file; what was accepted stays accepted. A refusal is untold until it is
-- told, and again when another reason, or none, is given; each decision is later than the one before.
insert into statement_files (
    sha256, name, size_bytes, format, outcome, reason, fix, accounts, lines, fresh, remarks,
    taken_at, refused_at, refused_in, is_untold
)
values (
    $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12,
    case $5 when 'refused' then $12::timestamptz end, $13, $5 = 'refused'
)
on conflict (sha256)
do update set
    name = excluded.name,
    format = excluded.format,
    outcome = excluded.outcome,
    reason = excluded.reason,
    fix = excluded.fix,
    accounts = excluded.accounts,
    lines = excluded.lines,
    fresh = excluded.fresh,
    remarks = excluded.remarks,
    taken_at = greatest(
        excluded.taken_at, statement_files.taken_at + interval '1 microsecond'
    ),
    refused_at = coalesce(statement_files.refused_at, statement_files.taken_at),
    refused_in = coalesce(statement_files.refused_in, excluded.refused_in),
    is_untold = statement_files.is_untold
    or statement_files.refused_at is null
    or (excluded.outcome, excluded.name, excluded.reason, excluded.fix) is distinct from (
        statement_files.outcome, statement_files.name, statement_files.reason, statement_files.fix
    )
where statement_files.outcome = 'refused'

-- name: untold_refusals
-- Files that were refused, and how they stand now, where that is not acknowledged. No row: all is.
select sha256, name, outcome, reason, fix, refused_at, refused_in, taken_at
from statement_files
where is_untold
order by taken_at, sha256
limit $1

-- name: told_refusal!
-- How a file stood at that time is acknowledged; what was decided later is not.
update statement_files
set is_untold = false
where sha256 = $1 and taken_at = $2

-- name: refused_count
-- How many files were refused and have not been accepted since.
select count(*) as refused
from statement_files
where outcome = 'refused'

-- name: teller_of
-- By which kind of file an account is told, and how far. No row: by none yet.
select format, settled_until, read_at
from statement_accounts
where account = $1

-- name: move_teller!
-- Remember how far an account has been told; it never goes back.
insert into statement_accounts as s (account, format, settled_until, read_at)
values ($1, $2, $3, $4)
on conflict (account)
do update set
    settled_until = greatest(s.settled_until, excluded.settled_until),
    read_at = greatest(s.read_at, excluded.read_at)

-- name: edges_on
-- The edges of statements on these days. No row: no statement begins or ends there.
select day, number, begins_minor, ends_minor, passes, counts
from statement_edges
where account = $1 and day = any($2::date[])
order by day, begins_minor, ends_minor

-- name: remember_edge!
-- Remember where a statement begins or ends.
insert into statement_edges (account, day, begins_minor, ends_minor, number, passes, counts)
values ($1, $2, $3, $4, $5, $6, $7)
on conflict do nothing

-- name: forms_by_id
-- The last forms of these lines. No row: never told.
select
    line_id, revision, state, amount_minor, currency, created_at, booked_on, value_on,
    description, reference, counterparty, source_sha256
from bank_lines
where account = $1 and line_id = any($2::text[])
order by line_id

-- name: pending_forms
-- Lines that are announced and not posted, up to a day. No row: none is.
select
    line_id, revision, state, amount_minor, currency, created_at, booked_on, value_on,
    description, reference, counterparty, source_sha256
from bank_lines
where account = $1 and state = 'pending' and booked_on <= $2
order by line_id

-- name: balance_before
-- The last closing balance of an account before a day. No row: there is none.
select on_day, amount_minor
from statement_balances
where account = $1 and currency = $2 and on_day < $3
order by on_day desc, position desc
limit 1

-- name: posted_between
-- What the posted lines of some days come to, the first day left out.
select coalesce(sum(amount_minor), 0)::numeric(38, 0) as minor
from bank_lines
where account = $1 and currency = $2 and state = 'posted' and booked_on > $3 and booked_on <= $4

-- name: remember_balance!
-- Remember a closing balance and the message that tells it; a reading is told once.
insert into statement_balances (account, reading, on_day, amount_minor, currency, unpublished)
values ($1, $2, $3, $4, $5, $6)
on conflict do nothing

-- name: unpublished_balances
-- The balances that Kafka has not acknowledged, in the order of their reading. No row: none.
select reading, unpublished
from statement_balances
where account = $1 and unpublished is not null
order by position
limit $2

-- name: published_balances!
-- These balances are acknowledged.
update statement_balances
set unpublished = null
where account = $1 and reading = any($2::text[])

-- name: accounts_with_untold
-- Accounts of which something was decided and is not acknowledged. No row: all is told.
select account
from bank_lines
where unpublished is not null
union
select account
from statement_balances
where unpublished is not null
order by account
