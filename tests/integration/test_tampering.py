"""An administrator of the database changes the books; `verify` names the first row he touched.

Each test has a copy of the same books, and every right in it: no trigger, no role holds it back.
The topics, which other credentials write, are as they were.
"""

import os
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from services.ledger.hash_chain import GENESIS
from services.ledger.merkle import Frontier
from services.ledger.proving import Finding, LegRow, Row, digest_of, link_of
from services.ledger.shell.signing import SigningKey
from services.ledger.shell.store import open_journal
from services.ledger.shell.verify import Verified, verify_journal
from services.ledger.shell.witnesses import Witnesses
from shared.contracts.tree_heads import TreeHead
from shared.runtime.kafka import KafkaAddress
from shared.runtime.postgres import set_codecs
from tests.support.ledger import LedgerRig, charge, event, fresh_topics, until
from tests.support.stack import RunningStack

pytestmark = pytest.mark.stack
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


@pytest.fixture(scope="module")
async def original(kafka_bootstrap: str, stack: RunningStack) -> AsyncGenerator[LedgerRig]:
    """Books of some charges, published, with signed heads; nobody is connected to them."""
    await fresh_topics(kafka_bootstrap)
    rig = LedgerRig(kafka_bootstrap, stack.fresh_database())
    seconds = {"ledger_tree_head_seconds": 0.01, "ledger_tree_head_key": KEY.text}
    async with rig.ledger(**seconds, ledger_batch_messages_max=17):
        for begin in range(0, CHARGES, 40):
            await rig.publish(
                *(event(f"evt_{n}", charge(f"ch_{n}", 100 + n)) for n in range(begin, begin + 40))
            )
            await rig.caught_up()
            await until("a head", partial(head_of, rig, begin + 40))
    yield rig
    stack.drop_database(rig.dsn)


async def head_of(rig: LedgerRig, size: int) -> bool:
    return bool(await rig.value("select size from ledger.tree_heads") == size)


@pytest.fixture
async def books(original: LedgerRig, stack: RunningStack) -> AsyncGenerator[Books]:
    """A copy of one's own, as its owner, whom no trigger stops."""
    name = f"tampered_{os.urandom(6).hex()}"
    admin = await asyncpg.connect(stack.postgres_dsn)
    template = urlsplit(original.dsn).path.removeprefix("/")
    await admin.execute(f'create database "{name}" template "{template}"')
    await admin.close()
    dsn = urlunsplit(urlsplit(original.dsn)._replace(path=f"/{name}"))
    owner = await asyncpg.connect(dsn)
    await set_codecs(owner)
    await owner.execute("set session_replication_role = replica; set search_path = ledger")
    row = await owner.fetchrow(
        "select origin_id, topic || '/' || partition as origin, sequence from origins"
        " order by sequence desc, origin_id limit 1"
    )
    assert row is not None
    entry = row["sequence"] // 2
    reference = await owner.fetchval(
        "select reference from entries where origin_id = $1 and sequence = $2",
        *(row["origin_id"], entry),
    )
    yield Books(
        original.bootstrap,
        *(dsn, owner, row["origin_id"], row["origin"], row["sequence"], entry, reference),
    )
    await owner.close()
    stack.drop_database(dsn)


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


Change = Callable[[Books], Awaitable[None]]

