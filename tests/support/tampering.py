"""Books that an administrator changes: a copy of one's own, and the ways to change it."""

from dataclasses import dataclass
from typing import Any, Final

import asyncpg

from services.ledger.proof.hash_chain import GENESIS
from services.ledger.proof.merkle import Frontier
from services.ledger.proof.proving import Finding, LegRow, Row, digest_of, link_of
from services.ledger.shell.proof.signing import SigningKey
from services.ledger.shell.proof.verify import Verified, verify_journal
from services.ledger.shell.proof.witnesses import Witnesses
from services.ledger.shell.store import open_journal
from shared.runtime.kafka import KafkaAddress
from shared.runtime.postgres import set_codecs

KEY: Final = SigningKey.of("ed25519-secret:" + "7f" * 32)
CHARGES: Final = 120
Connection = Any  # Any: asyncpg's connection with codecs of ours


@dataclass(slots=True)
class Books:
    """A copy of the books, and the origin, the entry and its reference that are touched."""

    bootstrap: str
    dsn: str
    owner: Connection
    origin_id: int
    origin: str
    last: int
    entry: int
    reference: str

    async def run(self, sql: str, *arguments: object) -> None:
        """Change something in the entry's origin: $1 is the origin, $2 the entry."""
        await self.owner.execute(sql, self.origin_id, self.entry, *arguments)

    async def verified(self, *, alone: bool = False) -> Verified:
        journal = await open_journal(self.dsn)
        try:
            if alone:
                return await verify_journal(journal)
            kafka = KafkaAddress(bootstrap=self.bootstrap)
            witnesses = Witnesses((KEY.public_key,))
            await witnesses.hear_heads(kafka)
            await witnesses.hear_links(kafka, whole=False)
            return await verify_journal(journal, witnesses, kafka)
        finally:
            await journal.close()

    def named(self, verified: Verified, *, alone: bool = False) -> Finding:
        """The first finding, which must name the entry that was touched."""
        first = verified.findings[0]
        assert (first.origin, first.sequence) == (self.origin, self.entry), verified.problems
        # Without the topics an entry that is gone has no name, and one put in its own.
        assert first.reference == self.reference or alone, verified.problems
        return first


async def owned(bootstrap: str, dsn: str) -> Books:
    """Books as their owner has them, whom no trigger stops; ``owner`` is to be closed.

    What is touched is the middle of the origin with the most entries.
    """
    owner: Connection = await asyncpg.connect(dsn)
    await set_codecs(owner)
    await owner.execute("set session_replication_role = replica; set search_path = ledger")
    row = await owner.fetchrow(
        "select origin_id, topic || '/' || partition as origin, sequence from origins"
        " order by sequence desc, origin_id limit 1"
    )
    entry = row["sequence"] // 2
    reference = await owner.fetchval(
        "select reference from entries where origin_id = $1 and sequence = $2",
        *(row["origin_id"], entry),
    )
    place = (row["origin_id"], row["origin"], row["sequence"], entry, reference)
    return Books(bootstrap, dsn, owner, *place)


async def set_entry(books: Books, what: str, *arguments: object) -> None:
    await books.run(f"update entries set {what} where origin_id = $1 and sequence = $2", *arguments)


async def set_postings(books: Books, what: str, *arguments: object, which: str = "true") -> None:
    await books.run(
        f"update postings set {what} where origin_id = $1 and sequence = $2 and {which}",
        *arguments,
    )


async def rows_of(books: Books) -> list[tuple[Row, list[LegRow]]]:
    """The origin's entries with their postings."""
    entries = await books.owner.fetch(
        "select sequence, book, reference, kind, effective_at, recorded_at, caused_offset,"
        " message_id, rules_version, description, reverses, digest, chain, posting_count"
        " from entries where origin_id = $1 order by sequence",
        books.origin_id,
    )
    postings = await books.owner.fetch(
        "select sequence, ordinal, account, key, direction, minor, currency, exponent, recorded_at"
        " from postings where origin_id = $1 order by sequence, ordinal",
        books.origin_id,
    )
    legs = [LegRow(*leg) for leg in postings]
    return [
        (Row(*row), [leg for leg in legs if leg.sequence == row["sequence"]]) for row in entries
    ]


async def make_anew(books: Books) -> None:
    """Every digest, link, head, sum, claim and tree of the origin: nothing here tells any more."""
    link, tree, owner = GENESIS, Frontier(), books.owner
    await owner.execute(
        "update postings p set recorded_at = e.recorded_at from entries e where"
        " e.origin_id = p.origin_id and e.sequence = p.sequence"
        " and e.recorded_at <> p.recorded_at"
    )
    last = 0
    for row, legs in await rows_of(books):
        digest = digest_of(row, legs)
        link = link_of(link, books.origin, row._replace(digest=digest))
        tree.extend([link])
        last = row.sequence
        at = (books.origin_id, row.sequence)
        await owner.execute(
            "update entries set digest = $3, chain = $4 where origin_id = $1 and sequence = $2",
            *(*at, digest, link),
        )
        await owner.execute(
            "update claims set digest = $2 where reference = $1", row.reference, digest
        )
    head = (books.origin_id, last, link)
    await owner.execute("update origins set sequence = $2, chain = $3 where origin_id = $1", *head)
    await owner.execute(
        "update published set sequence = $2, chain = $3 where origin_id = $1", *head
    )
    await owner.execute("update tree_origins set sequence = $2 where origin_id = $1", *head[:2])
    await owner.execute(
        "update trees set sequence = $2, chain = $3, size = $4, peaks = $5 where origin_id = $1",
        *(*head, tree.size, tree.to_bytes()),
    )
    await sum_anew(books)


