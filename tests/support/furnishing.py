"""A database with the tables of every service, as their starts leave it."""

from typing import Final

from sandbox.stack import probe
from services.feeds.shell import store as feeds
from services.ingest.shell import event_index, poll_store
from services.ledger.shell.store import bring_up_to_date
from services.reconciler.shell.process import migrate_all
from shared.runtime.migrations import migrate

SECONDS_MAX: Final = 60.0


def furnish(dsn: str) -> None:
    """Bring up to date what every service keeps in the database of an address."""
    probe.ask(lambda: _furnish(dsn), timeout_seconds=SECONDS_MAX)


async def _furnish(dsn: str) -> None:
    await bring_up_to_date(dsn)
    await migrate(dsn, schema=poll_store.SCHEMA, folder=poll_store.MIGRATIONS)
    await migrate(dsn, schema=event_index.READ_SCHEMA, folder=event_index.READ_MIGRATIONS)
    await migrate(dsn, schema=feeds.SCHEMA, folder=feeds.MIGRATIONS)
    await migrate_all(dsn)
