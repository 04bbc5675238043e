-- Every entry, those of an origin in their order.
select
    book,
    reference,
    kind,
    effective_at,
    recorded_at,
    topic,
    partition,
    "offset",
    sequence,
    message_id,
    rules_version,
    description,
    coalesce(reverses, '') as reverses,
    encode(digest, 'hex') as digest,
    encode(chain, 'hex') as chain
from ledger_read.entries
order by topic, partition, sequence
