"""The published views, read under their owners' read-only roles in read-only snapshots."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import asyncpg

from shared.contracts.errors import Unavailable
from shared.runtime.postgres import Database, Tx, load_queries

QUERIES: Final = load_queries(Path(__file__).parent / "sql")
CONNECTIONS_MAX: Final = 8
_NOT_THERE_YET: Final = (
    asyncpg.InvalidParameterValueError,
    asyncpg.InvalidSchemaNameError,
    asyncpg.UndefinedObjectError,
    asyncpg.UndefinedTableError,
    asyncpg.InsufficientPrivilegeError,
    asyncpg.UndefinedFunctionError,
)

Row = Mapping[str, Any]  # Any: a row of a view


class Snapshot:
    """One moment of one service's views."""

    def __init__(self, tx: Tx) -> None:
        self._tx = tx

    async def rows(self, query: str, *arguments: object) -> list[Row]:
        """The rows of a named query."""
        return [dict(row) for row in await self._tx.fetch(QUERIES[query], *arguments)]


class Views:
    """The views of one service: opened when first asked for, since their owner makes them."""

    def __init__(self, dsn: str, owner: str) -> None:
        self._dsn = dsn
        self._owner = owner
        self._opening = asyncio.Lock()
        self._database: Database | None = None

    @asynccontextmanager
    async def snapshot(self) -> AsyncGenerator[Snapshot]:
        """A moment of the views; nothing can be written in it.

        Raises:
            Unavailable: Postgres is away, or the owner has not made its views yet.
        """
        try:
            database = await self._opened()
            async with (
                database.connection() as connection,
                connection.transaction(isolation="repeatable_read", readonly=True),
            ):
                yield Snapshot(connection)
        except _NOT_THERE_YET as error:
            raise Unavailable(f"{self._owner} does not show its views yet: {error}") from None

    async def _opened(self) -> Database:
        async with self._opening:
            if self._database is None:
                self._database = await Database.open(
                    self._dsn,
                    search_path=f"{self._owner}_read",
                    role=f"{self._owner}_reader",
                    connections_max=CONNECTIONS_MAX,
                    application="tallystick-console",
                )
            return self._database

    async def close(self) -> None:
        """Give the connections back."""
        if self._database is not None:
            await self._database.close()
            self._database = None
