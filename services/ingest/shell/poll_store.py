"""What the poller remembers in the schema ``ingest``."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

from services.ingest.catch_up import Telling
from shared.contracts.books import Mode
from shared.runtime.kafka import Partition
from shared.runtime.positions import Log, begin_positions, move_positions, read_positions
from shared.runtime.postgres import Database, Tx, load_queries

SCHEMA: Final = "ingest"
MIGRATIONS: Final = Path(__file__).parent / "migrations"
_SQL: Final = load_queries(Path(__file__).parent / "sql")


class PollStore:
    """Cursors, digests and ids of one account in one mode."""

    def __init__(self, database: Database, *, account: str, mode: Mode) -> None:
        self._database = database
        self._account = account
        self._mode = mode.value

    async def cursor(self, resource: str) -> int | None:
        """How far a list has been read, in Stripe's time; ``None`` before the first time."""
        async with self._database.connection() as connection:
            row = await connection.fetchrow(
                _SQL["read_created_to"], self._account, self._mode, resource
            )
        return None if row is None else int(row["created_to"])

    async def move_cursor(self, resource: str, created_to: int) -> None:
        """Remember how far a list has been read: all of it published and acknowledged."""
        async with self._database.connection() as connection:
            await connection.execute(
                _SQL["move_created_to"], self._account, self._mode, resource, created_to
            )

    async def known(self, object_ids: Iterable[str]) -> dict[str, bytes]:
        """The digests of what was last published of these objects."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                _SQL["known_digests"], self._account, self._mode, sorted(set(object_ids))
            )
        return {row["object_id"]: bytes(row["digest"]) for row in rows}

    async def remember(self, tellings: Sequence[Telling], *, told_at: datetime) -> None:
        """Remember what was published; call it after the acknowledgements."""

        async def work(tx: Tx) -> None:
            await tx.execute(
                _SQL["remember_told"],
                self._account,
                self._mode,
                [t.object_id for t in tellings],
                [t.digest for t in tellings],
                told_at,
            )

        if tellings:
            await self._database.run(work)

    async def positions(self, log: Log, partitions: Iterable[Partition]) -> dict[Partition, int]:
        """Where the events' topic is read on.

        Raises:
            InvariantBroken: The rows were made from another cluster or topic.
        """

        async def work(tx: Tx) -> dict[Partition, int]:
            await begin_positions(tx, log, partitions)
            return await read_positions(tx, log)

        return await self._database.run(work)

    async def arrived(
        self,
        log: Log,
        named: Sequence[tuple[str, datetime]],
        moves: Mapping[Partition, tuple[int, int]],
    ) -> None:
        """Remember events by id and time of arrival, and move the positions, in one transaction.

        Raises:
            Fenced: Another poller has moved them meanwhile.
        """

        async def work(tx: Tx) -> None:
            await tx.execute(
                _SQL["remember_arrived"], [name for name, _ in named], [at for _, at in named]
            )
            await move_positions(tx, log, moves)

        await self._database.run(work)

    async def arrived_of(self, event_ids: Iterable[str]) -> frozenset[str]:
        """Which of these events are on the topic, as far as it has been read."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(_SQL["arrived_of"], list(event_ids))
        return frozenset(str(row["event_id"]) for row in rows)

    async def forget(self, *, events_before: datetime, objects_before: datetime) -> None:
        """Forget what no list shows any more."""
        async with self._database.connection() as connection:
            await connection.execute(_SQL["forget_arrived"], events_before)
            await connection.execute(_SQL["forget_told"], objects_before)
