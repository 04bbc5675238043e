"""Stripe's balance against the ledger's through the reconciler's tables, in any order of arrival."""

import json
from collections.abc import AsyncGenerator, Mapping
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from prometheus_client import CollectorRegistry

from services.reconciler.shell.failpoints import Failpoints
from services.reconciler.shell.figures import Figures
from services.reconciler.shell.judging.in_hand import Rules
from services.reconciler.shell.process import migrate_all
from services.reconciler.shell.reading.conveyor import Conveyor
from services.reconciler.shell.reading.intake import Intake
from shared.contracts import topics
from shared.contracts.books import BookData, BookMap
from shared.contracts.envelope import Envelope
from shared.contracts.journal import Direction
from shared.contracts.messages import EntryBooked, Position, PostingOnWire
from shared.contracts.money import MoneyOnWire
from shared.contracts.schemas import type_of
from shared.runtime.kafka import KafkaAddress, Partition, Publication, Record
from shared.runtime.metrics import Health
from shared.runtime.positions import Log, begin_positions
from shared.runtime.postgres import Database
from tests.support.reconciler import LONG_AGO, progress

pytestmark = pytest.mark.stack

INPUTS: tuple[str, ...] = (topics.STRIPE_OBJECTS, topics.LEDGER_ENTRIES, topics.LEDGER_OUTCOMES)
LOG = Log("cluster", dict.fromkeys(INPUTS, "topic id"))
OBJECTS = Partition(topics.STRIPE_OBJECTS, 0)
MOVEMENTS = 6


@pytest.fixture
async def database(database_dsn: str) -> AsyncGenerator[Database]:
    await migrate_all(database_dsn)
    opened = await Database.open(database_dsn, search_path="reconciler")
    async with opened.transaction() as tx:
        await begin_positions(tx, LOG, [Partition(topic, 0) for topic in INPUTS])
    yield opened
    await opened.close()


def started(database: Database, books: BookMap | None = None) -> Conveyor:
    figures = Figures(CollectorRegistry())
    return Conveyor(
        KafkaAddress("127.0.0.1:1"),
        database,
        Intake(
            database,
            LOG,
            Rules(books or BookMap(), require_readings=False),
            inputs=INPUTS,
            now=lambda: datetime.now(UTC),
            failpoints=Failpoints(None),
            figures=figures,
            wake_postman=lambda: None,
        ),
        health=Health(),
        figures=figures,
        now=lambda: datetime.now(UTC),
        records_max=100,
    )


