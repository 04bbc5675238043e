-- What a batch asks of the database in any case is asked at once: of a batch of two messages, most of
-- its time was on the way there and back. Nothing is decided here. Each function says one after another what
-- was said one by one, and each statement of it sees what was committed before it began, as before.
--
-- They run as whoever calls them and find their tables by the caller's search path, so that they are
-- those of the generation that they stand in.

-- Remember messages by id, in sorted order; what those said that were there before. All but a few are
-- new. What they said is read by a later statement, which sees who was first meanwhile.
-- By book, identity, digest, topic, partition, offset.
create function remember_messages(text [], text [], bytea [], text [], integer [], bigint [])
returns table (
    seen_book text, seen_identity text, seen_digest bytea, seen_origin_id integer,
    seen_offset bigint
)
language plpgsql as $$
declare
    known_books text [];
    known_identities text [];
begin
    with told as materialized (
        select n.book, n.identity, n.digest, o.origin_id, n.caused_offset
        from unnest($1, $2, $3, $4, $5, $6)
            as n (book, identity, digest, topic, partition, caused_offset)
        join origins as o on o.topic = n.topic and o.partition = n.partition
    ),
    fresh as (
        insert into seen_events (book, identity, digest, origin_id, caused_offset)
        select book, identity, digest, origin_id, caused_offset
        from told
        order by book, identity
        on conflict do nothing
        returning book, identity
    ),
    known as (
        select book, identity
        from told
        except all
        select book, identity
        from fresh
    )
    select array_agg(book), array_agg(identity)
    into known_books, known_identities
    from known;
    if known_books is not null then
        return query
        select s.book, s.identity, s.digest, s.origin_id, s.caused_offset
        from unnest(known_books, known_identities) as n (book, identity)
        join seen_events as s on s.book = n.book and s.identity = n.identity;
    end if;
end
$$;

-- Claim references, in sorted order, so that two projectors never wait for each other in a ring; the
-- claims of those that were claimed before, which are few. They are read by a later statement, which
-- sees who won meanwhile.
-- By book, reference, digest, topic, partition, offset.
create function claim_references(text [], text [], bytea [], text [], integer [], bigint [])
returns table (
    claimed_book text, claimed_reference text, claimed_digest bytea, claimed_origin_id integer,
    claimed_offset bigint
)
language plpgsql as $$
declare
    lost_books text [];
    lost_references text [];
begin
    with told as materialized (
        select n.book, n.reference, n.digest, o.origin_id, n.caused_offset
        from unnest($1, $2, $3, $4, $5, $6)
            as n (book, reference, digest, topic, partition, caused_offset)
        join origins as o on o.topic = n.topic and o.partition = n.partition
    ),
    won as (
        insert into claims (book, reference, digest, origin_id, caused_offset)
        select book, reference, digest, origin_id, caused_offset
        from told
        order by book, reference
        on conflict do nothing
        returning book, reference
    ),
    lost as (
        select book, reference
        from told
        except all
        select book, reference
        from won
    )
    select array_agg(book), array_agg(reference)
    into lost_books, lost_references
    from lost;
    if lost_books is not null then
        return query
        select c.book, c.reference, c.digest, c.origin_id, c.caused_offset
        from unnest(lost_books, lost_references) as n (book, reference)
        join claims as c on c.book = n.book and c.reference = n.reference;
    end if;
end
$$;

-- Begin a batch: move the positions, fenced; then, the positions being ours, read the heads of the
-- origins and the number of the last activation, hold the books, together with others that book in
-- them or alone, in the order given, and read how far they are closed; then remember the messages,
-- and claim what those tell that are new, of one reference by whom is told first.
-- Where fewer positions are moved than was asked for, somebody else has moved one, nothing else is
-- done, and nothing of the transaction may stand.
-- By cluster; topic, partition, expected and next offset; book, and whether it is held alone;
-- as `remember_messages`; as `claim_references`, in the order of the messages, with book and identity
-- of the message that tells it, null where that has none.
create function begin_batch(
    text, text [], integer [], bigint [], bigint [],
    text [], boolean [],
    text [], text [], bytea [], text [], integer [], bigint [],
    text [], text [], bytea [], text [], integer [], bigint [], text [], text [],
    out moved_topics text [],
    out moved_partitions integer [],
    out last_activation integer,
    out origin_ids integer [],
    out origin_topics text [],
    out origin_partitions integer [],
    out sequences bigint [],
    out chains bytea [],
    out closed_books text [],
    out closing_numbers integer [],
    out closed_since timestamptz [],
    out closed_days date [],
    out locked_days date [],
    out seen_books text [],
    out seen_identities text [],
    out seen_digests bytea [],
    out seen_origin_ids integer [],
    out seen_offsets bigint [],
    out claims_asked integer,
    out claimed_books text [],
    out claimed_references text [],
    out claimed_digests bytea [],
    out claimed_origin_ids integer [],
    out claimed_offsets bigint []
)
language plpgsql as $$
declare
    ask record;
