-- name: known_forms
-- The last forms of the lines of a window, and of these ids. No row: never told.
select
    line_id, revision, state, amount_minor, currency, created_at, booked_on, value_on,
    description, reference, counterparty, source_sha256
from bank_lines
where account = $1 and (created_at >= $2 or line_id = any($3::text[]))
order by line_id

-- name: remember_form!
-- Remember a line's new form and the message that tells it.
insert into bank_lines (
    account, line_id, revision, state, amount_minor, currency, created_at, booked_on, value_on,
    description, reference, counterparty, source_sha256, unpublished
)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
on conflict (account, line_id)
do update set
    revision = excluded.revision,
    state = excluded.state,
    amount_minor = excluded.amount_minor,
    currency = excluded.currency,
    created_at = excluded.created_at,
    booked_on = excluded.booked_on,
    value_on = excluded.value_on,
    description = excluded.description,
    reference = excluded.reference,
    counterparty = excluded.counterparty,
    source_sha256 = excluded.source_sha256,
    unpublished = excluded.unpublished

-- name: unpublished_forms
-- The messages that Kafka has not acknowledged, oldest line first. No row: all are told.
select line_id, revision, unpublished
from bank_lines
where account = $1 and unpublished is not null
order by created_at, line_id
limit $2

-- name: published_forms!
-- These revisions are acknowledged.
update bank_lines
set unpublished = null
from unnest($2::text[], $3::integer[]) as n (line_id, revision)
where bank_lines.account = $1
    and bank_lines.line_id = n.line_id
    and bank_lines.revision = n.revision
