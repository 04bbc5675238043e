-- Stripe's loans are debt that is due soon: financing, and current.
create or replace view account_groups (prefix, activity, is_cash, is_quick, is_current) as
values
    ('assets', 'operating', false, false, true),
    ('assets:bank', 'cash', true, true, true),
    ('assets:fixed', 'investing', false, false, false),
    ('assets:investments', 'investing', false, false, false),
    ('assets:receivable', 'operating', false, true, true),
    ('assets:stripe:balance', 'cash', true, true, true),
    ('assets:stripe:in-transit', 'cash', true, true, true),
    ('assets:stripe:settling', 'operating', false, true, true),
    ('assets:vault', 'cash', true, true, true),
    ('assets:wallet', 'cash', true, true, true),
    ('equity', 'financing', false, false, false),
    ('equity:exchange', 'exchange', false, false, false),
    ('expenses', 'income', false, false, false),
    ('liabilities', 'operating', false, false, true),
    ('liabilities:loans', 'financing', false, false, false),
    ('liabilities:long-term', 'financing', false, false, false),
    ('liabilities:stripe-loans', 'financing', false, false, true),
    ('revenue', 'income', false, false, false);