ROWS: Final[dict[str, tuple[Change, str]]] = {
    "amount": (lambda b: set_postings(b, "minor = minor + 5"), "postings 1.amount.minor is"),
    "amount of one leg": (
        lambda b: set_postings(b, "minor = minor + 5", which="ordinal = 1"),
        "postings 1.amount.minor is",
    ),
    "key": (
        lambda b: set_postings(b, "key = 'ch_other'", which="key <> ''"),
        "postings 1.key is 'ch_other', and was 'ch_",
    ),
    "account": (
        lambda b: set_postings(b, "account = 'assets:bank:mine'", which="ordinal = 1"),
        "postings 1.account is 'assets:bank:mine', and was 'assets:stripe:settling'",
    ),
    "direction": (
        lambda b: set_postings(
            b, "direction = case direction when 'debit' then 'credit' else 'debit' end"
        ),
        "postings 1.direction is 'credit', and was 'debit'",
    ),
    "currency": (lambda b: set_postings(b, "currency = 'eur'"), "currency is 'eur', and was 'usd'"),
    "decimals": (lambda b: set_postings(b, "exponent = 0"), "exponent is 0, and was 2"),
    "posting gone": (
        lambda b: b.run(
            "delete from postings where origin_id = $1 and sequence = $2 and ordinal = 2"
        ),
        "postings are 1 in number, and were 2",
    ),
    "entry gone": (delete_entry, "it is missing; it was published at ledger.entries/"),
    "entry gone, postings left": (
        lambda b: b.run("delete from entries where origin_id = $1 and sequence = $2"),
        "it is missing; it was published at ledger.entries/",
    ),
    "put in": (put_in_the_middle, "reference is 'stripe:payment:ch_forged', and was"),
    "swapped": (swap, "reference is"),
    "tail gone": (lambda b: cut_tail(b, 3), "it is missing; it was published at"),
    "description": (
        lambda b: set_entry(b, "description = 'x'"),
        "description is 'x', and was 'Charge",
    ),
    "effective time": (
        lambda b: set_entry(b, "effective_at = effective_at - interval '1 year'"),
        "effective_at is",
    ),
    "recorded time": (
        lambda b: set_entry(b, "recorded_at = recorded_at + interval '1 second'"),
        "recorded_at is",
    ),
    "recorded time of a posting": (
        lambda b: set_postings(
            b, "recorded_at = recorded_at + interval '1 second'", which="ordinal = 1"
        ),
        "its posting 1 is recorded at another time than itself",
    ),
    "put in twice": (
        lambda b: b.run(
            "insert into entries (origin_id, sequence, book, reference, kind, effective_at,"
            " recorded_at, caused_offset, message_id, rules_version, description, reverses, digest,"
            " chain, posting_count) select origin_id, sequence, book, reference, kind, effective_at,"
            " recorded_at + interval '1 month', caused_offset, message_id, rules_version,"
            " description, reverses, digest, chain, posting_count from entries"
            " where origin_id = $1 and sequence = $2"
        ),
        "",
    ),
    "endless time": (lambda b: set_entry(b, "effective_at = 'infinity'"), "effective_at is"),
    "message": (lambda b: set_entry(b, "message_id = 'evt_x'"), "message_id is 'evt_x', and was"),
    "kind": (lambda b: set_entry(b, "kind = 'refund'"), "kind is 'refund', and was 'payment'"),
    "rules version": (lambda b: set_entry(b, "rules_version = 9"), "rules_version is 9, and was"),
    "cause": (
        lambda b: set_entry(b, "caused_offset = caused_offset + 1000"),
        "caused_by.offset is",
    ),
    "reversal": (
        lambda b: set_entry(b, "reverses = 'stripe:x'"),
        "reverses is 'stripe:x', and was",
    ),
    "book": (lambda b: set_entry(b, "book = 'other'"), "book is 'other', and was 'main'"),
    "reference": (lambda b: set_entry(b, "reference = 'x'"), "reference is 'x', and was"),
    "digest": (
        lambda b: set_entry(b, "digest = decode(repeat('ab', 32), 'hex')"),
        "digest is 'abab",
    ),
    "link": (lambda b: set_entry(b, "chain = decode(repeat('ab', 32), 'hex')"), "chain is 'abab"),
}


async def test_books_that_nobody_touched_hold(books: Books) -> None:
    verified = await books.verified()
    assert (verified.entries, verified.problems) == (CHARGES, ())
    assert (await books.verified(alone=True)).is_sound


@pytest.mark.parametrize("what", ROWS)
async def test_row_that_was_touched_is_named_with_what_differs(books: Books, what: str) -> None:
    change, said = ROWS[what]
    await change(books)
    assert said in books.named(await books.verified()).said
    # Without the topics it is named too, and what does not fit there.
    books.named(await books.verified(alone=True), alone=True)


@pytest.mark.parametrize("what", ROWS)
async def test_row_that_was_touched_and_everything_made_anew_is_named_by_what_was_published(
    books: Books, what: str
) -> None:
    change, said = ROWS[what]
    if what in {"digest", "link", "recorded time of a posting", "put in twice"}:
        return  # Made anew, they are what they were.
    await change(books)
    if what == "posting gone":
        await books.owner.execute(
            "alter table entries drop constraint entries_posting_count_at_least_two"
        )
        await set_entry(books, "posting_count = 1")
    if what.startswith("entry gone"):
        await delete_entry(books)
        for sequence in range(books.entry + 1, books.last + 1):
            await move(books, sequence, sequence - 1)
        said = "reference is"
    await make_anew(books)
    assert said in books.named(await books.verified()).said


