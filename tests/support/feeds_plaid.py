"""A bank account of a world, read by hand through Plaid's shape."""

import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime

from sandbox.bank.shell.plaid import ACCESS_TOKEN, CLIENT_ID
from services.feeds.shell.bank_api import BankAccountAt
from services.feeds.shell.changes_poll import ChangesPoll
from services.feeds.shell.plaid import PlaidApi
from services.feeds.shell.store import MIGRATIONS, SCHEMA, FeedStore
from shared.contracts.observations import BANK_OBSERVATION, BankBalance, BankLine, LineState
from shared.contracts.topics import BANK_OBSERVATIONS
from shared.runtime.kafka import KafkaAddress, Partition, Publisher, end_offsets
from shared.runtime.migrations import migrate
from shared.runtime.postgres import Database
from tests.support.feeds import BANK
from tests.support.ingest import records_since
from tests.support.world import KEY, Served, runner_of, served


class WatchedPlaid(PlaidApi):
    """The API, with a hook for what happens between two of our questions."""

    before: Callable[[str, Mapping[str, object]], Awaitable[None]] | None = None

    async def _answer(
        self, path: str, asked: Mapping[str, object]
    ) -> tuple[Mapping[str, object], datetime | None]:
        if self.before is not None:
            await self.before(path, asked)
        return await super()._answer(path, asked)


@dataclass
class PlaidFeed:
    """One account at the simulated Plaid, told under a name of its own."""

    world: Served
    kafka: str
    store: FeedStore
    api: WatchedPlaid
    poll: ChangesPoll
    name: str
    account: BankAccountAt
    since: dict[Partition, int] = field(default_factory=dict[Partition, int])

    async def told(self) -> list[BankLine | BankBalance]:
        records = await records_since(self.kafka, BANK_OBSERVATIONS, self.since)
        return [
            BANK_OBSERVATION.validate_json(r.value) for r in records if r.key == self.name.encode()
        ]

    async def lines(self) -> list[tuple[str, int, LineState, str]]:
        return [
            (t.id, t.revision, t.state, t.amount.minor)
            for t in await self.told()
            if isinstance(t, BankLine)
        ]

    async def balances(self) -> list[tuple[str, bool]]:
        return [(t.amount.minor, t.agreed) for t in await self.told() if isinstance(t, BankBalance)]


@asynccontextmanager
async def plaid_reading(kafka: str, dsn: str) -> AsyncGenerator[PlaidFeed]:
    await migrate(dsn, schema=SCHEMA, folder=MIGRATIONS)
    database = await Database.open(dsn, search_path=SCHEMA)
    publisher = Publisher(kafka)
    since = await end_offsets(kafka, [BANK_OBSERVATIONS])
    async with served(runner_of("bare")) as world:
        api = WatchedPlaid(
            base_url=world.bank_url,
            client_id=CLIENT_ID,
            secret=KEY,
            access_token=ACCESS_TOKEN,
            timeout_seconds=2,
            patience_seconds=5,
        )
        bank_id = world.runner.world.state.bank.named(BANK).id
        (at_bank,) = [a for a in await api.accounts() if a.id == bank_id]
        account = BankAccountAt(at_bank.id, f"bank_{uuid.uuid4().hex[:12]}", at_bank.currency)
        store = FeedStore(database)
        poll = ChangesPoll(
            api=api,
            account=account,
            book="main",
            store=store,
            publisher=publisher,
            kafka=KafkaAddress(kafka),
            balance_tries=2,
        )
        try:
            yield PlaidFeed(world, kafka, store, api, poll, account.name, account, since)
        finally:
            await api.close()
            await publisher.stop()
            await database.close()
