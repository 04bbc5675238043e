-- What was put in force, by which command, and from which positions on.
select number, positions, topic, partition, "offset"
from ledger_read.activations
order by number
