"""A few messages are asked for and written at once, many are not: both book the same."""

import random
from collections.abc import Iterator
from typing import Any

import pytest

from services.ledger.activation.in_force import InForce
from services.ledger.shell.booking import months, opening
from services.ledger.shell.booking.booker import BatchBooker
from services.ledger.shell.booking.books import INPUT_TOPICS, Books
from services.ledger.shell.booking.deciding import Decider
from services.ledger.shell.service import input_partitions
from services.ledger.shell.store import bring_up_to_date, open_journal
from shared.contracts.books import BookMap
from shared.runtime.dead_letters import ATTEMPT_HEADER
from shared.runtime.kafka import Partition, Record
from shared.runtime.positions import Log
from tests.support.ledger import charge, event, garbage, polled
from tests.support.stack import RunningStack

pytestmark = pytest.mark.stack

MESSAGES = 240
TABLES = {
    "entries": "origin_id, sequence",
    "postings": "origin_id, sequence, ordinal",
    "claims": "book, reference",
    "seen_events": "book, identity",
    "origins": "origin_id",
    "positions": "topic, partition",
    "balances": "book, account, currency, origin_id",
    "day_buckets": "book, account, currency, effective_day, recorded_day, origin_id",
    "open_items": "book, account, key, currency",
    "outcomes": "origin_id, caused_offset, ordinal",
    "dead_letters": "origin_id, caused_offset",
}


def records(seed: int) -> Iterator[Record]:
    """Facts told twice, by events and polls, with other content, sent again, and garbage."""
    chosen, at = random.Random(seed), dict[Partition, int]()
    for number in range(MESSAGES):
        amount = 100 * chosen.choice((1, 1, 1, 2))
        shown = charge(f"ch_{chosen.randrange(60)}", amount, created=1_795_000_000 + number)
        told = chosen.choice(
            (
                event(f"evt_{chosen.randrange(90)}", shown),
                event(f"evt_{number}", shown, "charge.updated"),
                polled(shown),
                garbage(f"evt_{number}", b"{"),
            )
        )
        assert told.envelope is not None
        where = Partition(told.topic, chosen.randrange(2))
        headers = list(told.envelope.headers())
        if chosen.random() < 0.05:
            headers.append((ATTEMPT_HEADER, b"1"))
        yield Record(
            *where,
            offset=at.get(where, 0),
            key=told.key,
            value=told.envelope.data,
            headers=tuple(headers),
            timestamp_ms=1_795_500_000_000 + number,
        )
        at[where] = at.get(where, 0) + 1


def place(record: Record) -> tuple[str, int, int]:
    """Where a record stands, to sort by."""
    return record.topic, record.partition, record.offset


async def booked(stack: RunningStack, told: list[Record], seed: int) -> dict[str, Any]:
    """What stands in every table after batches of a few messages each."""
    dsn, chosen = stack.fresh_database(), random.Random(seed)
    await bring_up_to_date(dsn)
    database = await open_journal(dsn)
    books, decider = (
        Books(Log("c", dict.fromkeys(INPUT_TOPICS, "t")), BookMap()),
        Decider(InForce()),
    )
    try:
        async with database.transaction() as tx:
            await books.begin(tx, input_partitions())
        booker, at = BatchBooker(database, books), dict[Partition, int]()
        while told:
            size = chosen.randrange(1, 9)
            batch, told = sorted(told[:size], key=place), told[size:]
            after = {Partition(r.topic, r.partition): r.offset + 1 for r in batch}
            moves = {where: (at.get(where, 0), up_to) for where, up_to in after.items()}
            await booker.take([decider.decided(record) for record in batch], moves)
            at |= after
        async with database.connection() as connection:
            return {
                table: [tuple(r) for r in await connection.fetch(f"table {table} order by {key}")]
                for table, key in TABLES.items()
            }
    finally:
        await database.close()
        stack.drop_database(dsn)


@pytest.mark.parametrize("seed", [1, 2])
async def test_batches_asked_for_at_once_book_what_batches_asked_for_one_by_one_do(
    stack: RunningStack, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    told = list(records(seed))
    at_once = await booked(stack, told, seed)
    monkeypatch.setattr(opening, "ASKED_AT_ONCE_MAX", 0)
    monkeypatch.setattr(months, "WRITTEN_AT_ONCE_MAX", 0)
    one_by_one = await booked(stack, told, seed)
    assert at_once == one_by_one
    assert min(map(len, at_once.values())) > 0
    reasons = {row[3] for row in at_once["outcomes"]}
    assert {"conflict", "refused"} <= reasons
