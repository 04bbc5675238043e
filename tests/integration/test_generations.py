"""Generations of the journal: built beside, swapped in one commit, gone back to, killed anywhere."""

import asyncio
import itertools
import subprocess
import sys

import asyncpg
import pytest

from services.ledger.shell.rebuilding.generations import (
    GenerationBusy,
    GenerationUnknown,
    drop_generation,
    hold_generations,
    make_generation,
    owner_at,
)
from services.ledger.shell.rebuilding.rebuild import rebuild_and_compare
from services.ledger.shell.store import open_journal
from shared.contracts import topics
from shared.contracts.books import BookMap
from shared.runtime.kafka import end_offsets
from tests.integration.test_decision_faults import tell as decide
from tests.support.generations import known, reading, require_sound, swap, tell
from tests.support.ledger import ROOT, LedgerRig, charge, event, garbage, until
from tests.support.swapping import EXIT_CODE

pytestmark = pytest.mark.stack

PLACES = ("rebuilt", "compared", "swap_stopped", "swap_compared", "swap_renamed", "swap_committed")
OUTPUTS = (topics.LEDGER_ENTRIES, topics.LEDGER_OUTCOMES, topics.LEDGER_DEAD_LETTERS)


async def test_swap_of_equal_books_while_they_are_booked_and_read_loses_nothing(
    rig: LedgerRig,
) -> None:
    async with rig.ledger(ledger_batch_messages_max=7) as running:
        await tell(rig, 0, 40)
        await rig.caught_up()

        async def go_on() -> None:
            for first in range(40, 240, 10):
                await tell(rig, first, first + 10)

        async with reading(rig) as met:
            telling = asyncio.create_task(go_on())
            swapped = [await swap(rig), await swap(rig)]
            await telling
            swapped.append(await swap(rig))
        await rig.caught_up()
        assert not running.done()
    assert [each.comparison.differences for each in swapped] == [(), (), ()]
    assert [each.kept for each in swapped] == ["ledger_g1", "ledger_g2", "ledger_g3"]
    assert met.errors == []
    assert met.answers > 10
    assert met.entries == sorted(met.entries)
    assert met.longest_seconds < 5
    assert [(g.schema, g.number) for g in await known(rig)] == [
        ("ledger", 4),
        ("ledger_g1", 1),
        ("ledger_g2", 2),
        ("ledger_g3", 3),
    ]
    await require_sound(rig, 240)


async def test_swap_back_to_the_generation_before_catches_it_up_first(rig: LedgerRig) -> None:
    async with rig.ledger():
        await tell(rig, 0, 20)
        await rig.caught_up()
        kept = (await swap(rig)).kept
        await tell(rig, 20, 30)
        await rig.caught_up()
        back = await swap(rig, onto=kept)
        await tell(rig, 30, 40)
        await rig.caught_up()
    assert (back.comparison.differences, back.kept) == ((), "ledger_g2")
    used, *others = await known(rig)
    assert (used.number, used.entries, [each.was_in_use for each in others]) == (1, 40, [True])
    await require_sound(rig, 40)


async def test_generation_that_kept_open_items_before_it_had_entries_is_gone_back_to(
    rig: LedgerRig,
) -> None:
    async with rig.ledger():
        await rig.publish(garbage("bad", b"{"))
        await rig.caught_up()  # what stands open was kept now, and nothing was booked yet
        await tell(rig, 0, 20)
        await rig.caught_up()
        kept = (await swap(rig)).kept
        back = await swap(rig, onto=kept)
    assert (back.comparison.differences, back.kept) == ((), "ledger_g2")
    await require_sound(rig, 20)


@pytest.mark.parametrize("place", PLACES)
async def test_swap_killed_at_any_step_leaves_one_generation_whole(
    rig: LedgerRig, place: str
) -> None:
    async with rig.ledger():
        await tell(rig, 0, 20)
        await rig.caught_up()
        killed = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-m", "tests.support.swapping", rig.bootstrap, rig.dsn, place],
            cwd=ROOT,
            check=False,
            timeout=120,
        )
        assert killed.returncode == EXIT_CODE
        await tell(rig, 20, 30)
        await rig.caught_up()
        used, other = await known(rig)
        assert used.number == (2 if place == "swap_committed" else 1)
        assert used.entries == 30
        # What is left is whole enough to be gone on with.
        assert (await swap(rig, onto=other.schema)).kept
    await require_sound(rig, 30)


async def test_swap_of_books_with_decisions_follows_them_and_goes_back(rig: LedgerRig) -> None:
    async with rig.ledger():
        await decide(rig)
        await rig.caught_up()
        count = "select count(*) from ledger.holds"
        held = await rig.value(count)
        swapped = await swap(rig)
        assert (swapped.comparison.differences, await rig.value(count)) == ((), held)
        # The generation before has no record of its own decisions, and needs none.
        assert (await swap(rig, onto=swapped.kept)).comparison.differences == ()
        assert await rig.value(count) == held > 0
    compared, _ = await rebuild_and_compare(rig.settings().kafka, rig.dsn, BookMap())
    assert compared.differences == ()
    assert compared.used.sums["holds"][0] == held


