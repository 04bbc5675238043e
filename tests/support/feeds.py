"""A bank account of a world, read by hand through the feed."""

import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.feeds.shell.bank_api import BankAccountAt
from services.feeds.shell.bank_poll import AccountPoll, ReadingRules
from services.feeds.shell.increase import IncreaseApi
from services.feeds.shell.store import MIGRATIONS, SCHEMA, FeedStore
from shared.contracts.observations import BANK_OBSERVATION, BankBalance, BankLine, LineState
from shared.contracts.topics import BANK_OBSERVATIONS
from shared.runtime.kafka import KafkaAddress, Partition, Publisher, end_offsets
from shared.runtime.migrations import migrate
from shared.runtime.postgres import Database
from tests.support.ingest import records_since
from tests.support.world import KEY, Served, runner_of, served

BANK = "main_usd"


class Watched(IncreaseApi):
    """The API, with a hook for what the bank does between two of our questions."""

    before: Callable[[str, Mapping[str, str]], Awaitable[None]] | None = None

    async def _answer(
        self, path: str, asked: Mapping[str, str]
    ) -> tuple[Mapping[str, object], datetime | None]:
        if self.before is not None:
            await self.before(path, asked)
        return await super()._answer(path, asked)


@dataclass
class Feed:
    """One account of a world's bank, read by hand; told under a name of its own."""

    world: Served
    kafka: str
    store: FeedStore
    publisher: Publisher
    api: Watched
    poll: AccountPoll
    name: str
    since: dict[Partition, int]

    async def told(self) -> list[BankLine | BankBalance]:
        """Everything that was told of the account, in the order of its partition."""
        records = await records_since(self.kafka, BANK_OBSERVATIONS, self.since)
        own = [r for r in records if r.key == self.name.encode()]
        assert all(r.envelope().extension("book") == "main" for r in own)
        return [BANK_OBSERVATION.validate_json(r.value) for r in own]

    async def lines(self) -> list[tuple[str, int, LineState, str]]:
        """The lines that were told: id, revision, state, amount."""
        told = await self.told()
        return [
            (t.id, t.revision, t.state, t.amount.minor) for t in told if isinstance(t, BankLine)
        ]

    async def move_with_each_list(self, path: str, _: Mapping[str, str]) -> None:
        if path == "/transactions":
            await self.world.do("bank_drift", account=BANK, amount=1)

    async def balances(self) -> list[tuple[str, bool]]:
        told = await self.told()
        return [(t.amount.minor, t.agreed) for t in told if isinstance(t, BankBalance)]


def poll_of(
    api: IncreaseApi, account: BankAccountAt, store: FeedStore, publisher: Publisher, kafka: str
) -> AccountPoll:
    rules = ReadingRules(lookback=timedelta(days=400), reread=timedelta(days=10), balance_tries=2)
    return AccountPoll(
        api=api,
        account=account,
        book="main",
        store=store,
        publisher=publisher,
        kafka=KafkaAddress(kafka),
        rules=rules,
    )


@asynccontextmanager
async def reading(
    kafka: str, dsn: str, *, patience_seconds: float = 5.0
) -> AsyncGenerator[Feed, None]:
    await migrate(dsn, schema=SCHEMA, folder=MIGRATIONS)
    database = await Database.open(dsn, search_path=SCHEMA)
    publisher = Publisher(kafka)
    since = await end_offsets(kafka, [BANK_OBSERVATIONS])
    async with served(runner_of("bare")) as world:
        api = Watched(
            base_url=world.bank_url, key=KEY, timeout_seconds=1, patience_seconds=patience_seconds
        )
        (at_bank,) = [a for a in await api.accounts() if a.name == BANK]
        name = f"bank_{uuid.uuid4().hex[:12]}"
        account = BankAccountAt(at_bank.id, name, at_bank.currency)
        store = FeedStore(database)
        poll = poll_of(api, account, store, publisher, kafka)
        try:
            yield Feed(world, kafka, store, publisher, api, poll, name, since)
        finally:
            await api.close()
            await publisher.stop()
            await database.close()
