"""The poller's two halves before a world of their own, driven by hand."""

import json
import secrets
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sandbox.world.scenario import ACCOUNT
from sandbox.world.shell.runner import Runner
from services.ingest.catch_up import DAY_SECONDS, Speaker
from services.ingest.endpoints import Whose
from services.ingest.shell.event_index import EventIndex
from services.ingest.shell.gap_audit import GapAuditor
from services.ingest.shell.gap_lists import EventList
from services.ingest.shell.gap_store import GapStore
from services.ingest.shell.poll_store import MIGRATIONS, SCHEMA, PollStore
from services.ingest.shell.stripe_api import API_VERSION, StripeApi
from services.ingest.shell.stripe_poll import Mirror, listings
from services.ingest.shell.teller import Teller
from shared.contracts.books import BookData, BookMap, Mode
from shared.contracts.journal import Book
from shared.contracts.topics import STRIPE_EVENTS, STRIPE_OBJECTS
from shared.runtime.kafka import KafkaAddress, Partition, Publisher, Record, end_offsets
from shared.runtime.migrations import migrate
from shared.runtime.postgres import Database
from tests.support.ingest import records_since
from tests.support.world import KEY, Served, runner_of, served

WATCH_PAUSE = timedelta(milliseconds=1)
BOOKS = BookMap(books=(BookData(mode=Mode.TEST, stripe_accounts=(ACCOUNT,)),))
WHOSE = Whose("poller", Mode.TEST, ACCOUNT, Book("main"))


def world_of_its_own() -> Runner:
    """An empty world whose ids no other test has: the topics are shared."""
    return runner_of("bare", seed=secrets.randbelow(2**31))


@dataclass
class Polling:
    """The poller's two halves, driven by hand."""

    world: Served
    kafka: str
    store: PollStore
    publisher: Publisher
    mirror_with: Callable[[Callable[[], None]], Mirror]
    auditor: Callable[[float], GapAuditor]
    since: dict[Partition, int]
    api: StripeApi
    database: Database

    @property
    def mirror(self) -> Mirror:
        """The mirror as it is."""
        return self.mirror_with(lambda: None)

    def do(self, command: str, **given: object) -> dict[str, Any]:  # Any: JSON
        """A command to the world, and a minute after it."""
        made = self.world.runner.command({"do": command, **given})
        self.world.runner.advance(60)
        return made

    async def records(self, topic: str) -> list[Record]:
        """What came to a topic since the test began."""
        own = {p: at for p, at in self.since.items() if p.topic == topic}
        return await records_since(self.kafka, topic, own)

    async def objects(self) -> dict[str, list[dict[str, Any]]]:  # Any: JSON
        """The objects that were told, by id, each telling in order."""
        found: dict[str, list[dict[str, Any]]] = {}  # Any: as above
        for record in await self.records(STRIPE_OBJECTS):
            envelope = record.envelope()
            assert record.key == f"{ACCOUNT}|{envelope.subject}".encode()
            assert envelope.extension("account") == ACCOUNT
            assert envelope.extension("book") == "main"
            assert envelope.extension("livemode") == "false"
            assert envelope.extension("stripeversion") == API_VERSION
            found.setdefault(envelope.subject, []).append(json.loads(record.value))
        return found

    async def events(self) -> dict[str, list[Record]]:
        """The events on the topic, by id."""
        found: dict[str, list[Record]] = {}
        for record in await self.records(STRIPE_EVENTS):
            found.setdefault(record.envelope().id, []).append(record)
        return found


@asynccontextmanager
async def polling_of(kafka: str, dsn: str) -> AsyncGenerator[Polling, None]:
    await migrate(dsn, schema=SCHEMA, folder=MIGRATIONS)
    database = await Database.open(dsn, search_path=SCHEMA)
    publisher = Publisher(kafka)
    store = PollStore(database, account=ACCOUNT, mode=Mode.TEST)
    since = await end_offsets(kafka, [STRIPE_EVENTS, STRIPE_OBJECTS])
    async with served(world_of_its_own()) as world:
        api = StripeApi(KEY, base=world.stripe_url, requests_per_second=100, patience_seconds=10)

        def auditor(grace_seconds: float) -> GapAuditor:
            gaps = GapStore(database, account=ACCOUNT, mode=Mode.TEST)
            events = EventList(
                api=api,
                publisher=publisher,
                index=EventIndex(database, KafkaAddress(kafka), beat=lambda: None),
                store=gaps,
                whose=WHOSE,
                books=BOOKS,
            )
            return GapAuditor(
                store=store,
                gaps=gaps,
                lists=[events],
                lookback_seconds=400 * DAY_SECONDS,
                grace=timedelta(seconds=grace_seconds),
                beat=lambda: None,
            )

        def mirror(beat: Callable[[], None]) -> Mirror:
            return Mirror(
                api=api,
                store=store,
                teller=Teller(
                    api=api,
                    store=store,
                    publisher=publisher,
                    speaker=Speaker(ACCOUNT, Mode.TEST, "main", API_VERSION),
                    watch_pause=WATCH_PAUSE,
                ),
                watch_pause=WATCH_PAUSE,
                lists=listings(overlap_seconds=3600, payout_overlap_seconds=14 * DAY_SECONDS),
                lookback_seconds=400 * DAY_SECONDS,
                beat=beat,
                ends=lambda: end_offsets(kafka, [STRIPE_OBJECTS]),
            )

        try:
            yield Polling(world, kafka, store, publisher, mirror, auditor, since, api, database)
        finally:
            await api.close()
            await publisher.stop()
            await database.close()
