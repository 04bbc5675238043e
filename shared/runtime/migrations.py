"""Migrations: plain SQL files, applied once each, in order, forward only, checksums recorded.

Files are ``NNNN_what_it_does.sql`` and unqualified: they act in the schema that they are run
for, so that the same files make a second generation of a schema beside the first.
"""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import asyncpg

from shared.contracts.errors import TallystickError, Unavailable
from shared.runtime import log
from shared.runtime.kafka_client import patiently
from shared.runtime.postgres import CONNECT_SECONDS_MAX, Connection, refusal_is_a_setting

_NAME: Final = re.compile(r"(\d{4})_[a-z0-9_]+\.sql")
_SCHEMA: Final = re.compile(r"[a-z][a-z0-9_]{0,50}")
_BOOKKEEPING: Final = """
create table if not exists schema_migrations (
    number integer primary key,
    name text not null,
    checksum text not null,
    applied_at timestamptz not null default now()
)
"""
_APPLIED: Final = "select number, name, checksum from schema_migrations order by number"
_RECORD: Final = "insert into schema_migrations (number, name, checksum) values ($1, $2, $3)"
# One lock for each schema, so that two processes that start together take turns.
_LOCK: Final = "select pg_advisory_xact_lock(hashtextextended('migrations of ' || $1, 0))"
_logger = log.get(__name__)


class MigrationInvalid(TallystickError):
    """The files do not continue what was applied: one was edited, doubled or left out."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One file."""

    number: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        """SHA-256 of its text."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


def read_migrations(folder: Path) -> list[Migration]:
    """The migrations of a folder, in order.

    Raises:
        MigrationInvalid: A file is named otherwise, or the numbers are not 1, 2, 3 ….
    """
    found: list[Migration] = []
    for file in sorted(folder.glob("*.sql")):
        named = _NAME.fullmatch(file.name)
        if named is None:
            raise MigrationInvalid(f"{file.name} is not named NNNN_what_it_does.sql")
        found.append(Migration(int(named[1]), file.stem, file.read_text("utf-8")))
    if [m.number for m in found] != list(range(1, len(found) + 1)):
        raise MigrationInvalid(
            f"the migrations of {folder.name} are not numbered 1 to {len(found)}"
        )
    return found


async def migrate(
    dsn: str,
    *,
    schema: str,
    folder: Path,
    also_search: str = "",
    wait_seconds: float = 0.0,
) -> list[str]:
    """Bring a schema up to date and give the names of what was applied; all or nothing.

    A schema that is ahead of the files is left alone: migrations work under the code before them.

    Raises:
        MigrationInvalid: A file that was applied has been edited.
        Unavailable: The server does not answer in ``wait_seconds``.
        SettingsInvalid: It knows no such user, password or database.
    """
    if not _SCHEMA.fullmatch(schema):
        raise MigrationInvalid(f"{schema!r} is not a name for a schema")
    wanted = read_migrations(folder)

    async def connected() -> Connection:
        try:
            with refusal_is_a_setting():
                return await asyncpg.connect(dsn, timeout=CONNECT_SECONDS_MAX)
        except (OSError, TimeoutError, asyncpg.OperatorInterventionError) as error:
            raise Unavailable(f"Postgres: {type(error).__name__}: {error}") from error

    connection = await patiently(connected, what="Postgres", give_up_after_seconds=wait_seconds)
    try:
        async with connection.transaction():
            await connection.execute(_LOCK, schema)
            # The name was checked above; Postgres takes no parameter in its place.
            await connection.execute(f"create schema if not exists {schema}")
            path = f"{schema}, {also_search}" if also_search else schema
            await connection.execute("select set_config('search_path', $1, true)", path)
            await connection.execute(_BOOKKEEPING)
            return await _apply(connection, schema, wanted)
    finally:
        await connection.close()


async def _apply(connection: Connection, schema: str, wanted: list[Migration]) -> list[str]:
    applied = {row["number"]: row["checksum"] for row in await connection.fetch(_APPLIED)}
    fresh: list[str] = []
    for migration in wanted:
        known = applied.get(migration.number)
        if known == migration.checksum:
            continue
        if known is not None:
            raise MigrationInvalid(f"{migration.name} was edited after it had been applied")
        await connection.execute(migration.sql)
        await connection.execute(_RECORD, migration.number, migration.name, migration.checksum)
        fresh.append(migration.name)
        _logger.info("migration.applied", schema=schema, migration=migration.name)
    return fresh
