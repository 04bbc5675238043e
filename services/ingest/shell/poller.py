"""The poller's process: mirror and gap audit in turn, at one capped rate, from one database."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from services.ingest.catch_up import DAY_SECONDS, Speaker
from services.ingest.config import IngestSettings
from services.ingest.shell.gap_audit import REMEMBERED, GapAuditor
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
    books = settings.books()
    whose = settings.polled(books)
    mode = settings.api_mode()
    health = Health()
    dsn = settings.postgres_dsn.get_secret_value()
    await migrate(dsn, schema=SCHEMA, folder=MIGRATIONS, wait_seconds=START_SECONDS_MAX)
    await patiently(
        lambda: check_topics(settings.kafka, [STRIPE_EVENTS, STRIPE_OBJECTS]),
        what="Kafka",
        give_up_after_seconds=START_SECONDS_MAX,
    )
    database = await Database.open(dsn, search_path=SCHEMA, application="tallystick-poller")
    store = PollStore(database, account=whose.account, mode=mode)
    publisher = Publisher(settings.kafka, client_id="ingest-poller")
    api = StripeApi(
        settings.ingest_stripe_api_key.get_secret_value(),
        base=settings.ingest_stripe_api_base,
        requests_per_second=settings.ingest_requests_per_second,
    )
    interval_seconds = settings.ingest_poll_interval_seconds
    lookback_days = settings.ingest_poll_lookback_days

    def beat() -> None:
        health.beat("poll", next_within_seconds=ALIVE_WITHIN_SECONDS + interval_seconds)

    mirror = Mirror(
        api=api,
        store=store,
        publisher=publisher,
        speaker=Speaker(whose.account, mode, str(whose.book), API_VERSION),
        lists=listings(
            overlap_seconds=settings.ingest_poll_overlap_seconds,
            payout_overlap_seconds=settings.ingest_payout_overlap_days * DAY_SECONDS,
        ),
        lookback_seconds=lookback_days * DAY_SECONDS,
        beat=beat,
    )
    auditor = GapAuditor(
        api=api,
        store=store,
        publisher=publisher,
        kafka=settings.kafka,
        whose=whose,
        books=books,
        listing=Listing("events", "/v1/events", EVENT_OVERLAP_SECONDS),
        lookback_seconds=lookback_days * DAY_SECONDS,
        grace=timedelta(seconds=settings.ingest_event_grace_seconds),
        beat=beat,
    )

    async def polling(stop: asyncio.Event) -> None:
        await _rounds(
            [mirror.poll, auditor.look],
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

    try:
        await together(stop, polling, telling)
    finally:
        await publisher.stop()
        await api.close()
        await database.close()


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
                await store.forget(events_before=now - REMEMBERED, objects_before=now - TOLD_KEPT)
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
