-- The index of stored_events knows what came since 0002; nobody reads this table any more.

drop table arrived_events;
