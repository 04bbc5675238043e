-- Every posting with the entry that it belongs to.
select
    topic,
    partition,
    sequence,
    account,
    key,
    currency,
    case direction when 'debit' then minor else -minor end as minor
from ledger_read.postings
order by topic, partition, sequence, ordinal
