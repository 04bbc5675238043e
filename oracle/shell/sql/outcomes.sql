-- What was refused, and what contradicted an earlier telling.
select topic, partition, "offset", outcome, book, coalesce(reference, '') as reference
from ledger_read.outcomes
where outcome in ('refused', 'conflict')
