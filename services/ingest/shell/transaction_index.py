"""The index of the balance transactions on ``stripe.objects``: what the log has of the money.

Made from the topic alone. What the mirror remembers having told is its own business: an audit
believes nobody but the log.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import cast

import orjson

from services.ingest.shell.poll_store import QUERIES
from shared.contracts.books import Mode
from shared.contracts.errors import Unreadable
from shared.contracts.topics import STRIPE_OBJECTS
from shared.runtime.kafka import KafkaAddress, Partition, Record, offset_bounds, scan
from shared.runtime.positions import Log, begin_positions, move_positions, read_positions
from shared.runtime.postgres import Database, Tx


@dataclass(frozen=True, slots=True)
class _Stored:
    account: str
    is_live: bool
    id: str
    created: int
    partition: int
    offset: int


class TransactionIndex:
    """Which balance transactions stand on the topic, by account and mode."""

    def __init__(
        self, database: Database, kafka: KafkaAddress, *, beat: Callable[[], None]
    ) -> None:
        self._database = database
        self._kafka = kafka
        self._beat = beat
        self._turn = asyncio.Lock()

    async def catch_up(self) -> int:
        """Read the topic to the end that it has now; how many records were read.

        Raises:
            Fenced: Another process has moved the positions meanwhile.
            InvariantBroken: The rows were made from another cluster or topic.
            Unavailable: Kafka or Postgres is away.
        """
        # Side by side, two parts of one process would fence one another.
        async with self._turn:
            log = await Log.ask(self._kafka, [STRIPE_OBJECTS])
            first, end = await offset_bounds(self._kafka, [STRIPE_OBJECTS])
            reached = await self._positions(log, end)
            spans = {p: (max(reached[p], first[p]), end[p]) for p in end}
            count = 0
            async with aclosing(scan(self._kafka, spans)) as batches:
                async for batch in batches:
                    self._beat()
                    moves = _moves(reached, batch)
                    await self._store(log, _stored(batch), moves)
                    reached |= {partition: after for partition, (_, after) in moves.items()}
                    count += len(batch)
            return count

    async def held(self, ids: Iterable[str], *, account: str, mode: Mode) -> frozenset[str]:
        """Which of these are on the topic, as far as it has been read."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                QUERIES["transactions_of"], account, mode is Mode.LIVE, list(ids)
            )
        return frozenset(str(row["transaction_id"]) for row in rows)

    async def count(self, since: int, until: int, *, account: str, mode: Mode) -> int:
        """How many of a window of Stripe's time are on the topic."""
        async with self._database.connection() as connection:
            found = await connection.fetchval(
                QUERIES["count_transactions_between"], account, mode is Mode.LIVE, since, until
            )
        return int(found)

    async def _positions(self, log: Log, partitions: Iterable[Partition]) -> dict[Partition, int]:
        async def work(tx: Tx) -> dict[Partition, int]:
            await begin_positions(tx, log, partitions)
            return await read_positions(tx, log)

        return await self._database.run(work)

    async def _store(
        self, log: Log, found: list[_Stored], moves: Mapping[Partition, tuple[int, int]]
    ) -> None:
        async def work(tx: Tx) -> None:
            await tx.execute(
                QUERIES["store_transactions"],
                [t.account for t in found],
                [t.is_live for t in found],
                [t.id for t in found],
                [t.created for t in found],
                [t.partition for t in found],
                [t.offset for t in found],
            )
            await move_positions(tx, log, moves)

        await self._database.run(work)


def _moves(
    reached: Mapping[Partition, int], batch: list[Record]
) -> dict[Partition, tuple[int, int]]:
    after = {Partition(r.topic, r.partition): r.offset + 1 for r in batch}
    return {partition: (reached[partition], offset) for partition, offset in after.items()}


def _stored(records: Iterable[Record]) -> list[_Stored]:
    found = [stored for record in records if (stored := _transaction(record)) is not None]
    first: dict[tuple[str, bool, str], _Stored] = {}
    for each in found:
        first.setdefault((each.account, each.is_live, each.id), each)
    return list(first.values())


def _transaction(record: Record) -> _Stored | None:
    try:
        envelope = record.envelope()
        value: object = orjson.loads(record.value)
    except (Unreadable, orjson.JSONDecodeError):
        return None
    if not isinstance(value, dict):
        return None
    fields = cast("dict[str, object]", value)
    transaction_id, created = fields.get("id"), fields.get("created")
    if fields.get("object") != "balance_transaction" or type(created) is not int:
        return None
    if not isinstance(transaction_id, str) or "\0" in transaction_id:
        return None
    if not 0 <= created < 2**63:
        return None
    return _Stored(
        account=envelope.extension("account"),
        is_live=envelope.extension("livemode") == "true",
        id=transaction_id,
        created=created,
        partition=record.partition,
        offset=record.offset,
    )
