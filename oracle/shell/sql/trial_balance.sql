-- The trial balance as it is published.
select book, account, currency, debit_minor, credit_minor, net_minor
from ledger_read.trial_balance