async def test_rebuilding_publishes_nothing(rig: LedgerRig) -> None:
    async with rig.ledger():
        await tell(rig, 0, 30)
        await rig.caught_up()
    before = await end_offsets(rig.bootstrap, OUTPUTS)
    await rebuild_and_compare(rig.settings().kafka, rig.dsn, BookMap())
    assert (await swap(rig)).kept
    assert await end_offsets(rig.bootstrap, OUTPUTS) == before
    async with rig.ledger():
        await rig.publish(event("evt_more", charge("ch_more")))
        await rig.caught_up()
    # What is new, and nothing else.
    assert len(await rig.entries()) == 31


async def test_swap_of_books_that_differ_is_refused_and_leaves_nothing(rig: LedgerRig) -> None:
    async with rig.ledger():
        await tell(rig, 0, 10)
        await rig.caught_up()
        await rig.fetch(
            "update ledger.balances set debit_minor = debit_minor + 5 where"
            " account = 'assets:stripe:settling'"
        )
        refused = await swap(rig)
    assert refused.kept == ""
    assert any("assets:stripe:settling" in said for said in refused.comparison.differences)
    assert [each.number for each in await known(rig)] == [1]


async def test_swap_of_what_only_stands_in_tables_beside_the_entries_is_refused(
    rig: LedgerRig,
) -> None:
    async with rig.ledger():
        await tell(rig, 0, 10)
        await rig.caught_up()
        await rig.fetch(
            "insert into ledger.dead_letters (origin_id, caused_offset, reason, detail,"
            " record_value, record_headers, recorded_at) values (1, 999999, 'x', 'x', '', '', now())"
        )
        await rig.fetch("insert into ledger.clocks values ('main', now())")
        refused = await swap(rig)
    assert refused.kept == ""
    assert any("outcomes differ" in said for said in refused.comparison.differences)
    assert "clocks differ: 1 in use, 0 rebuilt" in refused.comparison.differences


async def test_guards_of_the_journal_hold_in_a_generation_that_was_swapped_in(
    rig: LedgerRig,
) -> None:
    async with rig.ledger():
        await tell(rig, 0, 10)
        await rig.caught_up()
        await swap(rig)
    owner = await asyncpg.connect(rig.dsn)
    try:
        for table in ("entries", "postings", "claims"):
            with pytest.raises(asyncpg.CheckViolationError, match="only ever added to"):
                await owner.execute(f"delete from ledger.{table}")
        with pytest.raises(asyncpg.CheckViolationError, match="has 0 postings"):
            await owner.execute(
                "insert into ledger.entries (origin_id, sequence, book, reference, kind,"
                " effective_at, recorded_at, caused_offset, message_id, rules_version, description,"
                " reverses, digest, chain, posting_count)"
                " select origin_id, sequence + 1000, book, reference || '.', kind, effective_at,"
                " recorded_at, caused_offset, message_id, rules_version, description, reverses,"
                " digest, chain, posting_count from ledger.entries limit 1"
            )
    finally:
        await owner.close()
    journal = await open_journal(rig.dsn)
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with journal.transaction() as tx:
                await tx.execute("delete from entries")
    finally:
        await journal.close()


async def test_swap_waits_for_a_transaction_that_reads_and_readers_are_not_held_up(
    rig: LedgerRig,
) -> None:
    async with rig.ledger():
        await tell(rig, 0, 20)
        await rig.caught_up()
        export = await asyncpg.connect(rig.dsn)
        held = export.transaction(isolation="repeatable_read")
        await held.start()
        before = await export.fetchval("select count(*) from ledger.entries")
        async with reading(rig) as met:
            swapping = asyncio.create_task(swap(rig))

            async def wanted() -> bool:
                return bool(
                    await rig.value(
                        "select count(*) from pg_locks where mode = 'AccessExclusiveLock'"
                        " and not granted"
                    )
                )

            await until("the swap to want the tables", wanted)
            assert await export.fetchval("select count(*) from ledger.entries") == before
            await held.commit()
            await export.close()
            assert (await swapping).kept == "ledger_g1"
    assert met.errors == []
    assert met.longest_seconds < 3


async def test_origins_of_another_generation_have_the_same_numbers(rig: LedgerRig) -> None:
    async with rig.ledger():
        await tell(rig, 0, 10)
        await rig.caught_up()
        sql = "select origin_id, topic, partition, sequence from ledger_read.origins order by 1"
        before = [tuple(row) for row in await rig.fetch(sql)]
        await swap(rig)
        assert [tuple(row) for row in await rig.fetch(sql)] == before


async def test_generations_are_made_by_one_process_at_a_time(rig: LedgerRig) -> None:
    async with rig.ledger():
        await tell(rig, 0, 1)
        await rig.caught_up()
    async with owner_at(rig.dsn) as owner:
        await hold_generations(owner)
        with pytest.raises(GenerationBusy, match="another process"):
            await swap(rig)
        for number in itertools.count(2):
            if number > 3:
                break
            assert await make_generation(owner, rig.dsn) == f"ledger_g{number}"
        await drop_generation(owner, "ledger_g2")
        for schema in ("ledger", "ledger_g2", "public"):
            with pytest.raises(GenerationUnknown):
                await drop_generation(owner, schema)
    assert [each.schema for each in await known(rig)] == ["ledger", "ledger_g3"]
