"""Decisions when a process dies between its commit and its publishing, and when a database is lost."""

import asyncio
from collections.abc import AsyncGenerator
from datetime import UTC, datetime

import asyncpg
import orjson
import pytest

from services.ledger.shell.failpoints import EXIT_CODE, Failpoint
from services.ledger.shell.rebuilding.rebuild import rebuild_and_compare
from shared.contracts import topics
from shared.contracts.books import BookMap
from shared.contracts.commands import LEDGER_COMMAND
from shared.contracts.envelope import Envelope
from shared.contracts.schemas import type_of
from shared.runtime.kafka import Publication
from tests.support.judged_journal import Json, usd
from tests.support.ledger import LedgerRig, charge, event

pytestmark = pytest.mark.stack
AT = datetime(2026, 6, 1, 9, tzinfo=UTC)
OWED = "liabilities:connect"


@pytest.fixture
async def killed(rig: LedgerRig) -> AsyncGenerator[LedgerRig]:
    yield rig
    await asyncio.to_thread(rig.stop_processes)


def command(kind: str, named: str, **fields: object) -> Publication:
    told: Json = {"kind": kind, "idempotency_key": named, "book": "main", **fields}
    value = orjson.dumps(told)
    model = type(LEDGER_COMMAND.validate_json(value))
    envelope = Envelope(
        id=f"cmd_{named}",
        source="test",
        type=type_of(model),
        time=AT,
        data=value,
        subject=named,
        extensions={"book": "main"},
    )
    return Publication(topics.LEDGER_COMMANDS, f"main|{named}".encode(), envelope)


async def tell(rig: LedgerRig) -> None:
    """Money, then more holds than it covers, and what becomes of some of them; facts between."""
    owed: Json = {"account": OWED, "key": "acct_1"}
    await rig.publish(
        command(
            "manual_entry",
            "owed",
            effective_at="2026-06-01T09:00:00Z",
            postings=[
                {"account": "revenue:stripe", "side": "debit", "amount": usd(5000)},
                {"side": "credit", "amount": usd(5000), **owed},
            ],
        )
    )
    await rig.publish(
        *(command("place_hold", f"h{n}", amount=usd(1000), **owed) for n in range(40)),
        *(event(f"evt_{n}", charge(f"ch_{n}", 100 + n)) for n in range(20)),
        command("close_period", "may", through="2026-05-31"),
    )
    await rig.publish(
        *(command("settle_hold", f"s{n}", hold=f"h{n}", to="assets:bank:main") for n in range(40)),
        *(command("release_hold", f"r{n}", hold=f"h{n}") for n in range(40)),
        command("reverse_entry", "undo", reference="command:owed", reason="was not owed"),
        *(event(f"evt_{n}", charge(f"ch_{n}", 100 + n)) for n in range(20, 40)),
    )


ANSWERS = (
    "select o.topic, o.partition, u.caused_offset, u.ordinal, u.outcome, u.subject, u.detail,"
    " u.reference, u.decided from ledger.outcomes as u join ledger.origins as o"
    " on o.origin_id = u.origin_id where o.topic = 'ledger.commands' order by 1, 2, 3, 4"
)


async def proved_right(rig: LedgerRig) -> None:
    """No more was held than there was, each answer told is the one that stands, and it rebuilds."""
    held = await rig.value("select sum(minor) from ledger_read.holds where ended is null")
    settled = await rig.value(
        "select coalesce(sum(minor), 0) from ledger_read.holds where ended = 'settled'"
    )
    assert int(held or 0) + int(settled) <= 5000
    stand = {(row["partition"], row["caused_offset"]): row for row in await rig.fetch(ANSWERS)}
    for told in await rig.outcomes():
        if told.caused_by.topic == topics.LEDGER_COMMANDS:
            row = stand[told.caused_by.partition, told.caused_by.offset]
            assert (told.outcome.value, told.detail) == (row["outcome"], row["detail"])
    compared, _ = await rebuild_and_compare(rig.settings().kafka, rig.dsn, BookMap())
    assert compared.differences == ()
    assert compared.used.sums["holds"][0] > 0


@pytest.mark.parametrize(
    "place", [Failpoint.MID_TX, Failpoint.AFTER_COMMIT, Failpoint.AFTER_PUBLISH]
)
async def test_ledger_killed_between_decision_and_publishing_decides_once(
    killed: LedgerRig, place: Failpoint
) -> None:
    rig = killed
    await tell(rig)
    times = 1 if "publish" in place else 3
    dying = rig.start_process(
        TALLYSTICK_LEDGER_FAILPOINT=f"{place}:{times}",
        TALLYSTICK_LEDGER_BATCH_MESSAGES_MAX="20",
        TALLYSTICK_LEDGER_INSTANCE="only",
    )
    assert await asyncio.to_thread(dying.wait, 60) == EXIT_CODE
    async with rig.ledger(ledger_batch_messages_max=9):
        await rig.caught_up()
        await proved_right(rig)


async def test_ledger_after_a_lost_database_has_the_answers_that_it_gave(rig: LedgerRig) -> None:
    await tell(rig)
    async with rig.ledger(ledger_batch_messages_max=4):
        await rig.caught_up()
    before = [tuple(row) for row in await rig.fetch(ANSWERS)]
    told = len(await rig.records(topics.LEDGER_OUTCOMES))
    connection = await asyncpg.connect(rig.dsn)
    try:
        await connection.execute("drop schema ledger_read cascade")
        await connection.execute("drop schema ledger cascade")
    finally:
        await connection.close()
    async with rig.ledger(ledger_batch_messages_max=50):
        await rig.caught_up()
        assert [tuple(row) for row in await rig.fetch(ANSWERS)] == before
        assert len(await rig.records(topics.LEDGER_OUTCOMES)) == told
        await proved_right(rig)
