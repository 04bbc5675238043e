"""The poller's process: mirror, gap audit and thin events in turn, for each polled account.

An account has one key and one capped rate; what fails of one account does not stop another.
Beside them the index of what came is kept, whether or not there is an account to ask for.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Final

from services.ingest.catch_up import DAY_SECONDS, Speaker
from services.ingest.config import IngestSettings
from services.ingest.polled import PolledAccount, speaker_for
from services.ingest.shell.auditing import Auditing
from services.ingest.shell.connected import ConnectedAccounts, ConnectedMirrors
from services.ingest.shell.event_index import READ_MIGRATIONS, READ_SCHEMA, EventIndex
from services.ingest.shell.long_invoices import LongInvoices
from services.ingest.shell.look_ups import LookUpIndex, LookUps
from services.ingest.shell.poll_store import MIGRATIONS, SCHEMA, PollStore
from services.ingest.shell.polled_accounts import polled_accounts
from services.ingest.shell.rounds import Forgetting, rounds
from services.ingest.shell.stripe_api import API_VERSION, StripeApi
from services.ingest.shell.stripe_poll import Mirror, listings
from services.ingest.shell.teller import Teller
from services.ingest.shell.thin_events import ThinResolver
from services.ingest.shell.thin_store import ThinStore
from services.ingest.shell.transaction_index import TransactionIndex
from shared.contracts.books import BookMap
from shared.contracts.topics import INGEST_AUDITS, LOOK_UPS, STRIPE_EVENTS, STRIPE_OBJECTS
from shared.runtime import log
from shared.runtime.kafka import Publisher, check_topics, end_offsets, patiently
from shared.runtime.lifecycle import together, unless_stopped
from shared.runtime.metrics import Health, health_app, serve
from shared.runtime.migrations import migrate
from shared.runtime.postgres import Database
from shared.runtime.settings import SettingsInvalid

# Kafka and Postgres may start after us; a supervisor starts us anew when they do not.
START_SECONDS_MAX: Final = 60.0
ALIVE_WITHIN_SECONDS: Final = 180.0
# The index asks nobody outside, so it need not wait for the next poll.
INDEX_SECONDS_MAX: Final = 5.0
INDEX: Final = "index"
_TOPICS: Final = (STRIPE_EVENTS, STRIPE_OBJECTS, INGEST_AUDITS, LOOK_UPS)

_log = log.get(__name__)


async def run_poller(stop: asyncio.Event) -> None:
    """Keep the index of what came and, where there is a key, poll Stripe, until told to stop."""
    settings = IngestSettings.load()
    log.configure(settings, service="poller")
    books = settings.books()
    accounts = polled_accounts(settings, books)
    health = Health()
    dsn = settings.postgres_dsn.get_secret_value()
    if not dsn:
        raise SettingsInvalid("TALLYSTICK_POSTGRES_DSN: say where the database is")
    await unless_stopped(stop, _found_all(settings))
    async with AsyncExitStack() as held:
        database = await Database.open(dsn, search_path=SCHEMA, application="tallystick-poller")
        held.push_async_callback(database.close)
        publisher = Publisher(settings.kafka, client_id="ingest-poller")
        held.push_async_callback(publisher.stop)
        beat = partial(_beat_all, health, settings, accounts)
        shared = _Shared(
            settings,
            books,
            accounts,
            database,
            publisher,
            EventIndex(database, settings.kafka, beat=beat),
            TransactionIndex(database, settings.kafka, beat=beat),
            health,
        )
        tasks = [await _polling(shared, each, held) for each in accounts]
        if not accounts:
            _say_that_nobody_is_asked(health)

        async def telling(stop: asyncio.Event) -> None:
            await serve(
                health_app(health),
                host=settings.ingest_poller_host,
                port=settings.ingest_poller_port,
                stop=stop,
            )

        await together(stop, _indexing(shared), *tasks, telling)


async def _found_all(settings: IngestSettings) -> None:
    """Wait for the database and bring it up to date; then for the topics."""
    dsn = settings.postgres_dsn.get_secret_value()
    await migrate(dsn, schema=SCHEMA, folder=MIGRATIONS, wait_seconds=START_SECONDS_MAX)
    await migrate(dsn, schema=READ_SCHEMA, folder=READ_MIGRATIONS)
    await patiently(
        lambda: check_topics(settings.kafka, _TOPICS),
        what="Kafka",
        give_up_after_seconds=START_SECONDS_MAX,
    )


@dataclass(frozen=True, slots=True)
class _Shared:
    """What all polled accounts have in common."""

    settings: IngestSettings
    books: BookMap
    accounts: tuple[PolledAccount, ...]
    database: Database
    publisher: Publisher
    index: EventIndex
    transactions: TransactionIndex
    health: Health


def _say_that_nobody_is_asked(health: Health) -> None:
    said = (
        "no API key: Stripe is asked nothing, so what it never delivers is not missed; set"
        " TALLYSTICK_INGEST_STRIPE_API_KEY or TALLYSTICK_INGEST_ACCOUNTS_FILE"
    )
    health.warn("stripe", said)
    _log.warning("poller.asks_nobody", reason=said)


def _beat(health: Health, settings: IngestSettings, polled: PolledAccount) -> None:
    within = ALIVE_WITHIN_SECONDS + settings.ingest_poll_interval_seconds
    health.beat(f"poll {polled.name}", next_within_seconds=within)


def _beat_all(
    health: Health, settings: IngestSettings, accounts: tuple[PolledAccount, ...]
) -> None:
    """Say that the index moves: whoever waits for it has not come to a stop."""
    health.beat(INDEX, next_within_seconds=ALIVE_WITHIN_SECONDS)
    for polled in accounts:
        _beat(health, settings, polled)


def _indexing(shared: _Shared) -> Callable[[asyncio.Event], Awaitable[None]]:
    """The rounds that read on what came, so that it is found without reading the topic."""
    beat = partial(shared.health.beat, INDEX, next_within_seconds=ALIVE_WITHIN_SECONDS)
    look_ups = LookUpIndex(shared.database, shared.settings.kafka, beat=beat)

    async def indexing(stop: asyncio.Event) -> None:
        await rounds(
            [shared.index.catch_up, look_ups.note],
            health=shared.health,
            name=INDEX,
            interval_seconds=min(INDEX_SECONDS_MAX, shared.settings.ingest_poll_interval_seconds),
            beat=beat,
            stop=stop,
        )

    return indexing


async def _polling(
    shared: _Shared, polled: PolledAccount, held: AsyncExitStack
) -> Callable[[asyncio.Event], Awaitable[None]]:
    """What one account's rounds do, by one key and at one rate."""
    settings = shared.settings
    api = StripeApi(
        polled.key.get_secret_value(),
        base=settings.ingest_stripe_api_base,
        requests_per_second=settings.ingest_requests_per_second,
    )
    held.push_async_callback(api.close)
    parts = _Parts(shared, polled, api, partial(_beat, shared.health, settings, polled))
    connected = ConnectedAccounts(api=api, connected=polled.connected, beat=parts.beat)

    auditing, long = parts.auditing(), parts.long_invoices()
    mirrors = (
        [parts.mirror_of("").poll, ConnectedMirrors(connected, parts.mirror_of).poll]
        if settings.ingest_mirror
        else []
    )

    async def asking(stop: asyncio.Event) -> None:
        await rounds(
            [
                *mirrors,
                auditing.auditor().look,
                connected.look,
                parts.resolver().resolve,
                long.fetch,
                parts.look_ups(lambda: connected.known).look,
                auditing.watch(lambda: connected.known, long.expectations).look,
                Forgetting(parts.store_of("")).forget,
            ],
            health=shared.health,
            name="stripe" if len(shared.accounts) == 1 else f"stripe {polled.name}",
            interval_seconds=settings.ingest_poll_interval_seconds,
            beat=parts.beat,
            stop=stop,
        )

    return asking