async def test_tail_that_was_cut_and_noted_nowhere_is_told_by_a_head_alone(
    books: Books, tmp_path: Path
) -> None:
    head = tmp_path / "head.json"
    told = await books.owner.fetchval("select head::text from tree_heads")
    head.write_text(told)
    await cut_tail(books, 2)
    await make_anew(books)
    assert (await books.verified(alone=True)).is_sound
    witnesses = Witnesses((KEY.public_key,))
    witnesses.head(TreeHead.model_validate_json(head.read_bytes()), "printed")
    journal = await open_journal(books.dsn)
    verified = await verify_journal(journal, witnesses)
    await journal.close()
    first = books.named(verified, alone=True)
    assert "the journal ends with entry" in first.said
    assert "printed tells of entry" in first.said


KEPT: Final[dict[str, tuple[str, str]]] = {
    "balance": (
        "update balances set debit_minor = debit_minor + 1 where origin_id = $1",
        "the balance of assets:stripe:settling in book main is kept as",
    ),
    "balance put in": (
        "insert into balances values ('main', 'assets:bank:mine', 'usd', $1, 2, 5, 0)",
        "the balance of assets:bank:mine in book main is kept as debits 5",
    ),
    "balance gone": (
        "delete from balances where origin_id = $1 and account like 'revenue%'",
        "the balance of revenue:stripe in book main is kept as debits 0, credits 0",
    ),
    "day": (
        (
            "update day_buckets set credit_minor = credit_minor + 1 where origin_id = $1"
            " and account = 'revenue:stripe'"
        ),
        "the days of revenue:stripe in book main do not sum",
    ),
    "month": (
        (
            "update month_buckets set credit_minor = credit_minor + 1 where origin_id = $1"
            " and account = 'revenue:stripe'"
        ),
        "the months of revenue:stripe in book main do not sum",
    ),
    "open item": (
        "update open_items set minor = minor + $1 where key = 'ch_3'",
        "assets:stripe:settling[ch_3] in book main is kept open with",
    ),
    "open item gone": (
        "delete from open_items where key = 'ch_3' and $1 > 0",
        "assets:stripe:settling[ch_3] in book main is kept open with 0",
    ),
    "claim gone": (
        "delete from claims where reference = 'stripe:payment:ch_3' and $1 > 0",
        "its reference is not claimed: it could be booked twice",
    ),
    "claim of another": (
        (
            "update claims set caused_offset = caused_offset + $1 where"
            " reference = 'stripe:payment:ch_3'"
        ),
        "its reference is claimed for another entry",
    ),
    "claim put in": (
        (
            "insert into claims select 'main', 'stripe:payment:ch_to_come', digest, origin_id, 0"
            " from claims where origin_id = $1 limit 1"
        ),
        "which has booked no such entry: it could never be booked",
    ),
    "message remembered": (
        "insert into seen_events values ('main', 'evt_to_come', '\\x00', $1, 1000000)",
        "evt_to_come of book main is remembered as told at offset 1000000",
    ),
    "position": (
        (
            "update positions set next_offset = 1 where (topic, partition) ="
            " (select topic, partition from origins where origin_id = $1)"
        ),
        "has not been read yet, says the position",
    ),
    "head": (
        "update origins set chain = decode(repeat('ab', 32), 'hex') where origin_id = $1",
        "the head says entry",
    ),
    "published": (
        "update published set chain = decode(repeat('ab', 32), 'hex') where origin_id = $1",
        "what is noted as published has abab",
    ),
    "tree": (
        "update trees set peaks = decode(repeat('ab', length(peaks)), 'hex') where origin_id = $1",
        "the kept tree of book main is not its entries'",
    ),
    "tile": (
        "insert into tree_tiles values ('main', $1, 0, '\\x00', 1)",
        "tile 0 of the kept tree of book main is not its entries'",
    ),
}


@pytest.mark.parametrize("what", KEPT)
async def test_sum_or_note_that_was_touched_is_named(books: Books, what: str) -> None:
    sql, said = KEPT[what]
    await books.owner.execute(sql, books.origin_id)
    for alone in (True, False):
        verified = await books.verified(alone=alone)
        assert any(said in problem for problem in verified.problems), verified.problems
