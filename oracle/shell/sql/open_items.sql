-- The keys that do not stand at zero, as they are cached.
select book, account, key, currency, minor
from ledger_read.open_items
