"""A journal of commands and bank lines, booked by the ledger's own booker into a real Postgres.

Records stand on partitions of a log in memory, so the same log can be booked once more, in another
order and in other cuts, with what was published of the first time at hand.
"""

import random
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from services.ledger.activation.in_force import InForce
from services.ledger.shell.booking.batch import Booked
from services.ledger.shell.booking.booker import BatchBooker
from services.ledger.shell.booking.books import INPUT_TOPICS, Books
from services.ledger.shell.booking.deciding import Decider
from services.ledger.shell.booking.decision_records import DecisionRecords
from services.ledger.shell.queries import SQL
from services.ledger.shell.rebuilding.comparing import Content, content_of
from services.ledger.shell.store import SCHEMA, bring_up_to_date, open_journal
from services.ledger.shell.tails import Seeding, read_through, write_tails
from services.ledger.shell.wire import entry_publication, outcome_publication
from shared.contracts.books import BankAccount, Basis, BookData, BookMap
from shared.contracts.commands import LEDGER_COMMAND
from shared.contracts.envelope import Envelope
from shared.contracts.journal import DEFAULT_BOOK
from shared.contracts.messages import MatchMade, MatchUndone
from shared.contracts.schemas import type_of
from shared.contracts.topics import (
    BANK_OBSERVATIONS,
    LEDGER_COMMANDS,
    MATCHES,
    STRIPE_OBJECTS,
    origin,
)
from shared.runtime.kafka import Partition, Publication, Record
from shared.runtime.positions import Log
from shared.runtime.postgres import Database, Tx

Json = dict[str, Any]  # Any: JSON
PARTITIONS = 8
LOG = Log("cluster", dict.fromkeys(INPUT_TOPICS, "topic"))
BEGIN = datetime(2024, 6, 1, 8, tzinfo=UTC)


def usd(minor: int) -> Json:
    return {"minor": str(minor), "currency": "usd", "exponent": 2}


@dataclass(slots=True)
class InputLog:
    """What was told, in the order in which it was; its clock goes on with each record."""

    now: datetime = BEGIN
    records: list[Record] = field(default_factory=list[Record])
    ends: dict[Partition, int] = field(default_factory=dict[Partition, int])
    count: int = 0

    def ask(self, kind: str, *, named: str = "", at: int | None = None, **fields: object) -> Record:
        """A command, on a partition."""
        self.count += 1
        key = named or f"k{self.count}"
        told = {"kind": kind, "idempotency_key": key, "book": str(DEFAULT_BOOK), **fields}
        command = LEDGER_COMMAND.validate_json(orjson.dumps(told))
        where = Partition(LEDGER_COMMANDS, self.count % PARTITIONS if at is None else at)
        return self._tell(
            where,
            Envelope(
                id=f"cmd_{self.count}",
                source="test",
                type=type_of(type(command)),
                time=self.now,
                data=orjson.dumps(told),
                subject=key,
                extensions={"book": str(DEFAULT_BOOK)},
            ),
        )

    def line(self, line_id: str, minor: int, on: str, *, account: str = "main") -> Record:
        """A posted bank line; above zero is money in."""
        self.count += 1
        told = {
            "kind": "line",
            "account": account,
            "id": line_id,
            "amount": usd(minor),
            "booked_on": on,
        }
        return self._tell(
            Partition(BANK_OBSERVATIONS, self.count % PARTITIONS),
            Envelope(
                id=f"line_{self.count}",
                source="test",
                type="com.tallystick.bank.line.v1",
                time=self.now,
                data=orjson.dumps(told),
                extensions={"book": str(DEFAULT_BOOK)},
            ),
        )

    def match(
        self,
        match_id: str,
        account: str,
        *,
        minor: int = 300,
        revision: int = 1,
        is_undone: bool = False,
        is_sent_again: bool = False,
    ) -> Record:
        """What was written off of a line to an account, or that it no longer is; on one partition.

        Money out: the line waits in suspense with what the bank has taken.
        """
        self.count += 1
        told: Json = {
            "kind": "match_undone" if is_undone else "match_made",
            "id": match_id,
            "revision": revision,
            "match_kind": "write_off",
            "book": str(DEFAULT_BOOK),
            "effective_at": "2024-06-01T00:00:00Z",
            "clears": [
                {"account": "liabilities:suspense", "key": match_id, "amount": usd(-minor)},
                {"account": account, "key": "", "amount": usd(minor)},
            ],
        } | ({"reason": "taken back"} if is_undone else {"rule": "write_off"})
        kind = MatchUndone if is_undone else MatchMade
        return self._tell(
            Partition(MATCHES, 0),
            Envelope(
                id=f"match_{self.count}",
                source="test",
                type=type_of(kind),
                time=self.now,
                data=orjson.dumps(told),
                subject=match_id,
                extensions={"book": str(DEFAULT_BOOK)}
                | ({"redriveattempt": "1"} if is_sent_again else {}),
            ),
        )

    def stripe_object(self, shown: Json, *, at: int) -> Record:
        """An object as Stripe's API tells it, on a partition."""
        self.count += 1
        return self._tell(
            Partition(STRIPE_OBJECTS, at),
            Envelope(
                id=f"object_{self.count}",
                source="test",
                type="com.stripe.object",
                time=self.now,
                data=orjson.dumps(shown),
                subject=str(shown["id"]),
                extensions={"book": str(DEFAULT_BOOK)},
            ),
        )

    def _tell(self, where: Partition, envelope: Envelope) -> Record:
        self.now += timedelta(seconds=1)
        offset = self.ends.get(where, 0)
        self.ends[where] = offset + 1
        record = Record(
            *where, offset, b"k", envelope.data, tuple(envelope.headers()),
            int(self.now.timestamp() * 1000),
        )  # fmt: skip
        self.records.append(record)
        return record


