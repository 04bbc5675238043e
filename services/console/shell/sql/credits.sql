-- name: credits_of_customer
-- What a customer has in each currency. No row: nothing.
select customer, currency, exponent, minor, held_minor, available_minor, since
from customer_credits
where
    book = $1
    and customer = $2
order by currency

-- name: credits
-- Customers of a book that have credits or owe some, after a place in their order.
select customer, currency, exponent, minor, held_minor, available_minor, since
from customer_credits
where
    book = $1
    and (customer, currency) > ($2::text, $3::text)
order by customer, currency
limit $4

-- name: credit_movements
-- What a customer's credits moved by, the last first, before a place in that order.
select
    reference, kind, effective_at, recorded_at, topic, partition, sequence, ordinal, description,
    minor, currency, exponent
from customer_credit_movements
where
    book = $1
    and customer = $2
    and (recorded_at, topic, partition, sequence, ordinal)
    < ($3::timestamptz, $4::text, $5::integer, $6::bigint, $7::integer)
order by recorded_at desc, topic desc, partition desc, sequence desc, ordinal desc
limit $8
