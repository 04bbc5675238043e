-- How far the clock stood when a tick was accepted.
select topic, partition, "offset", decided ->> 'ticked_until' as ticked_until
from ledger_read.outcomes
where outcome = 'accepted' and decided ? 'ticked_until'
