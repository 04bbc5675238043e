"""A journal that takes messages of any topic and activations, in a real Postgres, without a broker."""

import json
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from pydantic import JsonValue

from services.ledger.activation.in_force import InForce
from services.ledger.decisions import RULES_VERSION
from services.ledger.shell.beginning import learn_what_is_in_force
from services.ledger.shell.booking.batch import Booked
from services.ledger.shell.booking.booker import BatchBooker
from services.ledger.shell.booking.books import INPUT_TOPICS, Books
from services.ledger.shell.booking.deciding import Decided, Decider
from services.ledger.shell.store import bring_up_to_date, open_journal
from shared.contracts.books import BookMap
from shared.contracts.envelope import Envelope
from shared.contracts.topics import (
    BANK_OBSERVATIONS,
    LEDGER_COMMANDS,
    STRIPE_EVENTS,
    STRIPE_OBJECTS,
)
from shared.runtime.dead_letters import ATTEMPT_HEADER
from shared.runtime.kafka import Partition, Record
from shared.runtime.positions import Log
from shared.runtime.postgres import Database
from tests.support.later_rules import LATER_RULES

TOPICS: Final = (STRIPE_EVENTS, STRIPE_OBJECTS, BANK_OBSERVATIONS, LEDGER_COMMANDS)
PARTITIONS: Final = 2
PLACES: Final = tuple(Partition(topic, number) for topic in TOPICS for number in range(PARTITIONS))
_LOG: Final = Log("cluster", dict.fromkeys(INPUT_TOPICS, "topic"))
_BEGAN: Final = datetime(2026, 11, 21, 4, 0, tzinfo=UTC)


@dataclass(slots=True)
class Topics:
    """The input topics: records by partition, each behind the one before."""

    records: dict[Partition, list[Record]] = field(default_factory=dict[Partition, list[Record]])

    def tell(self, place: Partition, value: Mapping[str, object], ident: str = "") -> Record:
        """Append a message."""
        told = self.records.setdefault(place, [])
        count = sum(len(each) for each in self.records.values())
        at = _BEGAN + timedelta(seconds=count)
        envelope = Envelope(
            id=ident or f"m_{count}",
            source="test",
            type="test",
            time=at,
            data=json.dumps(value).encode(),
            extensions={"book": "main"},
        )
        record = Record(
            place.topic, place.partition, len(told), b"k", envelope.data,
            tuple(envelope.headers()), int(at.timestamp() * 1000),
        )  # fmt: skip
        told.append(record)
        return record

    def again(self, record: Record) -> Record:
        """Append a message once more, marked as one that somebody has sent again."""
        told = self.records[Partition(record.topic, record.partition)]
        sent = Record(
            record.topic, record.partition, len(told), record.key, record.value,
            ((ATTEMPT_HEADER, b"1"), *record.headers), record.timestamp_ms + 1,
        )  # fmt: skip
        told.append(sent)
        return sent

    def activate(
        self,
        key: str,
        what: str,
        value: JsonValue,
        *positions: tuple[Partition, int],
        book: str = "main",
        partition: int = 0,
    ) -> Record:
        """Append a command that puts something in force."""
        return self.tell(
            Partition(LEDGER_COMMANDS, partition),
            {
                "kind": "activate",
                "idempotency_key": key,
                "book": book,
                "actor": "ana",
                "what": what,
                "value": value,
                "positions": [
                    {"topic": p.topic, "partition": p.partition, "offset": at}
                    for p, at in positions
                ],
            },
        )


@dataclass(slots=True)
class OneProjector:
    """A projector of a journal: what it decides by, and how far it has read by its own account."""

    database: Database
    books: Books
    decider: Decider

    def decided(self, records: Iterable[Record]) -> list[Decided]:
        """Decide, by what this process knows is in force."""
        return [self.decider.decided(record) for record in records]

    async def book(self, decided: Sequence[Decided]) -> Booked:
        """Book decided messages, which are the next of their partitions."""
        moves: dict[Partition, tuple[int, int]] = {}
        for each in decided:
            record = each.record
            place = Partition(record.topic, record.partition)
            first = moves.get(place, (record.offset, 0))[0]
            moves[place] = (first, record.offset + 1)
        return await BatchBooker(self.database, self.books).take(decided, moves)

    async def learn(self) -> None:
        """Read what is in force, as a process does at its start and after a fence."""
        await learn_what_is_in_force(self.database, self.decider, self.books)

    async def take(self, *records: Record) -> Booked:
        """Learn, decide and book."""
        await self.learn()
        return await self.book(self.decided(records))


@asynccontextmanager
async def projector(
    dsn: str,
    *,
    schema: str = "ledger",
    book_map: BookMap | None = None,
    rules_version: int = RULES_VERSION,
) -> AsyncGenerator[OneProjector]:
    """A projector of the journal in a schema, which is made when it is not there.

    Its books begin with a version of the rules.
    """
    first = InForce(book_map or BookMap(), rules_version=rules_version)
    await bring_up_to_date(dsn, schema=schema)
    database = await open_journal(dsn, schema=schema)
    books = Books(_LOG, first.book_map, rules=LATER_RULES)
    try:
        async with database.transaction() as tx:
            await books.begin(tx, PLACES)
        yield OneProjector(database, books, Decider(first, LATER_RULES))
    finally:
        await database.close()
