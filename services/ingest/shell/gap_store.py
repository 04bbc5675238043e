"""What the gap audit remembers in the schema ``ingest``: what lacks, and where a walk stands."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from services.ingest.gaps import NOTHING, Missing, Tally, changes
from services.ingest.shell.poll_store import QUERIES
from shared.contracts.books import Mode
from shared.runtime.postgres import Database, Tx


@dataclass(frozen=True, slots=True)
class Walk:
    """A walk through a list, newest first: its window, the last item seen, and its counts."""

    since: int
    until: int
    after_id: str = ""
    tally: Tally = NOTHING


@dataclass(frozen=True, slots=True)
class Webhooks:
    """When webhooks came: the first, the last, and in which hours."""

    first_at: datetime | None
    last_at: datetime | None


class GapStore:
    """What is remembered of one account in one mode."""

    def __init__(self, database: Database, *, account: str, mode: Mode) -> None:
        self._database = database
        self._account = account
        self._mode = mode

    async def missing(self, resource: str) -> dict[str, Missing]:
        """What a list has and the log lacked when it was looked at last, by id."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                QUERIES["missing_items"], self._account, self._mode.value, resource
            )
        return _missing(rows)

    async def missing_of(self, resource: str, ids: Iterable[str]) -> dict[str, Missing]:
        """What of these items was known to lack, by id."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                QUERIES["missing_of"], self._account, self._mode.value, resource, list(ids)
            )
        return _missing(rows)

    async def note(
        self, resource: str, *, before: Mapping[str, Missing], after: Mapping[str, Missing]
    ) -> None:
        """Remember what lacks now, and forget what no longer does."""
        put, drop = changes(before, after)
        if not put and not drop:
            return
        where = (self._account, self._mode.value, resource)

        async def work(tx: Tx) -> None:
            await tx.execute(
                QUERIES["put_missing"],
                *where,
                [m.id for m in put],
                [m.created for m in put],
                [m.since for m in put],
                [m.reason for m in put],
                [m.kind for m in put],
            )
            await tx.execute(QUERIES["drop_missing"], *where, list(drop))

        await self._database.run(work)

    async def untell(self, object_ids: Iterable[str]) -> None:
        """Forget that objects were told, so that they are told anew."""
        async with self._database.connection() as connection:
            await connection.execute(
                QUERIES["untell"], self._account, self._mode.value, sorted(set(object_ids))
            )

    async def walk(self, resource: str) -> Walk | None:
        """The walk that has not come to its end."""
        async with self._database.connection() as connection:
            row = await connection.fetchrow(
                QUERIES["read_walk"], self._account, self._mode.value, resource
            )
        if row is None:
            return None
        tally = Tally(row["found"], row["already_had"], row["fetched"], row["still_lacking"])
        return Walk(row["since_created"], row["until_created"], row["after_id"], tally)

    async def keep_walk(self, resource: str, walk: Walk) -> None:
        """Remember how far a walk has come."""
        tally = walk.tally
        async with self._database.connection() as connection:
            await connection.execute(
                QUERIES["put_walk"],
                *(self._account, self._mode.value, resource),
                *(walk.since, walk.until, walk.after_id),
                *(tally.found, tally.already_had, tally.fetched, tally.still_lacking),
            )

    async def end_walk(self, resource: str) -> None:
        """A walk has come to its end."""
        async with self._database.connection() as connection:
            await connection.execute(QUERIES["end_walk"], self._account, self._mode.value, resource)

    async def count_events(self, since: int, until: int, types: Iterable[str]) -> int:
        """How many events of a window of Stripe's time are on the log."""
        async with self._database.connection() as connection:
            found = await connection.fetchval(
                QUERIES["count_events_between"],
                self._account,
                self._mode is Mode.LIVE,
                float(since),
                float(until),
                list(types),
            )
        return int(found)

    async def webhooks(self) -> Webhooks:
        """When the first and the last webhook came."""
        async with self._database.connection() as connection:
            row = await connection.fetchrow(
                QUERIES["webhook_times"], self._account, self._mode is Mode.LIVE
            )
        return Webhooks(None, None) if row is None else Webhooks(row["first_at"], row["last_at"])

    async def webhook_hours(self, since: datetime) -> list[datetime]:
        """The hours in which webhooks came, from a time on."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                QUERIES["webhook_hours"], self._account, self._mode is Mode.LIVE, since
            )
        return [row["hour"] for row in rows]

    async def last_event_at(self) -> datetime | None:
        """When the last event came, by whichever way."""
        async with self._database.connection() as connection:
            found: datetime | None = await connection.fetchval(
                QUERIES["last_event_at"], self._account
            )
        return found


def _missing(rows: Iterable[asyncpg.Record]) -> dict[str, Missing]:
    return {
        str(r["item_id"]): Missing(
            str(r["item_id"]), int(r["created"]), r["since"], str(r["reason"]), str(r["kind"])
        )
        for r in rows
    }
