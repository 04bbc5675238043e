"""The books rebuilt from the topics: equal, or it says where they part; and lost databases."""

import asyncio

import asyncpg
import pytest

from services.ledger.proof.hash_chain import first_break
from services.ledger.shell.proof.verify import verify_journal
from services.ledger.shell.rebuilding.rebuild import rebuild_and_compare
from services.ledger.shell.store import open_journal
from shared.contracts import topics
from shared.contracts.books import BookMap
from shared.contracts.errors import InvariantBroken
from tests.support.ledger import LedgerRig, charge, event, garbage, polled

pytestmark = pytest.mark.stack


async def tell(rig: LedgerRig, first: int, last: int) -> None:
    """Charges by events and by polls, some twice, one contradicted, one unreadable."""
    await rig.publish(
        *(event(f"evt_{n}", charge(f"ch_{n}", 100 + n)) for n in range(first, last)),
        *(polled(charge(f"ch_{n}", 100 + n)) for n in range(first, last)),
        *(event(f"evt_{n}", charge(f"ch_{n}", 100 + n)) for n in range(first, last, 3)),
        event(f"evt_other_{first}", charge(f"ch_{first}", 999)),
        garbage(f"bad_{first}", b"{"),
    )


async def lose_the_database(rig: LedgerRig) -> None:
    connection = await asyncpg.connect(rig.dsn)
    try:
        await connection.execute("drop schema ledger_read cascade")
        await connection.execute("drop schema ledger cascade")
    finally:
        await connection.close()


async def test_rebuild_of_sound_books_is_equal_to_the_chain_heads(rig: LedgerRig) -> None:
    async with rig.ledger(ledger_batch_messages_max=7):
        await tell(rig, 0, 60)
        await rig.caught_up()
        compared, _ = await rebuild_and_compare(rig.settings().kafka, rig.dsn, BookMap())
    assert compared.differences == ()
    assert compared.used.entries == compared.rebuilt.entries == 60
    assert compared.used.balances == compared.rebuilt.balances
    assert compared.chains_compared > 1
    assert len(await rig.entries()) == 60
    left = await rig.value("select count(*) from pg_namespace where nspname like 'ledger_rebuild%'")
    assert left == 0


async def test_rebuild_of_books_that_were_tampered_with_says_where_they_part(
    rig: LedgerRig,
) -> None:
    async with rig.ledger():
        await tell(rig, 0, 10)
        await rig.caught_up()
    owner = await asyncpg.connect(rig.dsn)
    await owner.execute("alter table ledger.postings disable trigger all")
    await owner.execute(
        "update ledger.postings set minor = minor + 5 where (origin_id, sequence) ="
        " (select origin_id, sequence from ledger.entries where reference = 'stripe:payment:ch_3')"
    )
    await owner.execute(
        "update ledger.balances set debit_minor = debit_minor + 5 where"
        " account = 'assets:stripe:settling'"
    )
    await owner.close()
    compared, _ = await rebuild_and_compare(rig.settings().kafka, rig.dsn, BookMap())
    assert any("assets:stripe:settling" in said for said in compared.differences)
    journal = await open_journal(rig.dsn)
    verified = await verify_journal(journal)
    await journal.close()
    assert any("its digest is not that of its postings" in problem for problem in verified.problems)


async def test_rebuild_of_an_entry_that_no_message_tells_names_its_reference(
    rig: LedgerRig,
) -> None:
    async with rig.ledger():
        await tell(rig, 0, 10)
        await rig.caught_up()
    owner = await asyncpg.connect(rig.dsn)
    for table in ("entries", "postings"):
        await owner.execute(f"alter table ledger.{table} disable trigger all")
    await owner.execute("delete from ledger.entries where reference = 'stripe:payment:ch_4'")
    await owner.close()
    compared, _ = await rebuild_and_compare(rig.settings().kafka, rig.dsn, BookMap())
    assert "stripe:payment:ch_4 of book main was rebuilt and is not in use" in compared.differences


async def test_verify_of_a_sound_journal_finds_nothing(rig: LedgerRig) -> None:
    async with rig.ledger():
        await tell(rig, 0, 30)
        await rig.caught_up()
    journal = await open_journal(rig.dsn)
    verified = await verify_journal(journal)
    await journal.close()
    assert (verified.entries, verified.problems) == (30, ())


async def test_ledger_after_a_lost_database_books_the_same_and_publishes_nothing_twice(
    rig: LedgerRig,
) -> None:
    async with rig.ledger(ledger_batch_messages_max=11):
        await tell(rig, 0, 40)
        await rig.caught_up()
    before = [(e.origin, e.sequence, e.reference, e.chain) for e in await rig.entries()]
    told = len(await rig.records(topics.LEDGER_OUTCOMES))
    await lose_the_database(rig)
    async with rig.ledger(ledger_batch_messages_max=5):
        await rig.caught_up()
    rows = await rig.fetch(
        "select o.topic || '/' || o.partition as origin, e.sequence, e.reference, e.chain"
        " from ledger.entries e join ledger.origins o using (origin_id)"
    )
    assert {(r["origin"], r["sequence"], r["reference"], r["chain"].hex()) for r in rows} == set(
        before
    )
    assert len(await rig.entries()) == len(before)
    assert len(await rig.records(topics.LEDGER_OUTCOMES)) == told
    async with rig.ledger():
        await tell(rig, 40, 60)
        await rig.caught_up()
    entries = await rig.entries()
    assert len(entries) == len({(e.origin, e.sequence) for e in entries}) == 60
    assert first_break(entries) is None


async def test_ledger_whose_journal_is_not_the_published_one_stops(rig: LedgerRig) -> None:
    async with rig.ledger():
        await tell(rig, 0, 20)
        await rig.caught_up()
    owner = await asyncpg.connect(rig.dsn)
    await owner.execute(
        "update ledger.published set chain = decode(repeat('ab', 32), 'hex') where sequence > 0"
    )
    await owner.close()
    with pytest.raises(InvariantBroken, match="is not the one that was published"):
        async with rig.ledger() as running:
            await asyncio.wait_for(asyncio.shield(running), 30)
