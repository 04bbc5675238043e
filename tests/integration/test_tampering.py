"""An administrator of the database changes the books; `verify` names the first row he touched.

Each test has a copy of the same books, and every right in it: no trigger, no role holds it back.
The topics, which other credentials write, are as they were.
"""

import asyncio
import os
from collections.abc import AsyncGenerator, Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from services.ledger.shell.failpoints import Failpoints
from services.ledger.shell.proof.verify import verify_journal
from services.ledger.shell.proof.witnesses import Witnesses
from services.ledger.shell.publisher import JournalPublisher
from services.ledger.shell.store import open_journal
from shared.contracts.errors import InvariantBroken
from shared.contracts.tree_heads import TreeHead
from shared.runtime.kafka import producer
from shared.runtime.metrics import Health
from tests.support.ledger import LedgerRig, charge, event, fresh_topics, until
from tests.support.stack import RunningStack
from tests.support.tampering import (
    CHARGES,
    KEY,
    Books,
    append_forged,
    cut_tail,
    delete_entry,
    make_anew,
    move,
    owned,
    place_of_last,
    put_in_the_middle,
    set_entry,
    set_postings,
    swap,
)

pytestmark = pytest.mark.stack


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
    made = await owned(original.bootstrap, dsn)
    yield made
    await made.owner.close()
    stack.drop_database(dsn)


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


async def test_entry_put_behind_the_end_for_a_message_that_was_passed_is_named(
    books: Books,
) -> None:
    await append_forged(books, *await place_of_last(books))
    for alone in (True, False):
        first = books.named(await books.verified(alone=alone))
        assert "had been passed without it" in first.said
        assert f"end with entry {books.last}" in first.said


async def test_entry_put_behind_the_end_is_named_by_marks_whatever_is_noted_as_published(
    books: Books,
) -> None:
    offset, message_id = await place_of_last(books)
    await append_forged(books, offset, message_id)
    await books.run(
        "update published set sequence = $2, next_offset = $3, chain = (select chain from entries"
        " where origin_id = $1 and sequence = $2) where origin_id = $1",
        offset,
    )
    first = books.named(await books.verified())
    assert "tells ledger.outcomes/" in first.said


async def test_entry_put_behind_the_end_for_a_message_that_does_not_exist_is_named(
    books: Books,
) -> None:
    end = await books.owner.fetchval(
        "select next_offset from published where origin_id = $1", books.origin_id
    )
    await append_forged(books, end, "evt_forged")
    assert any("has not been read yet" in p for p in (await books.verified(alone=True)).problems)
    await books.run(
        "update positions set next_offset = $3 where (topic, partition) = (select topic, partition"
        " from origins where origin_id = $1) and $2 > 0",
        end + 1,
    )
    problems = (await books.verified()).problems
    assert f"{books.origin}: its position says that offset {end + 1} is next" in problems[0]
    said = f"entry {books.entry} ({books.reference}): its message does not exist"
    assert any(said in problem for problem in problems)


async def test_position_that_was_put_back_is_told_by_the_marks(books: Books) -> None:
    await books.run(
        "update positions set next_offset = next_offset - 1 where $2 > 0 and (topic, partition) ="
        " (select topic, partition from origins where origin_id = $1)"
    )
    assert any(
        "tells that all before offset" in problem for problem in (await books.verified()).problems
    )


async def test_entry_put_behind_the_end_is_never_published(books: Books) -> None:
    await append_forged(books, *await place_of_last(books))
    journal = await open_journal(books.dsn)
    async with producer(books.bootstrap) as to:
        publisher = JournalPublisher(journal, to, Health(), Failpoints(), asyncio.Event())
        with pytest.raises(InvariantBroken, match="published without it"):
            await publisher.publish_due()
    await journal.close()
