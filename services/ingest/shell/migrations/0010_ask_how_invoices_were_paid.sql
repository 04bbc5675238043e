-- No event says since 2025-03-31 how an invoice was paid: it is asked for, as long ones are.

-- What is there by now is long. What is paid is asked for that once.
alter table long_invoices
add column is_long boolean not null default true,
add column is_paid boolean not null default false;
