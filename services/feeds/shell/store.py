"""What the bank feed remembers in the schema ``feeds``: watermarks, last forms, untold messages."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import asyncpg

from services.feeds.revisions import Form, ToldLine
from shared.contracts.money import Money
from shared.contracts.observations import LineState
from shared.runtime.postgres import Database, Tx, load_queries

SCHEMA: Final = "feeds"
MIGRATIONS: Final = Path(__file__).parent / "migrations"
READ_SCHEMA: Final = "feeds_read"
READ_MIGRATIONS: Final = Path(__file__).parent / "read_migrations"
SQL: Final = load_queries(Path(__file__).parent / "sql")


@dataclass(frozen=True, slots=True)
class Untold:
    """A message that Kafka has not acknowledged yet."""

    line_id: str
    revision: int
    message: bytes


@dataclass(frozen=True, slots=True)
class UntoldBalance:
    """A closing balance whose message Kafka has not acknowledged yet."""

    reading: str
    message: bytes


@dataclass(frozen=True, slots=True)
class LastRead:
    """When an account was first asked for, and when it was last read whole."""

    first_asked_at: datetime
    read_at: datetime | None


class FeedStore:
    """The memory of all bank accounts."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def watermark(self, account: str) -> datetime | None:
        """The newest time of a line that was told, by the bank's clock."""
        async with self._database.connection() as connection:
            row = await connection.fetchrow(SQL["read_watermark"], account)
        return None if row is None else row["watermark"]

    async def known(self, account: str, *, since: datetime, ids: Iterable[str]) -> dict[str, Form]:
        """The last forms of a window's lines, and of lines by id."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(SQL["known_forms"], account, since, sorted(set(ids)))
        return {row["line_id"]: form_of(row) for row in rows}

    async def decide(
        self,
        account: str,
        forms: Sequence[tuple[Form, bytes | None]],
        *,
        watermark: datetime | None,
        place: str | None = None,
    ) -> None:
        """Write new forms down with the messages that tell them, before they are told.

        A form without a message has been told already. ``place`` is the cursor behind them, of a
        feed by changes.
        """

        async def work(tx: Tx) -> None:
            await tx.executemany(
                SQL["remember_form"], [row_of(account, form, message) for form, message in forms]
            )
            if watermark is not None:
                await tx.execute(SQL["move_watermark"], account, watermark)
            if place is not None:
                await tx.execute(SQL["keep_place"], account, place)

        await self._database.run(work)

    async def untold(self, account: str, limit: int) -> list[Untold]:
        """What was decided and is not acknowledged, in the order in which it is to be told."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(SQL["unpublished_forms"], account, limit)
        return [Untold(row["line_id"], row["revision"], bytes(row["unpublished"])) for row in rows]

    async def told(self, account: str, messages: Sequence[Untold]) -> None:
        """These are acknowledged."""
        async with self._database.connection() as connection:
            await connection.execute(
                SQL["published_forms"],
                account,
                [m.line_id for m in messages],
                [m.revision for m in messages],
            )

    async def place(self, account: str) -> str:
        """The cursor of a feed by changes; empty before its first reading."""
        async with self._database.connection() as connection:
            row = await connection.fetchrow(SQL["place_of"], account)
        return "" if row is None else str(row["cursor"])

    async def untold_balances(self, account: str, limit: int) -> list[UntoldBalance]:
        """Closing balances that are not acknowledged, in the order of their reading."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(SQL["unpublished_balances"], account, limit)
        return [UntoldBalance(row["reading"], bytes(row["unpublished"])) for row in rows]

    async def told_balances(self, account: str, readings: Sequence[str]) -> None:
        """These are acknowledged."""
        async with self._database.connection() as connection:
            await connection.execute(SQL["published_balances"], account, list(readings))

    async def accounts_with_untold(self) -> tuple[str, ...]:
        """The accounts of which something is decided and not acknowledged."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(SQL["accounts_with_untold"])
        return tuple(row["account"] for row in rows)

    async def note_asked(self, account: str, at: datetime) -> None:
        """Remember since when an account is asked for."""
        async with self._database.connection() as connection:
            await connection.execute(SQL["note_asked"], account, at)

    async def note_read(self, account: str, at: datetime) -> None:
        """Remember that an account was read whole."""
        async with self._database.connection() as connection:
            await connection.execute(SQL["note_read"], account, at)

    async def accounts_asked(self) -> tuple[str, ...]:
        """Every account that was ever asked for."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(SQL["accounts_asked"])
        return tuple(row["account"] for row in rows)

    async def last_reads(self, accounts: Iterable[str]) -> dict[str, LastRead]:
        """When accounts were last read; one that was never asked for is left out."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(SQL["readings_of"], sorted(set(accounts)))
        return {row["account"]: LastRead(row["first_asked_at"], row["read_at"]) for row in rows}


def form_of(row: asyncpg.Record) -> Form:
    """The form that a row holds."""
    line = ToldLine(
        id=row["line_id"],
        state=LineState(row["state"]),
        amount=Money.of(row["amount_minor"], row["currency"]),
        created_at=row["created_at"],
        booked_on=row["booked_on"],
        value_on=row["value_on"],
        description=row["description"],
        reference=row["reference"],
        counterparty=row["counterparty"],
        source_sha256=row["source_sha256"],
    )
    return Form(line, row["revision"])


def row_of(account: str, form: Form, message: bytes | None) -> tuple[object, ...]:
    """The row that holds a form."""
    line = form.line
    return (
        account,
        line.id,
        form.revision,
        line.state.value,
        line.amount.minor,
        line.amount.currency.code,
        line.created_at,
        line.booked_on,
        line.value_on,
        line.description,
        line.reference,
        line.counterparty,
        line.source_sha256,
        message,
    )
