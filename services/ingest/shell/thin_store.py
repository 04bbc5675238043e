"""What became of each thin event, in the schema ``ingest``."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from services.ingest.polled import Connected
from services.ingest.shell.poll_store import QUERIES
from shared.contracts.books import Mode
from shared.runtime.postgres import Database, Tx


@dataclass(frozen=True, slots=True)
class DueEvent:
    """A thin event whose turn it is: where it stands on the topic, and whose it is."""

    event_id: str
    partition: int
    offset: int
    tries: int
    account: str


@dataclass(frozen=True, slots=True)
class GivenUp:
    """A thin event that could not be resolved in time, and why not at the last try."""

    event_id: str
    tries: int
    reason: str


class ThinStore:
    """The thin events of all accounts; each polled one takes its own."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def note(self, asked_for: Iterable[Connected], *, at: datetime) -> None:
        """Take in what was indexed since the last time.

        ``asked_for`` are the connected accounts that are asked on behalf of.
        """
        named = list(asked_for)
        foreign = sorted({account for each in named for account in each.accounts})

        async def work(tx: Tx) -> None:
            await tx.execute(QUERIES["lock_thin"])
            await tx.execute(QUERIES["note_thin"], at, any(e.is_all for e in named), foreign)

        await self._database.run(work)

    async def due(
        self,
        *,
        at: datetime,
        mode: Mode,
        account: str,
        book: str,
        others: Sequence[str],
        count_max: int,
    ) -> list[DueEvent]:
        """The events of an account, and of its book but of none of the ``others``."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                QUERIES["due_thin"], at, mode is Mode.LIVE, account, book, list(others), count_max
            )
        return [
            DueEvent(r["event_id"], r["partition"], r["offset"], r["tries"], r["account"])
            for r in rows
        ]

    async def settle(self, event_id: str, state: str, reason: str, *, at: datetime) -> None:
        """An event is ``resolved``, or ``unresolved`` for good."""
        async with self._database.connection() as connection:
            await connection.execute(QUERIES["settle_thin"], event_id, state, reason, at)

    async def try_again(self, event_id: str, reason: str, *, try_at: datetime) -> None:
        """An event could not be resolved this time."""
        async with self._database.connection() as connection:
            await connection.execute(QUERIES["try_thin_again"], event_id, reason, try_at)

    async def give_up(self, *, noted_before: datetime, at: datetime) -> list[GivenUp]:
        """Give up what was tried for long enough."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(QUERIES["give_up_thin"], noted_before, at)
        return [GivenUp(r["event_id"], r["tries"], r["reason"]) for r in rows]

    async def counts(self) -> tuple[int, int]:
        """How many events are open, and how many were given up."""
        async with self._database.connection() as connection:
            row = await connection.fetchrow(QUERIES["thin_counts"])
        return (0, 0) if row is None else (int(row["open_events"]), int(row["unresolved"]))