begin
    with moves as (
        select m.topic, m.partition, m.expected, m.next_offset
        from unnest($2, $3, $4, $5) as m (topic, partition, expected, next_offset)
    ),
    held as (
        select p.topic, p.partition, m.next_offset
        from positions as p
        join moves as m on m.topic = p.topic and m.partition = p.partition
        where p.cluster_id = $1 and p.next_offset = m.expected
        order by p.topic, p.partition
        for update of p
    ),
    moved as (
        update positions as p
        set next_offset = held.next_offset
        from held
        where p.cluster_id = $1 and p.topic = held.topic and p.partition = held.partition
        returning p.topic, p.partition
    )
    select array_agg(m.topic), array_agg(m.partition)
    into moved_topics, moved_partitions
    from moved as m;
    if coalesce(cardinality(moved_topics), 0) <> cardinality($2) then
        return;
    end if;
    select
        (select coalesce(max(a.number), 0) from activations as a),
        array_agg(o.origin_id), array_agg(o.topic), array_agg(o.partition),
        array_agg(o.sequence), array_agg(o.chain)
    into
        last_activation, origin_ids, origin_topics, origin_partitions, sequences, chains
    from origins as o;
    if cardinality($6) > 0 then
        perform
            case
                when n.is_alone
                    then pg_advisory_xact_lock(
                        hashtextextended('ledger book ' || current_schema() || chr(31) || n.book, 0)
                    )
                else pg_advisory_xact_lock_shared(
                    hashtextextended('ledger book ' || current_schema() || chr(31) || n.book, 0)
                )
            end
        from unnest($6, $7) as n (book, is_alone);
        select
            array_agg(c.book), array_agg(c.number), array_agg(c.since),
            array_agg(c.closed_through), array_agg(c.locked_through)
        into closed_books, closing_numbers, closed_since, closed_days, locked_days
        from (
            select p.book, p.number, p.since, p.closed_through, p.locked_through
            from periods as p
            where p.book = any($6)
            order by p.book, p.number
        ) as c;
    end if;
    if cardinality($8) > 0 then
        select
            array_agg(s.seen_book), array_agg(s.seen_identity), array_agg(s.seen_digest),
            array_agg(s.seen_origin_id), array_agg(s.seen_offset)
        into seen_books, seen_identities, seen_digests, seen_origin_ids, seen_offsets
        from remember_messages($8, $9, $10, $11, $12, $13) as s;
    end if;
    if cardinality($14) > 0 then
        select
            count(*)::integer as claims,
            array_agg(n.book order by n.book, n.reference) as books,
            array_agg(n.reference order by n.book, n.reference) as names,
            array_agg(n.digest order by n.book, n.reference) as digests,
            array_agg(n.topic order by n.book, n.reference) as topics,
            array_agg(n.partition order by n.book, n.reference) as partitions,
            array_agg(n.caused_offset order by n.book, n.reference) as offsets
        into ask
        from (
            select distinct on (t.book, t.reference)
                t.book, t.reference, t.digest, t.topic, t.partition, t.caused_offset
            from unnest($14, $15, $16, $17, $18, $19, $20, $21) with ordinality as t (
                book, reference, digest, topic, partition, caused_offset, message_book, identity,
                place
            )
            where not exists (
                select
                from unnest(seen_books, seen_identities) as s (book, identity)
                where s.book = t.message_book and s.identity = t.identity
            )
            order by t.book, t.reference, t.place
        ) as n;
        claims_asked := ask.claims;
        select
            array_agg(c.claimed_book), array_agg(c.claimed_reference),
            array_agg(c.claimed_digest), array_agg(c.claimed_origin_id),
            array_agg(c.claimed_offset)
        into
            claimed_books, claimed_references, claimed_digests, claimed_origin_ids,
            claimed_offsets
        from claim_references(
            ask.books, ask.names, ask.digests, ask.topics, ask.partitions, ask.offsets
        ) as c;
    end if;
end
$$;

-- Add to what each origin has put on each account, by effective and recorded day and in all.
-- By the columns of day_buckets.
create function add_sums(
    text [], text [], text [], date [], date [], integer [], smallint [], numeric [], numeric []
) returns void
language plpgsql as $$
begin
    with days as materialized (
        select
            n.book, n.account, n.currency, n.effective_day, n.recorded_day, n.origin_id,
            n.exponent, n.debit_minor, n.credit_minor
        from unnest($1, $2, $3, $4, $5, $6, $7, $8, $9) as n (
            book, account, currency, effective_day, recorded_day, origin_id,
            exponent, debit_minor, credit_minor
        )
    ),
    in_all as (
        insert into balances as b
            (book, account, currency, origin_id, exponent, debit_minor, credit_minor)
        select
            book, account, currency, origin_id, max(exponent), sum(debit_minor), sum(credit_minor)
        from days
        group by book, account, currency, origin_id
        order by book, account, currency, origin_id
        on conflict (book, account, currency, origin_id) do update
        set
            debit_minor = b.debit_minor + excluded.debit_minor,
            credit_minor = b.credit_minor + excluded.credit_minor
    )
    insert into day_buckets as b (
        book, account, currency, effective_day, recorded_day, origin_id,
        exponent, debit_minor, credit_minor
    )
    select
        book, account, currency, effective_day, recorded_day, origin_id,
        exponent, debit_minor, credit_minor
    from days
    order by book, account, currency, effective_day, recorded_day, origin_id
    on conflict (book, account, currency, effective_day, recorded_day, origin_id) do update
    set
        debit_minor = b.debit_minor + excluded.debit_minor,
        credit_minor = b.credit_minor + excluded.credit_minor;
