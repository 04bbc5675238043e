"""The journal of this installation, opened to be read."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from services.ledger.shell.store import SCHEMA, open_journal
from shared.runtime.postgres import Database
from tallystick.cli.problems import Problem
from tallystick.processes import POSTGRES_VARIABLE


@asynccontextmanager
async def journal_at(dsn: str) -> AsyncGenerator[Database]:
    """The journal at an address.

    Raises:
        Problem: No ledger has run there.
        Unavailable: Postgres is away.
    """
    await require_journal(dsn)
    journal = await open_journal(dsn, connections_max=2)
    try:
        yield journal
    finally:
        await journal.close()


async def require_journal(dsn: str) -> None:
    """Refuse a database on which no ledger has run.

    Asked with our own role, since the ledger's is made together with its schema.

    Raises:
        Problem: No ledger has run there.
        Unavailable: Postgres is away.
    """
    database = await Database.open(dsn, search_path=SCHEMA, connections_max=1)
    try:
        async with database.connection() as connection:
            has_journal = await connection.fetchval("select to_regclass($1)", f"{SCHEMA}.entries")
    finally:
        await database.close()
    if has_journal is None:
        raise Problem(
            "There are no books here yet",
            why=f"the database {dsn.rpartition('@')[2]} has no schema `{SCHEMA}`:"
            " no ledger has run on it",
            fix=f"start the ledger (`tallystick run`), or correct {POSTGRES_VARIABLE}",
        )
