-- How far each input partition has been booked.
select topic, partition, next_offset
from ledger_read.positions