@dataclass(frozen=True, slots=True)
class _Parts:
    """The parts of one polled account; an empty account means its own."""

    shared: _Shared
    polled: PolledAccount
    api: StripeApi
    beat: Callable[[], None]

    def store_of(self, account: str) -> PollStore:
        """What is remembered of an account."""
        name = account or self.polled.whose.account
        return PollStore(self.shared.database, account=name, mode=self.polled.mode)

    def api_of(self, account: str) -> StripeApi:
        """The API, asked for an account."""
        is_own = account in ("", self.polled.whose.account)
        return self.api if is_own else self.api.behalf(account=account)

    def speaker_of(self, account: str) -> Speaker:
        """Whose objects an account shows, and in which book they are."""
        return speaker_for(account, self.polled, self.shared.books, version=API_VERSION)

    def teller_of(self, account: str) -> Teller:
        """Who tells what an account shows."""
        return Teller(
            api=self.api_of(account),
            store=self.store_of(account),
            publisher=self.shared.publisher,
            speaker=self.speaker_of(account),
            watch_pause=timedelta(seconds=self.shared.settings.ingest_watch_seconds),
        )

    def mirror_of(self, account: str) -> Mirror:
        """The mirror of an account."""
        settings = self.shared.settings
        return Mirror(
            api=self.api_of(account),
            store=self.store_of(account),
            teller=self.teller_of(account),
            lists=listings(
                overlap_seconds=settings.ingest_poll_overlap_seconds,
                payout_overlap_seconds=settings.ingest_payout_overlap_days * DAY_SECONDS,
            ),
            lookback_seconds=settings.ingest_poll_lookback_days * DAY_SECONDS,
            watch_pause=timedelta(seconds=settings.ingest_watch_seconds),
            beat=self.beat,
            ends=partial(end_offsets, settings.kafka, [STRIPE_OBJECTS]),
        )

    def auditing(self) -> Auditing:
        """What the gap audit of the account is made of."""
        shared = self.shared
        return Auditing(
            settings=shared.settings,
            books=shared.books,
            polled=self.polled,
            database=shared.database,
            publisher=shared.publisher,
            api=self.api,
            events=shared.index,
            transactions=shared.transactions,
            beat=self.beat,
        )

    def long_invoices(self) -> LongInvoices:
        """Who tells the account's long invoices whole."""
        return LongInvoices(
            api=self.api_of,
            teller=self.teller_of,
            database=self.shared.database,
            polled=self.polled,
            everyone=self.shared.accounts,
            pause=timedelta(seconds=self.shared.settings.ingest_thin_retry_seconds),
            beat=self.beat,
        )

    def look_ups(self, connected: Callable[[], Sequence[str]]) -> LookUps:
        """Who looks up what is waited for of the account, or of a connected one, for too long."""

        def books_of_connected() -> dict[str, str]:
            return {account: self.speaker_of(account).book for account in connected()}

        return LookUps(
            api=self.api_of,
            teller=self.teller_of,
            database=self.shared.database,
            polled=self.polled,
            everyone=self.shared.accounts,
            connected=books_of_connected,
            pause=timedelta(seconds=self.shared.settings.ingest_thin_retry_seconds),
            beat=self.beat,
        )

    def resolver(self) -> ThinResolver:
        """The resolver of the account's thin events."""
        settings = self.shared.settings
        return ThinResolver(
            api=self.api,
            teller=self.teller_of,
            kafka=settings.kafka,
            index=self.shared.index,
            store=ThinStore(self.shared.database),
            polled=self.polled,
            everyone=self.shared.accounts,
            pause=timedelta(seconds=settings.ingest_thin_retry_seconds),
            give_up_after=timedelta(days=settings.ingest_thin_give_up_days),
            beat=self.beat,
        )
