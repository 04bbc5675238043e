-- A Merkle tree of each book's entries in each origin, so that heads can be signed and proofs made.

-- How far each origin's published entries stand in trees.
create table tree_origins (
    origin_id integer not null,
    sequence bigint not null default 0,
    constraint tree_origins_pkey primary key (origin_id)
) with (fillfactor = 50);

-- The trees: how many leaves, the last entry that is one, and the roots of the perfect subtrees
-- that a tree falls into, the largest first.
create table trees (
    book text not null,
    origin_id integer not null,
    size bigint not null,
    sequence bigint not null,
    chain bytea not null,
    peaks bytea not null,
    constraint trees_pkey primary key (book, origin_id),
    constraint trees_peaks_of_size check (length(peaks) = 32 * bit_count(size::bit(64)))
) with (fillfactor = 50);

-- Perfect subtrees of 1,024 leaves, with the last entry in each: what proofs are made of.
create table tree_tiles (
    book text not null,
    origin_id integer not null,
    position bigint not null,
    hash bytea not null,
    sequence bigint not null,
    constraint tree_tiles_pkey primary key (book, origin_id, position),
    constraint tree_tiles_sequence_unique unique (book, origin_id, sequence)
);

-- The last head of each book that is known to be on the topic, as it stands there.
create table tree_heads (
    book text not null,
    size bigint not null,
    made_at timestamptz not null,
    head jsonb not null,
    constraint tree_heads_pkey primary key (book)
) with (fillfactor = 50);

grant select, insert, update on tree_origins, trees, tree_heads to ledger_app;
grant select, insert on tree_tiles to ledger_app;
