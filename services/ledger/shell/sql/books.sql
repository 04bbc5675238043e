-- name: begin_origins!
-- Make a row for each input partition that has none.
insert into origins (topic, partition)
select topic, partition
from unnest($1::text[], $2::integer[]) as n (topic, partition)
order by topic, partition
on conflict do nothing

-- name: begin_published!
-- Make a row for each origin that has none.
insert into published (origin_id)
select origin_id
from origins
order by origin_id
on conflict do nothing

-- name: read_origins
-- Every origin with the head of its chain.
select origin_id, topic, partition, sequence, chain
from origins
order by origin_id

-- name: open_months!
-- Make the parts of the journal for certain months, where there are none yet.
select open_journal_months(current_schema(), $1::date[])

-- name: fold_days!
-- Fold what was recorded up to a day, over all origins.
select fold_days(current_schema(), $1::date)

-- name: begin_batch
-- Move the positions, read the heads, hold the books, remember and claim, in one question.
select
    moved_topics, moved_partitions, last_activation,
    origin_ids, origin_topics, origin_partitions, sequences, chains,
    closed_books, closing_numbers, closed_since, closed_days, locked_days,
    seen_books, seen_identities, seen_digests, seen_origin_ids, seen_offsets,
    claims_asked,
    claimed_books, claimed_references, claimed_digests, claimed_origin_ids, claimed_offsets
from begin_batch(
    $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13,
    $14, $15, $16, $17, $18, $19, $20, $21
)

-- name: remember_messages
-- Remember messages by id. A row for each that was there before, with what that one said.
select
    seen_book as book, seen_identity as identity, seen_digest as digest,
    seen_origin_id as origin_id, seen_offset as caused_offset
from remember_messages($1, $2, $3, $4, $5, $6)

-- name: claim_references
-- Claim references. A row for each that was claimed before, with who did.
select
    claimed_book as book, claimed_reference as reference, claimed_digest as digest,
    claimed_origin_id as origin_id, claimed_offset as caused_offset
from claim_references($1, $2, $3, $4, $5, $6)

-- name: read_claimed_entries
-- The entries of references with their postings, a row for each posting. No row: claimed, not booked.
select
    e.book, e.reference, e.kind, e.effective_at, e.rules_version, e.description, e.reverses,
    p.account, p.key, p.direction, p.minor, p.currency, p.exponent
from unnest($1::text[], $2::text[]) as n (book, reference)
join claims as c on c.book = n.book and c.reference = n.reference
join entries as e
    on e.origin_id = c.origin_id
    and e.caused_offset = c.caused_offset
    and e.book = c.book
    and e.reference = c.reference
join postings as p on p.origin_id = e.origin_id and p.sequence = e.sequence
order by e.book, e.reference, p.ordinal

-- name: add_sums!
-- Add to what each origin has put on each account, by effective and recorded day and in all.
select add_sums($1, $2, $3, $4, $5, $6, $7, $8, $9)

-- name: add_up!
-- Add up what entries have come to: heads, sums, keys that wait.
select add_up(
    $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18,
    $19, $20
)

-- name: write_few!
-- Write a few entries with their postings, and add them up.
select write_few(
    $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15,
    $16, $17, $18, $19, $20, $21, $22, $23, $24, $25,
    $26, $27, $28, $29, $30, $31, $32, $33, $34, $35, $36, $37, $38, $39, $40, $41, $42, $43, $44, $45
)

-- name: add_exchange_rates!
-- Keep rates that commands record. One message records one, once.
insert into exchange_rates (
    book, base, quote, on_day, rate, base_exponent, quote_exponent,
    recorded_at, origin_id, caused_offset
)
select
    book, base, quote, on_day, rate::numeric, base_exponent, quote_exponent,
    recorded_at, origin_id, caused_offset
from unnest(
    $1::text[], $2::text[], $3::text[], $4::date[], $5::text[], $6::smallint[], $7::smallint[],
    $8::timestamptz[], $9::integer[], $10::bigint[]
) as n (
    book, base, quote, on_day, rate, base_exponent, quote_exponent,
    recorded_at, origin_id, caused_offset
)
order by origin_id, caused_offset
