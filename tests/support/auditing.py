"""The gap audit before a world of its own, with topics and an index of its own."""

import secrets
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from sandbox.world.scenario import ACCOUNT
from services.ingest.config import IngestSettings
from services.ingest.shell.auditing import Auditing
from services.ingest.shell.event_index import EventIndex
from services.ingest.shell.gap_lists import AuditedList
from services.ingest.shell.gap_store import GapStore
from services.ingest.shell.gap_walk import GapWalk
from services.ingest.shell.gap_watch import GapWatch
from services.ingest.shell.poll_store import MIGRATIONS, SCHEMA
from services.ingest.shell.polled_accounts import polled_accounts
from services.ingest.shell.stripe_api import StripeApi
from services.ingest.shell.transaction_index import TransactionIndex
from shared.contracts.audits import AuditReport
from shared.contracts.books import Mode
from shared.contracts.topics import INGEST_AUDITS, STRIPE_EVENTS, STRIPE_OBJECTS
from shared.runtime.kafka import KafkaAddress, Publisher
from shared.runtime.migrations import migrate
from shared.runtime.postgres import Database
from tests.support.ingest import records_since
from tests.support.world import KEY, Served, runner_of, served

DOOR = "https://pay.example.com"
WEBHOOK_URL = f"{DOOR}/webhooks/stripe/main"
FROM_THE_BEGINNING = 0
AFTER_EVERYTHING = 2**40


@dataclass
class AuditRig:
    """A world, its API, empty topics, and the parts of the audit over them."""

    world: Served
    kafka: str
    dsn: str
    database: Database
    publisher: Publisher
    api: StripeApi
    settings: dict[str, str]

    def auditing(self, **settings: str) -> Auditing:
        """The parts, as a process that has just started has them."""
        given = self.settings | {f"TALLYSTICK_INGEST_{n.upper()}": v for n, v in settings.items()}
        loaded = IngestSettings.load(given)
        books = loaded.books()
        (polled,) = polled_accounts(loaded, books)
        where = KafkaAddress(self.kafka)
        return Auditing(
            settings=loaded,
            books=books,
            polled=polled,
            database=self.database,
            publisher=self.publisher,
            api=self.api,
            events=EventIndex(self.database, where, beat=_beat),
            transactions=TransactionIndex(self.database, where, beat=_beat),
            beat=_beat,
        )

    def watch(self, **settings: str) -> GapWatch:
        """The watch of a process that has just started."""
        return self.auditing(**settings).watch(lambda: ())

    def lists(self, types: tuple[str, ...] = ()) -> dict[str, AuditedList]:
        """Both lists of the account."""
        return {each.list.resource: each.list for each in self.auditing().lists(("",), types)}

    def walk(self, audited: AuditedList, *, is_fetching: bool = True) -> GapWalk:
        """A walk of a process that has just started."""
        return GapWalk(audited, self.store, is_fetching=is_fetching, beat=_beat)

    @property
    def store(self) -> GapStore:
        """What is remembered of the account."""
        return GapStore(self.database, account=ACCOUNT, mode=Mode.TEST)

    async def ids(self, topic: str) -> list[str]:
        """The ids of what stands on a topic: of an object its own, without its content's."""
        records = [record.envelope() for record in await records_since(self.kafka, topic, {})]
        if topic == STRIPE_OBJECTS:
            return [e.subject for e in records if e.subject.startswith("txn_")]
        return [e.id for e in records]

    async def events(self) -> list[str]:
        """The ids of the events on the topic."""
        return await self.ids(STRIPE_EVENTS)

    async def reports(self) -> list[AuditReport]:
        """What was told of the way in, in order."""
        records = await records_since(self.kafka, INGEST_AUDITS, {})
        told = [AuditReport.model_validate_json(record.value) for record in records]
        return sorted(told, key=lambda report: report.told_at)

    async def said(self) -> list[str]:
        """The same in words: ``+`` opened or changed, ``-`` mended."""
        told = await self.reports()
        return [f"{'+' if r.stands else '-'}{r.discrepancy} {r.subject}" for r in told]


@asynccontextmanager
async def audit_rig(kafka: str, dsn: str, folder: Path) -> AsyncGenerator[AuditRig]:
    """A rig; its topics are to be empty."""
    await migrate(dsn, schema=SCHEMA, folder=MIGRATIONS)
    books = folder / "books.toml"
    books.write_text(
        f'[[books]]\nname = "main"\nmode = "test"\nstripe_accounts = ["{ACCOUNT}"]\n', "utf-8"
    )
    database = await Database.open(dsn, search_path=SCHEMA)
    publisher = Publisher(kafka)
    # It knows an endpoint, and sends nothing: the loop that would is not run.
    runner = runner_of("bare", seed=secrets.randbelow(2**31), url="http://127.0.0.1:9/")
    async with served(runner, webhook_url=WEBHOOK_URL) as world:
        api = StripeApi(KEY, base=world.stripe_url, requests_per_second=100, patience_seconds=10)
        settings = {
            "TALLYSTICK_KAFKA_BOOTSTRAP": kafka,
            "TALLYSTICK_POSTGRES_DSN": dsn,
            "TALLYSTICK_BOOKS_FILE": str(books),
            "TALLYSTICK_INGEST_MODE": "test",
            "TALLYSTICK_INGEST_STRIPE_ACCOUNT": ACCOUNT,
            "TALLYSTICK_INGEST_STRIPE_API_KEY": KEY,
            "TALLYSTICK_INGEST_STRIPE_API_BASE": world.stripe_url,
            "TALLYSTICK_INGEST_WEBHOOK_SECRET": "whsec_of_the_test",
            "TALLYSTICK_INGEST_AUDIT_WINDOW_DAYS": "400",
            "TALLYSTICK_INGEST_REQUESTS_PER_SECOND": "100",
        }
        try:
            yield AuditRig(world, kafka, dsn, database, publisher, api, settings)
        finally:
            await api.close()
            await publisher.stop()
            await database.close()


def _beat() -> None:
    """Nobody watches."""
