-- Statements of an account and moments within a day are read from the journal, by time.

-- In the order that a page of an account's statement has, so that a page ends where it ends.
create index entries_effective_at_index on entries (effective_at, origin_id, sequence);

-- Rows stand in the table as they were recorded, so a few bytes for each range of pages do.
create index entries_recorded_at_index on entries
using brin (recorded_at) with (pages_per_range = 32, autosummarize = on);