end
$$;

-- Add up what entries have come to: the new heads, which the position rows keep others from; the sums;
-- and keys that wait, of which those that have returned to zero go.
-- By origin, sequence and chain; as `add_sums`; by the columns of open_items.
create function add_up(
    integer [], bigint [], bytea [],
    text [], text [], text [], date [], date [], integer [], smallint [], numeric [], numeric [],
    text [], text [], text [], text [], smallint [], numeric [], timestamptz [], timestamptz []
) returns void
language plpgsql as $$
declare
    books text [];
    accounts text [];
    keys text [];
    currencies text [];
begin
    update origins as o
    set sequence = m.sequence, chain = m.chain
    from unnest($1, $2, $3) as m (origin_id, sequence, chain)
    where o.origin_id = m.origin_id;
    perform add_sums($4, $5, $6, $7, $8, $9, $10, $11, $12);
    if cardinality($13) = 0 then
        return;
    end if;
    with added as (
        insert into open_items as i
            (book, account, key, currency, exponent, minor, since, since_recorded)
        select
            n.book, n.account, n.key, n.currency, n.exponent, n.minor, n.since, n.since_recorded
        from unnest($13, $14, $15, $16, $17, $18, $19, $20)
            as n (book, account, key, currency, exponent, minor, since, since_recorded)
        order by n.book, n.account, n.key, n.currency
        on conflict (book, account, key, currency) do update
        set
            minor = i.minor + excluded.minor,
            since = least(i.since, excluded.since),
            since_recorded = least(i.since_recorded, excluded.since_recorded)
        returning i.book, i.account, i.key, i.currency, i.minor
    )
    select
        array_agg(a.book), array_agg(a.account), array_agg(a.key), array_agg(a.currency)
    into books, accounts, keys, currencies
    from added as a
    where a.minor = 0;
    if books is not null then
        delete from open_items as i
        using unnest(books, accounts, keys, currencies) as n (book, account, key, currency)
        where
            i.book = n.book
            and i.account = n.account
            and i.key = n.key
            and i.currency = n.currency
            and i.minor = 0;
    end if;
end
$$;

-- Write a few entries with their postings into the journal, past the same guards as any other, and
-- add them up. The months that they are recorded in are open.
-- By the columns of entries and of postings, in the order in which the service has them; as `add_up`.
create function write_few(
    integer [], bigint [], text [], text [], text [], timestamptz [], timestamptz [], bigint [],
    text [], integer [], text [], text [], bytea [], bytea [], smallint [],
    integer [], bigint [], smallint [], text [], text [], text [], numeric [], text [],
    smallint [], timestamptz [],
    integer [], bigint [], bytea [],
    text [], text [], text [], date [], date [], integer [], smallint [], numeric [], numeric [],
    text [], text [], text [], text [], smallint [], numeric [], timestamptz [], timestamptz []
) returns void
language plpgsql as $$
begin
    insert into entries (
        origin_id, sequence, book, reference, kind, effective_at, recorded_at, caused_offset,
        message_id, rules_version, description, reverses, digest, chain, posting_count
    )
    select
        origin_id, sequence, book, reference, kind, effective_at, recorded_at, caused_offset,
        message_id, rules_version, description, reverses, digest, chain, posting_count
    from unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15) as n (
        origin_id, sequence, book, reference, kind, effective_at, recorded_at, caused_offset,
        message_id, rules_version, description, reverses, digest, chain, posting_count
    );
    insert into postings (
        origin_id, sequence, ordinal, account, key, direction, minor, currency, exponent,
        recorded_at
    )
    select
        origin_id, sequence, ordinal, account, key, direction, minor, currency, exponent,
        recorded_at
    from unnest($16, $17, $18, $19, $20, $21, $22, $23, $24, $25) as n (
        origin_id, sequence, ordinal, account, key, direction, minor, currency, exponent,
        recorded_at
    );
    perform add_up(
        $26, $27, $28, $29, $30, $31, $32, $33, $34, $35, $36, $37, $38, $39, $40, $41, $42, $43,
        $44, $45
    );
end
$$;
