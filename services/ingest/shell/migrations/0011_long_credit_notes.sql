-- Credit notes with more lines than their events show are asked for, as invoices are.

-- ``invoice`` is the id of either.
alter table long_invoices
add column kind text not null default 'invoice',
add constraint long_invoices_kind_known check (kind in ('invoice', 'credit_note'));