async def sum_anew(books: Books) -> None:
    """What is kept of the entries, made of them once more."""
    await books.owner.execute(
        """
        truncate balances, day_buckets, month_buckets, open_items;
        create temporary view legs as
            select e.book, p.account, p.key, p.currency, p.exponent, e.origin_id,
                (e.effective_at at time zone 'UTC')::date as effective_day,
                (e.recorded_at at time zone 'UTC')::date as recorded_day,
                e.effective_at, e.recorded_at,
                case p.direction when 'debit' then p.minor else 0 end as debit,
                case p.direction when 'credit' then p.minor else 0 end as credit
            from postings p join entries e
                on e.origin_id = p.origin_id and e.sequence = p.sequence;
        insert into balances
            select book, account, currency, origin_id, max(exponent), sum(debit), sum(credit)
            from legs group by 1, 2, 3, 4;
        insert into day_buckets
            select book, account, currency, effective_day, recorded_day, origin_id,
                max(exponent), sum(debit), sum(credit)
            from legs group by 1, 2, 3, 4, 5, 6;
        insert into month_buckets
            select book, account, currency, date_trunc('month', effective_day)::date,
                date_trunc('month', recorded_day)::date, origin_id,
                max(exponent), sum(debit), sum(credit)
            from legs group by 1, 2, 3, 4, 5, 6;
        insert into open_items
            select book, account, key, currency, max(exponent), sum(debit - credit),
                min(effective_at), min(recorded_at)
            from legs where key <> '' group by 1, 2, 3, 4 having sum(debit) <> sum(credit);
        delete from claims c where not exists (select from entries e where
            e.book = c.book and e.reference = c.reference);
        """
    )


async def copy_of_entry(books: Books, sequence: int, reference: str) -> None:
    """An entry put in, like the touched one but for its place and name."""
    await books.run(
        "insert into entries (origin_id, sequence, book, reference, kind, effective_at,"
        " recorded_at, caused_offset, message_id, rules_version, description, reverses, digest,"
        " chain, posting_count) select origin_id, $3, book, $4, kind, effective_at, recorded_at,"
        " caused_offset, message_id, rules_version, description, reverses, digest, chain,"
        " posting_count from entries where origin_id = $1 and sequence = $2",
        *(sequence, reference),
    )
    await books.run(
        "insert into postings (origin_id, sequence, ordinal, account, key, direction, minor,"
        " currency, exponent, recorded_at) select origin_id, $3, ordinal, account, key, direction,"
        " minor, currency, exponent, recorded_at from postings"
        " where origin_id = $1 and sequence = $2",
        sequence,
    )


async def move(books: Books, sequence: int, to: int) -> None:
    for table in ("entries", "postings"):
        await books.owner.execute(
            f"update {table} set sequence = $3 where origin_id = $1 and sequence = $2",
            *(books.origin_id, sequence, to),
        )


async def cut_tail(books: Books, count: int) -> None:
    books.entry = books.last - count + 1
    books.reference = await books.owner.fetchval(
        "select reference from entries where origin_id = $1 and sequence = $2",
        *(books.origin_id, books.entry),
    )
    for table in ("entries", "postings"):
        await books.run(f"delete from {table} where origin_id = $1 and sequence >= $2")


async def put_in_the_middle(books: Books) -> None:
    for sequence in range(books.last, books.entry, -1):
        await move(books, sequence, sequence + 1)
    await copy_of_entry(books, books.entry + 1, "stripe:payment:ch_forged")
    books.entry += 1
    books.reference = await books.owner.fetchval(
        "select reference from entries where origin_id = $1 and sequence = $2",
        *(books.origin_id, books.entry + 1),
    )


async def swap(books: Books) -> None:
    one, other, aside = books.entry, books.entry + 1, 10**9
    for sequence, to in ((one, aside), (other, one), (aside, other)):
        await move(books, sequence, to)


async def delete_entry(books: Books) -> None:
    for table in ("entries", "postings"):
        await books.run(f"delete from {table} where origin_id = $1 and sequence = $2")


async def append_forged(books: Books, offset: int, message_id: str) -> None:
    """An entry behind the last one, with a right link, claimed, and in every sum."""
    await copy_of_entry(books, books.last + 1, "stripe:payment:ch_forged")
    books.entry, books.reference = books.last + 1, "stripe:payment:ch_forged"
    await set_entry(books, "caused_offset = $3, message_id = $4", offset, message_id)
    rows = await rows_of(books)
    (before, _), (row, legs) = rows[-2:]
    digest = digest_of(row, legs)
    link = link_of(before.chain, books.origin, row._replace(digest=digest))
    await set_entry(books, "digest = $3, chain = $4", digest, link)
    await books.run("update origins set sequence = $2, chain = $3 where origin_id = $1", link)
    await books.owner.execute(
        "insert into claims (book, reference, digest, origin_id, caused_offset)"
        " values ($1, $2, $3, $4, $5)",
        *(row.book, row.reference, digest, books.origin_id, offset),
    )
    await sum_anew(books)


async def place_of_last(books: Books) -> tuple[int, str]:
    """Offset and id of the message behind the origin's last entry."""
    row = await books.owner.fetchrow(
        "select caused_offset, message_id from entries where origin_id = $1 and sequence = $2",
        *(books.origin_id, books.last),
    )
    assert row is not None
    return row["caused_offset"], row["message_id"]
