"""The intake without Kafka: bugs of the core put one record or one book aside, and catching up.

The process ends at a bug; here that is an exception.
"""

import os
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from typing import Any, NoReturn

import pytest
from prometheus_client import CollectorRegistry

from services.reconciler.shell.failpoints import Failpoints
from services.reconciler.shell.figures import Figures
from services.reconciler.shell.judging import judge
from services.reconciler.shell.judging.in_hand import Rules
from services.reconciler.shell.process import migrate_all
from services.reconciler.shell.reading import intake
from services.reconciler.shell.reading.conveyor import Conveyor
from services.reconciler.shell.reading.intake import Intake
from services.reconciler.shell.told import Told, told_by
from shared.contracts import topics
from shared.contracts.books import BookMap
from shared.contracts.envelope import Envelope
from shared.contracts.journal import Direction
from shared.contracts.messages import EntryBooked, Position, PostingOnWire
from shared.contracts.money import MoneyOnWire
from shared.contracts.schemas import type_of
from shared.runtime.kafka import KafkaAddress, Partition, Publication, Record
from shared.runtime.metrics import Health
from shared.runtime.positions import Log, begin_positions, read_positions
from shared.runtime.postgres import Database
from tests.support.reconciler import LONG_AGO, line, payout

pytestmark = pytest.mark.stack

PLACES = {
    topic: Partition(topic, 0)
    for topic in (topics.STRIPE_EVENTS, topics.BANK_OBSERVATIONS, topics.LEDGER_ENTRIES)
}
LOG = Log("cluster", dict.fromkeys(PLACES, "topic id"))


class ProcessEndedError(BaseException):
    """What ``os._exit`` is in these tests."""


def record(publication: Publication, offset: int) -> Record:
    assert publication.envelope is not None
    return Record(
        publication.topic,
        0,
        offset,
        publication.key,
        publication.envelope.data,
        publication.envelope.headers(),
        int(LONG_AGO.timestamp() * 1000),
    )


GOOD = record(payout("po_1GoodAaBbCcDdEeFf", 100, arrival=LONG_AGO), 0)
BAD = record(payout("po_1BadAaBbCcDdEeFfG", 100, arrival=LONG_AGO), 1)
LATER = record(line("l1", 100, on=LONG_AGO.date(), text="STRIPE po_1GoodAaBbCcDdEeFf"), 0)


@pytest.fixture
async def database(database_dsn: str) -> AsyncGenerator[Database]:
    await migrate_all(database_dsn)
    opened = await Database.open(database_dsn, search_path="reconciler")
    async with opened.transaction() as tx:
        await begin_positions(tx, LOG, PLACES.values())
    yield opened
    await opened.close()


@pytest.fixture(autouse=True)
def process_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    def end(code: int) -> NoReturn:
        raise ProcessEndedError(code)

    monkeypatch.setattr(os, "_exit", end)


def started(database: Database, *, open_facts_max: int = 1_000) -> Conveyor:
    """The parts of a process that has just been started."""
    figures, health = Figures(CollectorRegistry()), Health()
    return Conveyor(
        KafkaAddress("127.0.0.1:1"),
        database,
        Intake(
            database,
            LOG,
            Rules(BookMap(), require_readings=False),
            inputs=PLACES,
            now=lambda: datetime.now(UTC),
            failpoints=Failpoints(None),
            figures=figures,
            wake_postman=lambda: None,
            open_facts_max=open_facts_max,
        ),
        health=health,
        figures=figures,
        now=lambda: datetime.now(UTC),
        records_max=100,
    )


async def positions(database: Database) -> dict[Partition, int]:
    async with database.transaction() as tx:
        return await read_positions(tx, LOG)


async def count(database: Database, sql: str) -> int:
    async with database.connection() as connection:
        found: int = await connection.fetchval(sql)
    return found


