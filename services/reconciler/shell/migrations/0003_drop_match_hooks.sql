-- What a match meets stands in hooks, beside what facts meet; this table was never written.

drop table match_hooks;
