"""What the poller remembers in the schema ``ingest``."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from services.ingest.catch_up import Telling
from services.ingest.mirrored import Asked
from shared.contracts.books import Mode
from shared.runtime.postgres import Database, Tx, load_queries

SCHEMA: Final = "ingest"
MIGRATIONS: Final = Path(__file__).parent / "migrations"
QUERIES: Final = load_queries(Path(__file__).parent / "sql")


@dataclass(frozen=True, slots=True)
class Watched:
    """An object that is asked for again: since when, and how often it was by now."""

    object_id: str
    path: str
    since: datetime
    asks: int


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

    async def watch(self, asked: Sequence[Asked], *, at: datetime, ask_at: datetime) -> None:
        """Have these objects asked for again at a time."""
        if not asked:
            return
        async with self._database.connection() as connection:
            await connection.execute(
                QUERIES["watch_objects"],
                self._account,
                self._mode,
                [a.object_id for a in asked],
                [a.path for a in asked],
                at,
                ask_at,
            )

    async def unwatch(self, object_ids: Iterable[str]) -> None:
        """These objects are final, or will never be told."""
        async with self._database.connection() as connection:
            await connection.execute(
                QUERIES["unwatch_objects"], self._account, self._mode, sorted(set(object_ids))
            )

    async def due(self, *, at: datetime, count_max: int) -> list[Watched]:
        """The objects whose turn it is to be asked for, the longest waiting first."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                QUERIES["due_objects"], self._account, self._mode, at, count_max
            )
        return [Watched(r["object_id"], r["path"], r["since"], r["asks"]) for r in rows]

    async def asked(self, object_id: str, *, ask_at: datetime) -> None:
        """An object was asked for and is still open."""
        async with self._database.connection() as connection:
            await connection.execute(
                QUERIES["asked_object"], self._account, self._mode, object_id, ask_at
            )

    async def open_count(self) -> int:
        """How many objects are watched."""
        async with self._database.connection() as connection:
            found = await connection.fetchval(QUERIES["open_count"], self._account, self._mode)
        return int(found)

    async def note_contents(self, payout_ids: Iterable[str], *, at: datetime) -> None:
        """The contents of these payouts can be asked for; once is enough."""
        async with self._database.connection() as connection:
            await connection.execute(
                QUERIES["note_contents"], self._account, self._mode, sorted(set(payout_ids)), at
            )

    async def untold_contents(self, *, count_max: int) -> list[str]:
        """The payouts whose contents are still to be told, oldest first."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                QUERIES["untold_contents"], self._account, self._mode, count_max
            )
        return [str(row["payout_id"]) for row in rows]

    async def told_contents(self, payout_id: str, *, at: datetime) -> None:
        """The contents of a payout were published; call it after the acknowledgements."""
        async with self._database.connection() as connection:
            await connection.execute(
                QUERIES["told_contents"], self._account, self._mode, payout_id, at
            )

    async def forget(self, *, objects_before: datetime) -> None:
        """Forget what no list shows any more."""
        async with self._database.connection() as connection:
            await connection.execute(QUERIES["forget_told"], objects_before)