class Streams:
    """The records of a world: movements told, read and booked; each topic in its own order."""

    def __init__(self, owners: tuple[str, ...] = ("",)) -> None:
        self.owners = owners
        self.sent = dict.fromkeys(INPUTS, 0)
        self.sequence = 0
        self.objects = 0

    def of(self, book: str, *, lost: int | None) -> tuple[list[Record], ...]:
        """Movements of one book, of which the ledger books all but one; readings between them.

        Of several Stripe accounts each has a movement in turn.
        """
        readings: list[Record] = []
        entries: list[Record] = []
        marks: list[Record] = []
        for number in range(MOVEMENTS):
            at = LONG_AGO + timedelta(seconds=number // 2)
            self.objects += 1
            if len(self.owners) > 1:
                readings.append(self._movement(book, number, at))
            readings += (self._reading(book, number, at, times) for times in (1, 2))
            if number != lost:
                entries.append(self.entry(book, number, at))
            marks.append(self._record(progress(OBJECTS, self.objects, sequence=self.sequence)))
        return readings, entries, marks

    def _record(self, made: Publication) -> Record:
        assert made.envelope is not None
        offset = self.sent[made.topic]
        self.sent[made.topic] += 1
        return Record(
            made.topic, 0, offset, made.key, made.envelope.data, made.envelope.headers(), offset
        )

    def _owner(self, number: int) -> str:
        return self.owners[number % len(self.owners)]

    def _movement(self, book: str, number: int, at: datetime) -> Record:
        """The balance transaction itself, which tells whose it is."""
        minor = (number + 1) * 100 * (-1) ** number
        value = {
            "id": f"txn_{book}_{number}",
            "object": "balance_transaction",
            "type": "adjustment",
            "amount": minor,
            "fee": 0,
            "net": minor,
            "currency": "usd",
            "created": int(at.timestamp()),
        }
        return self._object(book, self._owner(number), value, at, f"{book}:{number}")

    def _reading(self, book: str, number: int, at: datetime, times: int) -> Record:
        owner = self._owner(number)
        own = [n for n in range(number + 1) if self._owner(n) == owner]
        total = sum((n + 1) * 100 * (-1) ** n for n in own)
        same_second = [n for n in own if n // 2 == number // 2]
        value = {
            "id": f"balance_reading.{times}",
            "object": "balance_reading",
            "balance_types": ["payments"],
            "totals": [{"balance_type": "payments", "currency": "usd", "amount": total}],
            "created_to": int(at.timestamp()),
            "last": [f"txn_{book}_{n}" for n in same_second],
            "ends": {"0": self.objects},
        }
        told_at = LONG_AGO + timedelta(minutes=number, seconds=times)
        return self._object(book, owner, value, told_at, f"{book}:{number}:{times}")

    def _object(
        self, book: str, owner: str, value: Mapping[str, object], at: datetime, name: str
    ) -> Record:
        envelope = Envelope(
            id=name,
            source="test",
            type="com.stripe.object",
            time=at,
            data=json.dumps(value).encode(),
            extensions={"book": book, **({"account": owner} if owner else {})},
        )
        return self._record(Publication(topics.STRIPE_OBJECTS, b"k", envelope))

    def entry(self, book: str, number: int, at: datetime) -> Record:
        self.sequence += 1
        minor = (number + 1) * 100 * (-1) ** number
        booked = EntryBooked(
            book=book,
            reference=f"stripe:balance_transaction:txn_{book}_{number}",
            kind="balance_transaction",
            effective_at=at,
            recorded_at=at,
            postings=(
                PostingOnWire(
                    account="assets:stripe:balance",
                    key="",
                    direction=Direction.DEBIT if minor > 0 else Direction.CREDIT,
                    amount=MoneyOnWire(minor=str(abs(minor)), currency="usd", exponent=2),
                ),
            ),
            rules_version=1,
            caused_by=Position(topic=topics.STRIPE_OBJECTS, partition=0, offset=self.sequence),
            message_id=f"m_{self.sequence}",
            origin=str(OBJECTS),
            sequence=self.sequence,
            digest="00",
            chain="00",
        )
        envelope = Envelope(
            id=f"entry_{self.sequence}",
            source="test",
            type=type_of(EntryBooked),
            time=LONG_AGO,
            data=booked.model_dump_json().encode(),
        )
        return self._record(Publication(topics.LEDGER_ENTRIES, b"k", envelope))


def mixed(streams: tuple[list[Record], ...], random: Random) -> list[list[Record]]:
    """The streams in one order, each in its own, cut into batches."""
    left = [[*stream] for stream in streams]
    batches: list[list[Record]] = [[]]
    while any(left):
        stream = random.choice([stream for stream in left if stream])
        batches[-1].append(stream.pop(0))
        if random.random() < 0.4:
            batches.append([])
    return [batch for batch in batches if batch]


async def drifts(database: Database, book: str) -> list[tuple[str, str, int]]:
    async with database.connection() as connection:
        rows = await connection.fetch(
            "select subject, state, amount_minor from discrepancies"
            " where book = $1 and kind = 'balance_drift'",
            book,
        )
    return [(row["subject"], row["state"], int(row["amount_minor"])) for row in rows]


async def test_whole_books_never_show_a_drift_whatever_comes_first(database: Database) -> None:
    conveyor, streams = started(database), Streams()
    for seed in range(6):
        random = Random(seed)
        for batch in mixed(streams.of(f"b{seed}", lost=None), random):
            await conveyor.carry(batch)
        assert await drifts(database, f"b{seed}") == []


async def test_lost_movement_is_found_whatever_comes_first_and_heals_when_it_is_booked(
    database: Database,
) -> None:
    conveyor, streams = started(database), Streams()
    for seed in range(6):
        random, book, lost = Random(seed), f"b{seed}", seed % MOVEMENTS
        for batch in mixed(streams.of(book, lost=lost), random):
            await conveyor.carry(batch)
        assert await drifts(database, book) == [("assets:stripe:balance", "open", (lost + 1) * 100)]
        late = streams.entry(book, lost, LONG_AGO + timedelta(seconds=lost // 2))
        await conveyor.carry([late])
        assert await drifts(database, book) == [
            ("assets:stripe:balance", "resolved", (lost + 1) * 100)
        ]


async def test_several_stripe_accounts_of_a_book_are_held_as_one_sum(database: Database) -> None:
    owners = {"whole": ("acct_1", "acct_2"), "lossy": ("acct_3", "acct_4")}
    books = BookMap(books=tuple(BookData(name=n, stripe_accounts=o) for n, o in owners.items()))
    conveyor, streams = started(database, books), Streams(owners["whole"])
    for batch in mixed(streams.of("whole", lost=None), Random(1)):
        await conveyor.carry(batch)
    assert await drifts(database, "whole") == []
    streams.owners = owners["lossy"]
    for batch in mixed(streams.of("lossy", lost=2), Random(2)):
        await conveyor.carry(batch)
    assert await drifts(database, "lossy") == [("assets:stripe:balance", "open", 300)]
    await conveyor.carry([streams.entry("lossy", 2, LONG_AGO + timedelta(seconds=1))])
    assert await drifts(database, "lossy") == [("assets:stripe:balance", "resolved", 300)]


async def test_what_readings_no_longer_need_is_forgotten(database: Database) -> None:
    conveyor, streams = started(database), Streams()
    for batch in mixed(streams.of("main", lost=None), Random(3)):
        await conveyor.carry(batch)
    async with database.connection() as connection:
        kept = await connection.fetchval("select count(*) from stripe_readings")
        moves = await connection.fetchval("select count(*) from stripe_moves")
    assert kept == 2
    assert moves <= 2
