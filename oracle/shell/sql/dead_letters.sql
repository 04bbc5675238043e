-- What could not be read.
select topic, partition, "offset"
from ledger_read.dead_letters
