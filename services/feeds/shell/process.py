"""What the feeds' process is made of: the rounds over banks, and the folder of statement files."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import timedelta

from services.feeds.config import FeedsSettings
from services.feeds.shell.askers import Means, asker
from services.feeds.shell.bank_poll import ReadingRules
from services.feeds.shell.file_import import FileImport
from services.feeds.shell.file_store import FileStore
from services.feeds.shell.folder import StatementFolder
from services.feeds.shell.look_ups import LookUps
from services.feeds.shell.rounds import ALIVE_WITHIN_SECONDS, BANKS, Rounds
from services.feeds.shell.sources import SourcesInForce
from services.feeds.shell.staleness import Staleness
from services.feeds.shell.store import SCHEMA, FeedStore
from shared.runtime.kafka import Publisher
from shared.runtime.metrics import Health
from shared.runtime.postgres import Database

Part = Callable[[asyncio.Event], Awaitable[None]]


async def parts(settings: FeedsSettings, held: AsyncExitStack, health: Health) -> list[Part]:
    """What runs side by side; what it holds open is given back with ``held``.

    Raises:
        SettingsInvalid: Banks, accounts or books cannot be used.
        Unavailable: Postgres is away.
    """
    books = settings.books()
    sources = SourcesInForce(settings.sources, health)
    dsn = settings.postgres_dsn.get_secret_value()
    database = await Database.open(dsn, search_path=SCHEMA, application="tallystick-feeds")
    held.push_async_callback(database.close)
    publisher = Publisher(settings.kafka, client_id="feeds")
    held.push_async_callback(publisher.stop)
    store, files = FeedStore(database), FileStore(database)
    staleness = Staleness(
        store=store,
        files=files,
        publisher=publisher,
        books=books,
        stale_after=timedelta(seconds=settings.feeds_stale_after_seconds),
    )
    rounds = Rounds(
        sources=sources,
        asker=asker(_means(settings, store, publisher)),
        books=books,
        staleness=staleness,
        look_ups=LookUps(
            database,
            settings.kafka,
            beat=lambda: health.beat(BANKS, next_within_seconds=ALIVE_WITHIN_SECONDS),
            pause_seconds=settings.feeds_look_ups_pause_seconds,
        ),
        health=health,
        interval_seconds=settings.feeds_poll_interval_seconds,
        accounts_seconds=settings.feeds_accounts_seconds,
        look_ups_seconds=settings.feeds_look_ups_seconds,
    )
    if settings.feeds_statements_folder is None:
        return [rounds.run]
    imports = FileImport(
        files=files,
        store=store,
        publisher=publisher,
        kafka=settings.kafka,
        books=books,
        bytes_max=settings.feeds_statement_bytes_max,
    )
    folder = StatementFolder(
        settings.feeds_statements_folder,
        imports=imports,
        sources=lambda: sources.in_force,
        health=health,
        look_seconds=settings.feeds_statements_look_seconds,
    )
    return [rounds.run, folder.watch]


def _means(settings: FeedsSettings, store: FeedStore, publisher: Publisher) -> Means:
    rules = ReadingRules(
        lookback=timedelta(days=settings.feeds_lookback_days),
        reread=timedelta(days=settings.feeds_reread_days),
        balance_tries=settings.feeds_balance_tries,
    )
    return Means(store, publisher, settings.kafka, rules, settings.feeds_timeout_seconds)
