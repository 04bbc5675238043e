-- Who follows a figure asks for a key of an account, and must not read the whole journal for it.

-- A filter for each range of pages: a hundredth of what an index of the keys would take, nothing to
-- look up when a posting is added, and a read goes through the few ranges that may have the key.
create index postings_key_index on postings
using brin (key text_bloom_ops (n_distinct_per_range = 2000, false_positive_rate = 0.01))
with (pages_per_range = 32, autosummarize = on);
