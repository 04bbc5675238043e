"""What the poller remembers in the schema ``ingest``."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

from services.ingest.catch_up import Telling
from shared.contracts.books import Mode
from shared.runtime.postgres import Database, Tx, load_queries

SCHEMA: Final = "ingest"
MIGRATIONS: Final = Path(__file__).parent / "migrations"
QUERIES: Final = load_queries(Path(__file__).parent / "sql")


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
                QUERIES["read_created_to"], self._account, self._mode, resource
            )
        return None if row is None else int(row["created_to"])

    async def move_cursor(self, resource: str, created_to: int) -> None:
        """Remember how far a list has been read: all of it published and acknowledged."""
        async with self._database.connection() as connection:
            await connection.execute(
                QUERIES["move_created_to"], self._account, self._mode, resource, created_to
            )

    async def known(self, object_ids: Iterable[str]) -> dict[str, bytes]:
        """The digests of what was last published of these objects."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                QUERIES["known_digests"], self._account, self._mode, sorted(set(object_ids))
            )
        return {row["object_id"]: bytes(row["digest"]) for row in rows}

    async def remember(self, tellings: Sequence[Telling], *, told_at: datetime) -> None:
        """Remember what was published; call it after the acknowledgements."""

        async def work(tx: Tx) -> None:
            await tx.execute(
                QUERIES["remember_told"],
                self._account,
                self._mode,
                [t.object_id for t in tellings],
                [t.digest for t in tellings],
                told_at,
            )

        if tellings:
            await self._database.run(work)

    async def forget(self, *, objects_before: datetime) -> None:
        """Forget what no list shows any more."""
        async with self._database.connection() as connection:
            await connection.execute(QUERIES["forget_told"], objects_before)
