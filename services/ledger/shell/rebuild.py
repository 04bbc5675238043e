"""The journal once more from the topics, in a schema of its own, beside the one in use.

It reads the input topics from their beginning to where the journal in use stands, takes the order
of what was published from ``ledger.entries``, publishes nothing, and is laid beside the other.
"""

import time
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from typing import Final

import asyncpg

from services.ledger.in_force import InForce
from services.ledger.shell.booker import BatchBooker
from services.ledger.shell.books import INPUT_TOPICS, Books
from services.ledger.shell.comparing import Comparison, Snapshot, compare, snapshot_of
from services.ledger.shell.deciding import Decider
from services.ledger.shell.failpoints import Failpoints
from services.ledger.shell.service import charts_of
from services.ledger.shell.store import SCHEMA, bring_up_to_date, open_journal
from services.ledger.shell.tails import learn_from_tails
from shared.contracts.books import BookMap
from shared.contracts.errors import Unavailable
from shared.runtime.kafka import KafkaAddress, Partition, Record, end_offsets, scan
from shared.runtime.positions import Log
from shared.runtime.postgres import CONNECT_SECONDS_MAX, Database

BATCH_MESSAGES: Final = 2_000
Progress = Callable[[int, int], None]


def silent(_: int, __: int) -> None:
    """Progress that nobody is told of."""


async def rebuild_and_compare(
    kafka: KafkaAddress,
    dsn: str,
    book_map: BookMap,
    *,
    keep: bool = False,
    progress: Progress = silent,
) -> tuple[Comparison, str]:
    """Rebuild the journal and lay it beside the one in use; gives the schema's name as well.

    The schema is dropped at the end unless it is to be kept. ``progress`` is told how many
    messages were read, and of how many.

    Raises:
        Unavailable: Kafka or Postgres is away, or the topics end before the journal does.
        InvariantBroken: The journal was made from other topics than those that answer.
    """
    schema = f"{SCHEMA}_rebuild_{time.time_ns():x}"
    async with AsyncExitStack() as held:
        in_use = await open_journal(dsn, connections_max=2)
        held.push_async_callback(in_use.close)
        log = await Log.ask(kafka, INPUT_TOPICS)
        async with in_use.transaction("repeatable_read") as tx:
            used = await snapshot_of(tx, log)
        await _require(kafka, used)
        if not keep:
            held.push_async_callback(_drop, dsn, schema)
        await bring_up_to_date(dsn, schema=schema)
        shadow = await open_journal(dsn, schema=schema, connections_max=2)
        held.push_async_callback(shadow.close)
        messages = await _replay(
            kafka, shadow, log, book_map, until=used.positions, progress=progress
        )
        async with in_use.transaction() as here, shadow.transaction() as there:
            return await compare(used, here, there, messages=messages), schema


async def _replay(
    kafka: KafkaAddress,
    shadow: Database,
    log: Log,
    book_map: BookMap,
    *,
    until: Mapping[Partition, int],
    progress: Progress,
) -> int:
    books = Books(log, book_map, reached=Failpoints().reached)
    async with shadow.transaction() as tx:
        await books.begin(tx, until)
    await learn_from_tails(shadow, kafka)
    decider = Decider(InForce(book_map, charts_of(book_map)))
    booker = BatchBooker(shadow, books)
    at: dict[Partition, int] = dict.fromkeys(until, 0)
    total, read = sum(until.values()), 0
    spans = {p: (0, before) for p, before in until.items()}
    async for batch in scan(kafka, spans, records_max=BATCH_MESSAGES):
        moves = _moves(batch, at)
        await booker.take([decider.decided(record) for record in batch], moves)
        at |= {p: after for p, (_, after) in moves.items()}
        read += len(batch)
        progress(read, total)
    return read


def _moves(batch: list[Record], at: Mapping[Partition, int]) -> dict[Partition, tuple[int, int]]:
    after: dict[Partition, int] = {}
    for record in batch:
        after[Partition(record.topic, record.partition)] = record.offset + 1
    return {p: (at[p], offset) for p, offset in after.items()}


async def _require(kafka: KafkaAddress, used: Snapshot) -> None:
    end = await end_offsets(kafka, INPUT_TOPICS)
    short = [str(p) for p, at in sorted(used.positions.items()) if end.get(p, 0) < at]
    if short:
        raise Unavailable(f"the log ends before the journal does: {', '.join(short)}")


async def _drop(dsn: str, schema: str) -> None:
    # The name is ours, made above; Postgres takes no parameter in its place.
    connection = await asyncpg.connect(dsn, timeout=CONNECT_SECONDS_MAX)
    try:
        await connection.execute(f"drop schema if exists {schema} cascade")
    finally:
        await connection.close()
