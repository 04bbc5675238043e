-- An entry must fit into one record when it is published; what is larger is parked when it is told.

alter table entries
add constraint entries_posting_count_publishable check (posting_count <= 10000);
