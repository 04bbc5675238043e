"""A database that is lost, or restored from before a swap, comes back to the same books."""

from urllib.parse import urlsplit

import asyncpg
import pytest

from shared.contracts import topics
from tests.support.generations import require_sound, swap, tell
from tests.support.ledger import LedgerRig
from tests.support.stack import RunningStack

pytestmark = pytest.mark.stack


async def test_database_lost_after_a_swap_comes_back_by_itself(rig: LedgerRig) -> None:
    async with rig.ledger():
        await tell(rig, 0, 20)
        await rig.caught_up()
        await swap(rig)
    owner = await asyncpg.connect(rig.dsn)
    await owner.execute("drop schema ledger_read cascade")
    await owner.execute("drop schema ledger cascade")
    await owner.close()
    async with rig.ledger():
        await tell(rig, 20, 30)
        await rig.caught_up()
        # The number of the lost one's forerunner is taken; the next free one is found.
        assert (await swap(rig)).kept == "ledger_g3"
    await require_sound(rig, 30)


async def test_database_restored_from_before_a_swap_reads_on_and_publishes_nothing_twice(
    rig: LedgerRig, stack: RunningStack
) -> None:
    async with rig.ledger(ledger_batch_messages_max=7):
        await tell(rig, 0, 20)
        await rig.caught_up()
    backup = await copied(rig.dsn, stack)
    async with rig.ledger(ledger_batch_messages_max=7):
        await tell(rig, 20, 40)
        await rig.caught_up()
        await swap(rig)
        await tell(rig, 40, 50)
        await rig.caught_up()
    before = {(e.origin, e.sequence): e.chain for e in await rig.entries()}
    told = len(await rig.records(topics.LEDGER_OUTCOMES))
    rig.dsn = backup
    async with rig.ledger(ledger_batch_messages_max=5):
        await rig.caught_up()
        assert len(await rig.entries()) == len(before) == 50
        assert len(await rig.records(topics.LEDGER_OUTCOMES)) == told
        rows = await rig.fetch(
            "select o.topic || '/' || o.partition as origin, e.sequence, e.chain"
            " from ledger.entries as e join ledger.origins as o using (origin_id)"
        )
        assert {(r["origin"], r["sequence"]): r["chain"].hex() for r in rows} == before
        assert (await swap(rig)).kept == "ledger_g1"
    await require_sound(rig, 50)
    stack.drop_database(backup)


async def copied(dsn: str, stack: RunningStack) -> str:
    """A copy of a database as it stands, as a backup has it; nobody may be connected."""
    copy = stack.fresh_database("backup")
    stack.drop_database(copy)
    names = [urlsplit(each).path.removeprefix("/") for each in (copy, dsn)]
    admin = await asyncpg.connect(stack.postgres_dsn)
    try:
        await admin.execute(
            await admin.fetchval(
                "select format('create database %I template %I', $1::text, $2::text)", *names
            )
        )
    finally:
        await admin.close()
    return copy
