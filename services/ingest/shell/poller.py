"""The poller's process: mirror and gap audit in turn, at one capped rate, from one database."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from services.ingest.catch_up import DAY_SECONDS, Speaker
from services.ingest.config import IngestSettings
from services.ingest.endpoints import Whose
from services.ingest.shell.event_index import READ_MIGRATIONS, READ_SCHEMA, EventIndex
from services.ingest.shell.gap_audit import GapAuditor
from services.ingest.shell.poll_store import MIGRATIONS, SCHEMA, PollStore
from services.ingest.shell.stripe_api import API_VERSION, ApiRefused, StripeApi
from services.ingest.shell.stripe_poll import Listing, Mirror, listings
from shared.contracts.errors import Unavailable
from shared.contracts.topics import STRIPE_EVENTS, STRIPE_OBJECTS
from shared.runtime import log
from shared.runtime.kafka import Publisher, check_topics, patiently
from shared.runtime.lifecycle import pause, together
from shared.runtime.metrics import Health, health_app, serve
from shared.runtime.migrations import migrate
from shared.runtime.positions import Fenced
from shared.runtime.postgres import Database

# Kafka and Postgres may start after us; a supervisor starts us anew when they do not.
START_SECONDS_MAX: Final = 60.0
BACK_OFF_SECONDS_MAX: Final = 60.0
ALIVE_WITHIN_SECONDS: Final = 180.0
TOLD_KEPT: Final = timedelta(days=90)
FORGET_EVERY: Final = timedelta(hours=1)
EVENT_OVERLAP_SECONDS: Final = 600

_log = log.get(__name__)


async def run_poller(stop: asyncio.Event) -> None:
    """Poll Stripe's API until told to stop."""
    settings = IngestSettings.load()
    log.configure(settings, service="poller")
    whose = settings.polled(settings.books())
    health = Health()
    interval_seconds = settings.ingest_poll_interval_seconds
    dsn = settings.postgres_dsn.get_secret_value()
    await migrate(dsn, schema=SCHEMA, folder=MIGRATIONS, wait_seconds=START_SECONDS_MAX)
    await migrate(dsn, schema=READ_SCHEMA, folder=READ_MIGRATIONS)
    await patiently(
        lambda: check_topics(settings.kafka, [STRIPE_EVENTS, STRIPE_OBJECTS]),
        what="Kafka",
        give_up_after_seconds=START_SECONDS_MAX,
    )

    def beat() -> None:
        health.beat("poll", next_within_seconds=ALIVE_WITHIN_SECONDS + interval_seconds)

    async with AsyncExitStack() as held:
        database = await Database.open(dsn, search_path=SCHEMA, application="tallystick-poller")
        held.push_async_callback(database.close)
        api = StripeApi(
            settings.ingest_stripe_api_key.get_secret_value(),
            base=settings.ingest_stripe_api_base,
            requests_per_second=settings.ingest_requests_per_second,
        )
        held.push_async_callback(api.close)
        publisher = Publisher(settings.kafka, client_id="ingest-poller")
        held.push_async_callback(publisher.stop)
        store = PollStore(database, account=whose.account, mode=settings.api_mode())
        index = EventIndex(database, settings.kafka, beat=beat)
        parts = _Parts(settings, whose, api, store, index, publisher, beat)

        async def polling(stop: asyncio.Event) -> None:
            await _rounds(
                [_mirror(parts).poll, _auditor(parts).look],
                store=store,
                health=health,
                interval_seconds=interval_seconds,
                beat=beat,
                stop=stop,
            )

        async def telling(stop: asyncio.Event) -> None:
            await serve(
                health_app(health),
                host=settings.ingest_poller_host,
                port=settings.ingest_poller_port,
                stop=stop,
            )

        await together(stop, polling, telling)


@dataclass(frozen=True, slots=True)
class _Parts:
    """What mirror and gap audit share."""

    settings: IngestSettings
    whose: Whose
    api: StripeApi
    store: PollStore
    index: EventIndex
    publisher: Publisher
    beat: Callable[[], None]


def _mirror(parts: _Parts) -> Mirror:
    settings, whose = parts.settings, parts.whose
    return Mirror(
        api=parts.api,
        store=parts.store,
        publisher=parts.publisher,
        speaker=Speaker(whose.account, settings.api_mode(), str(whose.book), API_VERSION),
        lists=listings(
            overlap_seconds=settings.ingest_poll_overlap_seconds,
            payout_overlap_seconds=settings.ingest_payout_overlap_days * DAY_SECONDS,
        ),
        lookback_seconds=settings.ingest_poll_lookback_days * DAY_SECONDS,
        beat=parts.beat,
    )


def _auditor(parts: _Parts) -> GapAuditor:
    settings = parts.settings
    return GapAuditor(
        api=parts.api,
        store=parts.store,
        publisher=parts.publisher,
        index=parts.index,
        whose=parts.whose,
        books=settings.books(),
        listing=Listing("events", "/v1/events", EVENT_OVERLAP_SECONDS),
        lookback_seconds=settings.ingest_poll_lookback_days * DAY_SECONDS,
        grace=timedelta(seconds=settings.ingest_event_grace_seconds),
        beat=parts.beat,
    )


async def _rounds(
    parts: list[Callable[[], Awaitable[None]]],
    *,
    store: PollStore,
    health: Health,
    interval_seconds: float,
    beat: Callable[[], None],
    stop: asyncio.Event,
) -> None:
    """Round after round; what is unavailable is waited for with growing pauses."""
    health.not_ready("stripe", "not asked yet")
    failures, forgotten_at = 0, datetime.min.replace(tzinfo=UTC)
    while not stop.is_set():
        beat()
        try:
            for part in parts:
                await part()
            if (now := datetime.now(UTC)) - forgotten_at >= FORGET_EVERY:
                await store.forget(objects_before=now - TOLD_KEPT)
                forgotten_at = now
        except (Unavailable, Fenced, ApiRefused) as error:
            failures += 1
            health.not_ready("stripe", str(error))
            level = _log.error if isinstance(error, ApiRefused) else _log.warning
            level("poll.waited", failures=failures, reason=str(error))
            await pause(stop, min(BACK_OFF_SECONDS_MAX, interval_seconds * 2 ** min(failures, 10)))
        else:
            failures = 0
            health.ready("stripe")
            await pause(stop, interval_seconds)
