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
_SQL: Final = load_queries(Path(__file__).parent / "sql")


@dataclass(frozen=True, slots=True)
class Untold:
    """A message that Kafka has not acknowledged yet."""

    line_id: str
    revision: int
    message: bytes


class FeedStore:
    """The memory of all bank accounts."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def watermark(self, account: str) -> datetime | None:
        """The newest time of a line that was told, by the bank's clock."""
        async with self._database.connection() as connection:
            row = await connection.fetchrow(_SQL["read_watermark"], account)
        return None if row is None else row["watermark"]

    async def known(self, account: str, *, since: datetime, ids: Iterable[str]) -> dict[str, Form]:
        """The last forms of a window's lines, and of lines by id."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(_SQL["known_forms"], account, since, sorted(set(ids)))
        return {row["line_id"]: _form(row) for row in rows}

    async def decide(
        self,
        account: str,
        forms: Sequence[tuple[Form, bytes | None]],
        *,
        watermark: datetime | None,
    ) -> None:
        """Write new forms down with the messages that tell them, before they are told.

        A form without a message has been told already.
        """

        async def work(tx: Tx) -> None:
            await tx.executemany(
                _SQL["remember_form"], [_row(account, form, message) for form, message in forms]
            )
            if watermark is not None:
                await tx.execute(_SQL["move_watermark"], account, watermark)

        await self._database.run(work)

    async def untold(self, account: str, limit: int) -> list[Untold]:
        """What was decided and is not acknowledged, in the order in which it is to be told."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(_SQL["unpublished_forms"], account, limit)
        return [Untold(row["line_id"], row["revision"], bytes(row["unpublished"])) for row in rows]

    async def told(self, account: str, messages: Sequence[Untold]) -> None:
        """These are acknowledged."""
        async with self._database.connection() as connection:
            await connection.execute(
                _SQL["published_forms"],
                account,
                [m.line_id for m in messages],
                [m.revision for m in messages],
            )


def _form(row: asyncpg.Record) -> Form:
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


def _row(account: str, form: Form, message: bytes | None) -> tuple[object, ...]:
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