@dataclass(slots=True)
class Journal:
    """A journal that books records."""

    database: Database
    books: Books
    decider: Decider
    at: dict[Partition, int] = field(default_factory=dict[Partition, int])

    async def book(self, records: Sequence[Record]) -> Booked:
        """Book records in one batch."""
        moves: dict[Partition, tuple[int, int]] = {}
        for record in records:
            place = Partition(record.topic, record.partition)
            moves[place] = (self.at.get(place, 0), record.offset + 1)
        booker = BatchBooker(self.database, self.books)
        booked = await booker.take([self.decider.decided(r) for r in records], moves)
        assert booked.parked == 0
        self.at |= {place: after for place, (_, after) in moves.items()}
        return booked

    async def answer(self, record: Record) -> Json:
        """What a command was answered."""
        rows = await self.read(
            "select u.outcome, u.detail, u.reference, u.decided from outcomes as u"
            " join origins as o on o.origin_id = u.origin_id"
            " where o.topic = $1 and o.partition = $2 and u.caused_offset = $3 and u.ordinal = 1",
            record.topic,
            record.partition,
            record.offset,
        )
        return dict(rows[0])

    async def read(self, query: str, *arguments: object) -> list[Json]:
        """Rows of a query."""
        async with self.database.transaction() as tx:
            return [dict(row) for row in await tx.fetch(query, *arguments)]

    async def content(self) -> Content:
        """What the journal says, whatever the order."""
        async with self.database.transaction() as tx:
            return await content_of(tx)

    async def heads(self) -> dict[tuple[str, int], tuple[int, bytes]]:
        """Each origin's sequence and chain."""
        rows = await self.read("select topic, partition, sequence, chain from origins")
        return {(r["topic"], r["partition"]): (r["sequence"], r["chain"]) for r in rows}

    async def published(self) -> list[Record]:
        """What the publisher would have told of it, entries first."""
        async with self.database.transaction() as tx:
            told = [*await _entries(tx), *await _outcomes(tx)]
        return [
            Record(p.topic, 0, number, p.key, p.envelope.data, tuple(p.envelope.headers()), 0)
            for number, p in enumerate(told)
            if p.envelope is not None
        ]

    async def learn(self, published: Iterable[Record]) -> None:
        """Take in what was published of another journal over the same log."""

        async def batches() -> AsyncGenerator[list[Record]]:
            yield list(published)

        async with self.database.transaction() as tx:
            rows = await tx.fetch(SQL["read_published"])
            booked = await tx.fetch(SQL["booked_offsets"])
            seeding = Seeding(
                {origin(row["topic"], row["partition"]): row["origin_id"] for row in rows},
                {row["origin_id"]: row["journal_sequence"] for row in rows},
                records=DecisionRecords({r["origin_id"]: r["next_offset"] for r in booked}),
            )
            await read_through(tx, seeding, batches())
            await write_tails(tx, seeding, {})


