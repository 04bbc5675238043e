-- A customer's credits are read entry by entry while the customer waits; few postings are of credits.

create index postings_credits_index on postings (key, origin_id, sequence)
where account = 'memo:credits';
