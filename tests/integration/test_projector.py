"""The ledger over real topics and a real database."""

from collections.abc import AsyncGenerator

import pytest

from services.ledger.hash_chain import first_break
from shared.contracts import topics
from shared.contracts.messages import OutcomeKind
from shared.runtime.dead_letters import dead_letter_of
from tests.support.ledger import LedgerRig, charge, counted, event, fresh_topics, garbage, polled

pytestmark = pytest.mark.stack


@pytest.fixture
async def rig(kafka_bootstrap: str, database_dsn: str) -> AsyncGenerator[LedgerRig]:
    await fresh_topics(kafka_bootstrap)
    rig = LedgerRig(kafka_bootstrap, database_dsn)
    yield rig
    rig.stop_processes()


async def test_projector_books_each_fact_once_however_often_it_is_told(rig: LedgerRig) -> None:
    async with rig.ledger():
        await rig.publish(
            *(event(f"evt_{n}", charge(f"ch_{n}", 100 + n)) for n in range(50)),
            *(event(f"evt_{n}", charge(f"ch_{n}", 100 + n)) for n in range(50)),
            *(polled(charge(f"ch_{n}", 100 + n)) for n in range(50)),
        )
        await rig.caught_up()
    assert await rig.value("select count(*) from ledger.entries") == 50
    assert await rig.value("select count(*) from ledger.seen_events") == 50
    entries = await rig.entries()
    assert len(entries) == 50
    assert len({entry.reference for entry in entries}) == 50
    assert first_break(entries) is None
    by_account = {
        row["account"]: int(row["minor"])
        for row in await rig.fetch("select account, minor from ledger_read.balances")
    }
    total = sum(100 + n for n in range(50))
    assert by_account == {"assets:stripe:settling": total, "revenue:stripe": -total}
    open_items = await rig.fetch("select key, minor from ledger_read.open_items")
    assert {r["key"]: int(r["minor"]) for r in open_items} == {
        f"ch_{n}": 100 + n for n in range(50)
    }


async def test_projector_of_a_message_that_nobody_can_read_parks_it_and_goes_on(
    rig: LedgerRig,
) -> None:
    nul = charge("ch_nul", description="x")
    nul["id"] = "ch_\x00"
    async with rig.ledger():
        await rig.publish(
            event("evt_1", charge("ch_1")),
            garbage("bad_1", b"not json"),
            garbage("bad_2", b"[1]"),
            event("evt_nul\x00", charge("ch_3")),
            event("evt_2", charge("ch_2")),
        )
        await rig.caught_up()
    assert sorted(e.reference for e in await rig.entries()) == [
        "stripe:payment:ch_1",
        "stripe:payment:ch_2",
    ]
    letters = await rig.records(topics.LEDGER_DEAD_LETTERS)
    assert sorted(r.value for r in letters)[1:] == [b"not json", b"{"] or len(letters) == 3
    assert {dead_letter_of(r.envelope()).position.topic for r in letters} == {topics.STRIPE_EVENTS}
    refused = [o for o in await rig.outcomes() if o.outcome is OutcomeKind.REFUSED]
    assert counted(o.reason for o in refused)["unreadable"] >= 2
    assert len(refused) == 3
