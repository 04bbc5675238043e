"""``python -m services.feeds``: what the banks say, to ``bank.observations``."""

import asyncio
import sys
from contextlib import AsyncExitStack
from typing import Final

from services.feeds.config import FeedsSettings
from services.feeds.shell.process import parts
from services.feeds.shell.store import MIGRATIONS, READ_MIGRATIONS, READ_SCHEMA, SCHEMA
from shared.contracts.topics import BANK_OBSERVATIONS, FEEDS_AUDITS, LOOK_UPS
from shared.runtime import log
from shared.runtime.kafka import check_topics, patiently
from shared.runtime.lifecycle import run_service, together, unless_stopped
from shared.runtime.metrics import Health, health_app, serve
from shared.runtime.migrations import migrate

# Kafka and Postgres may start after us; a supervisor starts us anew when they do not.
START_SECONDS_MAX: Final = 60.0


async def feeds(stop: asyncio.Event) -> None:
    """Read the banks and the folder until told to stop."""
    settings = FeedsSettings.load()
    log.configure(settings, service="feeds")
    health = Health()

    async def telling(stop: asyncio.Event) -> None:
        await serve(
            health_app(health), host=settings.feeds_host, port=settings.feeds_port, stop=stop
        )

    # What cannot be used is said before anything is waited for.
    settings.books()
    settings.sources()
    await unless_stopped(stop, _found_all(settings))
    async with AsyncExitStack() as held:
        await together(stop, telling, *await parts(settings, held, health))


async def _found_all(settings: FeedsSettings) -> None:
    """Wait for the database and bring it up to date; then for the topics."""
    dsn = settings.postgres_dsn.get_secret_value()
    await migrate(dsn, schema=SCHEMA, folder=MIGRATIONS, wait_seconds=START_SECONDS_MAX)
    await migrate(dsn, schema=READ_SCHEMA, folder=READ_MIGRATIONS)
    await patiently(
        lambda: check_topics(settings.kafka, [BANK_OBSERVATIONS, FEEDS_AUDITS, LOOK_UPS]),
        what="Kafka",
        give_up_after_seconds=START_SECONDS_MAX,
    )


if __name__ == "__main__":
    sys.exit(run_service(feeds, name="feeds"))
