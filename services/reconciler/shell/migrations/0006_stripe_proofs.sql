-- Stripe's own balance is held against the ledger's, of the same movements.

-- What each movement has put on a balance, as far as readings can still be about it.
create table stripe_moves (
    book text not null,
    reference text not null,
    account text not null,
    currency text not null,
    effective_at timestamptz not null,
    minor numeric(38, 0) not null,
    constraint stripe_moves_pkey primary key (book, reference, account, currency)
);

create index stripe_moves_effective_at on stripe_moves (book, effective_at);

-- Whose movement it is, in books of several Stripe accounts.
create table stripe_owners (
    book text not null,
    reference text not null,
    owner text not null,
    created timestamptz not null,
    constraint stripe_owners_pkey primary key (book, reference)
);

-- The last readings of each Stripe account; provable once the ledger has booked what they hold.
create table stripe_readings (
    book text not null,
    owner text not null,
    told_at timestamptz not null,
    created_to timestamptz,
    last text[] not null,
    topic text not null,
    ends json not null,
    body json not null,
    is_provable boolean not null default false,
    constraint stripe_readings_pkey primary key (book, owner, told_at)
);

-- The ledger's accounts whose whole history is in balance_sums.
create table stripe_summed (
    account text not null,
    constraint stripe_summed_pkey primary key (account)
);

insert into stripe_summed (account) values ('assets:stripe:balance');

-- Entries that were read before now did not add to these: they are whole in new tables only.
insert into stripe_summed (account)
select account
from unnest(
    array['assets:stripe:issuing', 'assets:stripe:refund-and-dispute-prefunding']
) as n (account)
where not exists (select 1 from positions where next_offset > 0);
