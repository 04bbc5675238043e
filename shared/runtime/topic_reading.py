"""A topic read on from where a table left off: rows and positions move in one transaction."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import aclosing
from functools import partial
from typing import TypeAlias

from shared.runtime.kafka import KafkaAddress, Partition, Record, offset_bounds, scan
from shared.runtime.positions import Log, begin_positions, move_positions, read_positions
from shared.runtime.postgres import Database, Tx

Rows: TypeAlias = Callable[[Tx], Awaitable[object]]
Keep: TypeAlias = Callable[[Rows], Awaitable[None]]


class TopicReading:
    """Reads one topic to its end, as often as it is asked.

    Several parts of one process may ask; side by side they would fence one another, so they
    take turns.
    """

    def __init__(
        self, database: Database, kafka: KafkaAddress, topic: str, *, beat: Callable[[], None]
    ) -> None:
        self._database = database
        self._kafka = kafka
        self._topic = topic
        self._beat = beat
        self._turn = asyncio.Lock()

    async def to_its_end(self, take: Callable[[list[Record], Keep], Awaitable[None]]) -> int:
        """Give ``take`` batch after batch to the end that the topic has now; how many records.

        ``take`` calls what it is given with the writing of its rows: they and the positions
        behind the batch are one transaction.

        Raises:
            Fenced: Another process has moved the positions meanwhile.
            InvariantBroken: The rows were made from another cluster or topic.
            Unavailable: Kafka or Postgres is away.
        """
        async with self._turn:
            log = await Log.ask(self._kafka, [self._topic])
            first, end = await offset_bounds(self._kafka, [self._topic])
            reached = await self._positions(log, end)
            spans = {p: (max(reached[p], first[p]), end[p]) for p in end}
            count = 0
            async with aclosing(scan(self._kafka, spans)) as batches:
                async for batch in batches:
                    self._beat()
                    moves = _moves(reached, batch)
                    await take(batch, partial(self._keep, log, moves))
                    reached |= {partition: after for partition, (_, after) in moves.items()}
                    count += len(batch)
            return count

    async def _keep(self, log: Log, moves: Mapping[Partition, tuple[int, int]], rows: Rows) -> None:
        async def work(tx: Tx) -> None:
            await rows(tx)
            await move_positions(tx, log, moves)

        await self._database.run(work)

    async def _positions(self, log: Log, partitions: Iterable[Partition]) -> dict[Partition, int]:
        async def work(tx: Tx) -> dict[Partition, int]:
            await begin_positions(tx, log, partitions)
            return await read_positions(tx, log)

        return await self._database.run(work)


def _moves(
    reached: Mapping[Partition, int], batch: list[Record]
) -> dict[Partition, tuple[int, int]]:
    after = {Partition(r.topic, r.partition): r.offset + 1 for r in batch}
    return {partition: (reached[partition], offset) for partition, offset in after.items()}