async def test_record_at_which_the_process_ends_three_times_is_parked(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def reader_with_a_bug(given: Record, books: BookMap) -> Told:
        if given.offset == 1 and given.topic == topics.STRIPE_EVENTS:
            raise ZeroDivisionError
        return told_by(given, books)

    monkeypatch.setattr(intake, "told_by", reader_with_a_bug)
    for _ in range(3):
        with pytest.raises(ProcessEndedError):
            await started(database).carry([GOOD, BAD, LATER])
        # What came before it is safe; what comes after waits.
        assert (await positions(database))[PLACES[topics.STRIPE_EVENTS]] == 1
    await started(database).carry([GOOD, BAD, LATER])
    assert await positions(database) == {
        PLACES[topics.STRIPE_EVENTS]: 2,
        PLACES[topics.BANK_OBSERVATIONS]: 1,
        PLACES[topics.LEDGER_ENTRIES]: 0,
    }
    assert await count(database, "select count(*) from parked where reason = 'crashed'") == 1
    assert await count(database, "select count(*) from matches where is_standing") == 1
    letters = f"select count(*) from outbox where topic = '{topics.RECONCILER_DEAD_LETTERS}'"
    assert await count(database, letters) == 1


def entry(sequence: int, *, exponent: int = 2) -> Record:
    """An entry of the ledger; with other decimals it is one that cannot be read."""
    amount = MoneyOnWire(minor="5", currency="usd", exponent=exponent)
    booked = EntryBooked(
        book="main",
        reference=f"stripe:payment:ch_{sequence}",
        kind="payment",
        effective_at=LONG_AGO,
        recorded_at=LONG_AGO,
        postings=(
            PostingOnWire(
                account="assets:stripe:settling",
                key=f"ch_{sequence}",
                direction=Direction.DEBIT,
                amount=amount,
            ),
        ),
        rules_version=1,
        caused_by=Position(topic=topics.STRIPE_EVENTS, partition=0, offset=sequence),
        message_id=f"evt_{sequence}",
        origin=f"{topics.STRIPE_EVENTS}/0",
        sequence=sequence,
        digest="00",
        chain="00",
    )
    envelope = Envelope(
        id=f"entry_{sequence}",
        source="test",
        type=type_of(EntryBooked),
        time=LONG_AGO,
        data=booked.model_dump_json().encode(),
    )
    return record(Publication(topics.LEDGER_ENTRIES, b"k", envelope), sequence - 1)


async def test_entry_that_cannot_be_read_is_parked_and_leaves_no_hole(database: Database) -> None:
    await started(database).carry([entry(1), entry(2, exponent=3), entry(3)])
    assert (await positions(database))[PLACES[topics.LEDGER_ENTRIES]] == 3
    assert await count(database, "select count(*) from parked") == 1
    assert await count(database, "select count(*) from facts") == 2


async def test_book_that_cannot_be_judged_keeps_its_facts_and_is_judged_when_it_can_be(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def core_with_a_bug(*_: Any, **__: Any) -> NoReturn:  # Any: whatever the core is given
        raise ZeroDivisionError

    with monkeypatch.context() as broken:
        await started(database).carry([GOOD])
        broken.setattr(judge, "reconcile", core_with_a_bug)
        for _ in range(2):
            with pytest.raises(ProcessEndedError):
                await started(database).carry([BAD])
        await started(database).carry([BAD])
        await started(database).carry([LATER])
        assert await count(database, "select count(*) from parked") == 0
        assert await count(database, "select count(*) from crashes") == 0
        assert await count(database, "select count(*) from facts") == 3
        assert await count(database, "select count(*) from matches") == 0
    async with database.transaction() as tx:
        await tx.execute("update due set due_at = now()")
    await started(database).judge_due()
    assert await count(database, "select count(*) from matches where is_standing") == 1
    assert await count(database, "select count(*) from due where failures > 0") == 0


async def test_while_much_is_read_nothing_is_told_and_what_is_done_with_is_let_go(
    database: Database,
) -> None:
    async with database.transaction() as tx:
        await tx.execute("update positions set caught_up_at = 1000")
    conveyor_of_start = started(database, open_facts_max=2)
    gone = [
        record(payout(f"po_1Gone{n}AaBbCcDdEe", 10, arrival=LONG_AGO, status="canceled"), n)
        for n in range(10)
    ]
    open_ones = [
        record(payout("po_1GoodAaBbCcDdEeFf", 100, arrival=LONG_AGO), 10),
        record(payout("po_1LateAaBbCcDdEeFf", 300, arrival=LONG_AGO), 11),
    ]
    await conveyor_of_start.carry([*gone, *open_ones, LATER])
    assert await count(database, "select count(*) from facts") == 13
    assert await count(database, "select count(*) from facts where not is_dormant") == 3
    assert await count(database, "select count(*) from matches") == 0
    assert await count(database, "select count(*) from outbox") == 0
    await conveyor_of_start.judge_due()
    assert await count(database, "select count(*) from matches") == 0

    async with database.transaction() as tx:
        await tx.execute("update positions set caught_up_at = next_offset")
    await started(database).judge_due()
    assert await count(database, "select count(*) from matches where is_standing") == 1
    overdue = "select count(*) from discrepancies where kind = 'payout_overdue'"
    assert await count(database, overdue) == 1
