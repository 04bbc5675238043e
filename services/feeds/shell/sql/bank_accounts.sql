-- name: read_watermark
-- The newest line that was told of an account, by the bank's clock. No row: never read.
select watermark
from bank_accounts
where account = $1

-- name: move_watermark!
-- Remember the newest line that was told; it never goes back.
insert into bank_accounts (account, watermark)
values ($1, $2)
on conflict (account)
do update set watermark = greatest(bank_accounts.watermark, excluded.watermark)
