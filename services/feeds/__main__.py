"""``python -m services.feeds``: what the banks say, to ``bank.observations``."""

import asyncio
import sys
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Final

from services.feeds.config import Bank, FeedsSettings
from services.feeds.shell.bank_api import BankApi
from services.feeds.shell.bank_poll import ReadingRules
from services.feeds.shell.increase import IncreaseApi
from services.feeds.shell.rounds import Rounds
from services.feeds.shell.store import MIGRATIONS, SCHEMA, FeedStore
from shared.contracts.topics import BANK_OBSERVATIONS
from shared.runtime import log
from shared.runtime.kafka import Publisher, check_topics, patiently
from shared.runtime.lifecycle import run_service, together, unless_stopped
from shared.runtime.metrics import Health, health_app, serve
from shared.runtime.migrations import migrate
from shared.runtime.postgres import Database

# Kafka and Postgres may start after us; a supervisor starts us anew when they do not.
START_SECONDS_MAX: Final = 60.0


async def feeds(stop: asyncio.Event) -> None:
    """Read the banks until told to stop."""
    settings = FeedsSettings.load()
    log.configure(settings, service="feeds")
    books = settings.books()
    banks = settings.banks()
    health = Health()
    dsn = settings.postgres_dsn.get_secret_value()
    await unless_stopped(stop, _found_all(settings))
    rules = ReadingRules(
        lookback=timedelta(days=settings.feeds_lookback_days),
        reread=timedelta(days=settings.feeds_reread_days),
        balance_tries=settings.feeds_balance_tries,
    )
    async with AsyncExitStack() as held:
        database = await Database.open(dsn, search_path=SCHEMA, application="tallystick-feeds")
        held.push_async_callback(database.close)
        publisher = Publisher(settings.kafka, client_id="feeds")
        held.push_async_callback(publisher.stop)
        store = FeedStore(database)
        apis: list[tuple[Bank, BankApi]] = []
        for bank in banks:
            api = IncreaseApi(
                base_url=bank.base_url,
                key=bank.key,
                timeout_seconds=settings.feeds_timeout_seconds,
            )
            held.push_async_callback(api.close)
            apis.append((bank, api))

        rounds = Rounds(
            banks=apis,
            books=books,
            store=store,
            publisher=publisher,
            kafka=settings.kafka,
            rules=rules,
            health=health,
            interval_seconds=settings.feeds_poll_interval_seconds,
        )

        async def telling(stop: asyncio.Event) -> None:
            await serve(
                health_app(health), host=settings.feeds_host, port=settings.feeds_port, stop=stop
            )

        await together(stop, rounds.run, telling)


async def _found_all(settings: FeedsSettings) -> None:
    """Wait for the database and bring it up to date; then for the topic."""
    dsn = settings.postgres_dsn.get_secret_value()
    await migrate(dsn, schema=SCHEMA, folder=MIGRATIONS, wait_seconds=START_SECONDS_MAX)
    await patiently(
        lambda: check_topics(settings.kafka, [BANK_OBSERVATIONS]),
        what="Kafka",
        give_up_after_seconds=START_SECONDS_MAX,
    )


if __name__ == "__main__":
    sys.exit(run_service(feeds, name="feeds"))
