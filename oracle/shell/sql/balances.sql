-- The balances as they are cached.
select book, account, currency, minor
from ledger_read.balances
