-- The events and commands that are remembered by their id.
select book, identity, topic, partition, "offset"
from ledger_read.messages
