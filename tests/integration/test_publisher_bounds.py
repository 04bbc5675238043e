"""What the publisher holds in memory at once has a bound in bytes, whatever was parked."""

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime

import asyncpg
import orjson
import pytest

from services.ledger.shell.booking.rows import DEAD_LETTER_COLUMNS
from services.ledger.shell.failpoints import Failpoints
from services.ledger.shell.publisher import DEAD_LETTER_BYTES_MAX, JournalPublisher
from services.ledger.shell.store import bring_up_to_date, open_journal
from shared.contracts import topics
from shared.contracts.messages import OUTCOME_RECORD, Progress
from shared.runtime.kafka import Partition, Publication, Publisher
from shared.runtime.metrics import Health

pytestmark = pytest.mark.stack

AT = datetime(2026, 11, 21, tzinfo=UTC)
LETTERS = 7
LETTER_BYTES = 3 * 1024 * 1024


class Remembering(Publisher):
    """Keeps what would go out, a list for each time."""

    def __init__(self) -> None:
        self.told: list[list[Publication]] = []

    async def publish_all(
        self, publications: Iterable[Publication], timeout_seconds: float
    ) -> list[Partition]:
        del timeout_seconds
        self.told.append(list(publications))
        return []


async def park(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    await connection.execute("set search_path to ledger")
    await connection.execute(
        "insert into positions values ('cluster', 'topic', 'stripe.events', 0, $1)", LETTERS
    )
    await connection.execute("insert into origins (topic, partition) values ('stripe.events', 0)")
    await connection.execute("insert into published (origin_id) select origin_id from origins")
    await connection.copy_records_to_table(
        "dead_letters",
        records=[
            (1, offset, "unreadable", "", None, b"{" * LETTER_BYTES, orjson.dumps([]), AT)
            for offset in range(LETTERS)
        ],
        columns=DEAD_LETTER_COLUMNS,
    )
    await connection.close()


async def test_publisher_of_large_dead_letters_tells_each_once_and_a_few_at_a_time(
    database_dsn: str,
) -> None:
    await bring_up_to_date(database_dsn)
    await park(database_dsn)
    database = await open_journal(database_dsn, connections_max=2)
    outside = Remembering()
    outbox = JournalPublisher(database, outside, Health(), Failpoints(), asyncio.Event())
    try:
        for _ in range(2 * LETTERS):
            if not await outbox.publish_due():
                break
    finally:
        await database.close()
    sizes = [
        sum(len(p.envelope.data) for p in told if p.envelope is not None and is_letter(p))
        for told in outside.told
    ]
    assert sum(sizes) == LETTERS * LETTER_BYTES
    assert max(sizes) < DEAD_LETTER_BYTES_MAX + LETTER_BYTES
    marks = [
        OUTCOME_RECORD.validate_json(p.envelope.data)
        for told in outside.told
        for p in told
        if p.envelope is not None and not is_letter(p)
    ]
    offsets = [mark.next_offset for mark in marks if isinstance(mark, Progress)]
    assert offsets == sorted(set(offsets))
    assert offsets[-1] == LETTERS


def is_letter(publication: Publication) -> bool:
    return publication.topic == topics.LEDGER_DEAD_LETTERS