async def _entries(tx: Tx) -> list[Publication]:
    heads = await tx.fetch(SQL["read_origins"])
    spans = (
        [row["origin_id"] for row in heads],
        [0 for _ in heads],
        [row["sequence"] for row in heads],
    )
    where = {row["origin_id"]: Partition(row["topic"], row["partition"]) for row in heads}
    legs = await tx.fetch(SQL["postings_between"], *spans)
    return [
        entry_publication(
            row,
            [
                leg
                for leg in legs
                if (leg["origin_id"], leg["sequence"]) == (row["origin_id"], row["sequence"])
            ],
            where[row["origin_id"]],
        )
        for row in await tx.fetch(SQL["entries_between"], *spans)
    ]


async def _outcomes(tx: Tx) -> list[Publication]:
    heads = await tx.fetch(SQL["read_origins"])
    where = {row["origin_id"]: Partition(row["topic"], row["partition"]) for row in heads}
    rows = await tx.fetch(
        SQL["outcomes_between"],
        [row["origin_id"] for row in heads],
        [0 for _ in heads],
        [2**40 for _ in heads],
        10**6,
    )
    return [outcome_publication(row, where[row["origin_id"]]) for row in rows]


@asynccontextmanager
async def judged_journal(
    dsn: str,
    *,
    zone: str = "UTC",
    basis: Basis = Basis.CASH,
    sells_credits: bool = False,
    is_new: bool = True,
    schema: str = SCHEMA,
    banks: tuple[BankAccount, ...] = (),
) -> AsyncGenerator[Journal]:
    """A journal of one book; one that is not new is another process at the same."""
    if is_new:
        await bring_up_to_date(dsn, schema=schema)
    book_map = BookMap(
        books=(
            BookData(time_zone=zone, basis=basis, bank_accounts=banks, sells_credits=sells_credits),
        )
    )
    books = Books(LOG, book_map)
    database = await open_journal(dsn, schema=schema)
    inputs = [Partition(topic, n) for topic in INPUT_TOPICS for n in range(PARTITIONS)]
    try:
        async with database.transaction() as tx:
            await books.begin(tx, inputs)
        yield Journal(database, books, Decider(InForce(book_map)))
    finally:
        await database.close()


def cut(records: Sequence[Record], dice: random.Random) -> list[list[Record]]:
    """The records in batches of any size."""
    found: list[list[Record]] = []
    at = 0
    while at < len(records):
        size = dice.choice((1, 2, 3, 7, 20))
        found.append(list(records[at : at + size]))
        at += size
    return found


def in_another_order(records: Sequence[Record], dice: random.Random) -> list[Record]:
    """The records of each partition in their order, the partitions one before another or mixed."""
    queues: dict[Partition, list[Record]] = {}
    for record in records:
        queues.setdefault(Partition(record.topic, record.partition), []).append(record)
    places = sorted(queues)
    dice.shuffle(places)
    if dice.random() < 0.5:
        return [record for place in places for record in queues[place]]
    found: list[Record] = []
    while any(queues.values()):
        place = dice.choice([p for p in places if queues[p]])
        found.append(queues[place].pop(0))
    return found
