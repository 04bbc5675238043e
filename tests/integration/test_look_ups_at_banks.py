"""Look-ups at a bank: an account is read from the day on that is asked for, once for all who ask."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType

import pytest

from services.feeds.look_ups import PolledAccount
from services.feeds.shell.bank_api import BankAccountAt, Poll
from services.feeds.shell.bank_poll import AccountPoll, ReadingRules
from services.feeds.shell.look_ups import LookUps
from services.feeds.shell.store import READ_MIGRATIONS, READ_SCHEMA, SCHEMA
from shared.contracts.look_ups import LookUp, LookUpAsked
from shared.contracts.observations import LineState
from shared.runtime.kafka import KafkaAddress
from shared.runtime.migrations import migrate
from shared.runtime.postgres import Database
from tallystick.look_ups.answers import answers_from_views
from tests.support.feeds import BANK, Feed, reading
from tests.support.ingest import free_port, service
from tests.support.ledger import until
from tests.support.looking_up import look_up, published
from tests.support.world import KEY

pytestmark = pytest.mark.stack

DAY = timedelta(days=1)


@dataclass
class Looking:
    """Look-ups carried out at one account that is read by hand."""

    feed: Feed
    database: Database
    look_ups: LookUps
    poll: AccountPoll
    questions: list[str] = field(default_factory=list[str])

    @property
    def polled(self) -> Mapping[PolledAccount, Poll]:
        """The one account that can be asked for."""
        return {PolledAccount(self.feed.name, "main", "usd"): self.poll}

    def ask_for(
        self, account: str, *, days: int = 1, subject: str = "po_1", book: str = "main"
    ) -> LookUpAsked:
        """A look-up of an account, from some days ago on."""
        since = (datetime.now(UTC) - days * DAY).date()
        return look_up(account, LookUp.BANK_LINES, since=since, subject=subject, book=book)

    async def ask(self, *asked: LookUpAsked, by_files: tuple[str, ...] = ()) -> None:
        """Put look-ups on the topic and carry out what can be."""
        await self.feed.publisher.publish_all(published(asked), 30)
        await self.look_ups.note()
        await self.answer(by_files=by_files)

    async def answer(
        self,
        *,
        by_files: Collection[str] = (),
        busy: Collection[str] = (),
        away: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """Carry out what is due."""
        await self.look_ups.answer(
            self.polled, by_files=by_files, has_banks=True, busy=busy, away=away
        )

    async def states(self, *asked: LookUpAsked) -> list[str]:
        """What became of look-ups."""
        async with self.database.connection() as connection:
            rows = await connection.fetch("select id, state from look_ups")
        found = {row["id"]: row["state"] for row in rows}
        return [found[each.id] for each in asked]


@pytest.fixture
async def looking(kafka: str, database_dsn: str) -> AsyncGenerator[Looking, None]:
    async with reading(kafka, database_dsn, patience_seconds=0) as feed:
        database = await Database.open(database_dsn, search_path=SCHEMA)
        (at_bank,) = [a for a in await feed.api.accounts() if a.name == BANK]
        poll = AccountPoll(
            api=feed.api,
            account=BankAccountAt(at_bank.id, feed.name, at_bank.currency),
            book="main",
            store=feed.store,
            publisher=feed.publisher,
            kafka=KafkaAddress(kafka),
            # A feed that begins now: what is older it never asks for by itself.
            rules=ReadingRules(lookback=timedelta(0), reread=10 * DAY, balance_tries=2),
        )
        look_ups = LookUps(database, KafkaAddress(kafka), beat=lambda: None, pause_seconds=0)
        await look_ups.note()
        async with database.connection() as connection:
            await connection.execute("delete from look_ups")
        found = Looking(feed, database, look_ups, poll)

        async def heard(path: str, _: Mapping[str, str]) -> None:
            found.questions.append(path)

        feed.api.before = heard
        try:
            yield found
        finally:
            await database.close()


async def test_line_of_before_the_feeds_window_is_told_when_it_is_looked_up(
    looking: Looking, database_dsn: str
) -> None:
    await looking.feed.world.do("bank_line", account=BANK, amount=4_711)
    await looking.poll.poll()
    assert await looking.feed.lines() == [], "the feed began after it"
    first, second = (looking.ask_for(looking.feed.name, days=390, subject=s) for s in ("a", "b"))
    await looking.ask(first, second)
    ((_, revision, state, minor),) = await looking.feed.lines()
    assert (revision, state, minor) == (1, LineState.POSTED, "4711")
    assert await looking.states(first, second) == ["read", "read"]
    await migrate(database_dsn, schema=READ_SCHEMA, folder=READ_MIGRATIONS)
    shown = await answers_from_views(database_dsn, {LookUp.BANK_LINES: [first.id]})
    assert shown[first.id].said == "the bank was read"
    asked = looking.questions.count("/transactions")
    await looking.ask(first)
    assert looking.questions.count("/transactions") == asked, "what was carried out is done"


async def test_account_that_is_being_read_waits_and_one_that_is_away_is_not_waited_for(
    looking: Looking,
) -> None:
    name = looking.feed.name
    asked = looking.ask_for(name)
    await looking.feed.publisher.publish_all(published([asked]), 30)
    await looking.look_ups.note()
    await looking.answer(busy={name})
    assert (looking.questions, await looking.states(asked)) == ([], ["open"])
    await looking.answer(away={name: "the bank answered 500"})
    assert (looking.questions, await looking.states(asked)) == ([], ["open"])
    async with looking.database.connection() as connection:
        row = await connection.fetchrow("select tries, reason from look_ups")
    assert row is not None
    assert (row["tries"], row["reason"]) == (1, "the bank answered 500")


async def test_all_that_ask_for_one_account_are_answered_by_one_reading(looking: Looking) -> None:
    anywhere = looking.ask_for("", subject="any")
    named = [looking.ask_for(looking.feed.name, subject=f"po_{n}") for n in range(5)]
    await looking.ask(anywhere, *named)
    assert looking.questions.count("/transactions") == 1
    assert set(await looking.states(anywhere, *named)) == {"read"}


async def test_process_reads_an_account_that_is_asked_for_long_before_its_turn(
    looking: Looking, fresh_database: Callable[[], str], tmp_path: Path
) -> None:
    feed, port = looking.feed, free_port()
    bank_id = feed.world.runner.world.state.bank.named(BANK).id
    (tmp_path / "key").write_text(KEY)
    (tmp_path / "banks.toml").write_text(
        f'[[banks]]\nname = "first"\nbase_url = "{feed.world.bank_url}"\nkey_file = "key"\n'
        f'[[banks.accounts]]\nid = "{bank_id}"\nname = "{feed.name}"\n'
    )
    environment = {
        "TALLYSTICK_KAFKA_BOOTSTRAP": feed.kafka,
        "TALLYSTICK_POSTGRES_DSN": fresh_database(),
        "TALLYSTICK_FEEDS_PORT": str(port),
        "TALLYSTICK_FEEDS_BANKS_FILE": str(tmp_path / "banks.toml"),
        "TALLYSTICK_FEEDS_POLL_INTERVAL_SECONDS": "3600",
        "TALLYSTICK_FEEDS_LOOKBACK_DAYS": "0",
        "TALLYSTICK_FEEDS_LOOK_UPS_SECONDS": "0.1",
        "TALLYSTICK_FEEDS_LOOK_UPS_PAUSE_SECONDS": "0",
    }
    with service("services.feeds", port=port, environment=environment) as process:
        await asyncio.to_thread(process.await_answer, "/readyz")
        await feed.world.do("bank_line", account=BANK, amount=815)
        asked = looking.ask_for(feed.name, days=390)
        await feed.publisher.publish_all(published([asked]), 30)

        async def is_told() -> bool:
            return [minor for *_, minor in await feed.lines()] == ["815"]

        await until("the line to be told", is_told)
        assert await asyncio.to_thread(process.stop) == 0, process.told()


async def test_bank_that_fails_is_asked_again_later_and_nothing_counts_as_read(
    looking: Looking,
) -> None:
    await looking.feed.world.knobs("bank", server_error_every=1)
    asked = looking.ask_for(looking.feed.name)
    await looking.ask(asked)
    assert await looking.states(asked) == ["open"]
    await looking.feed.world.knobs("bank", server_error_every=0)
    await looking.answer()
    assert await looking.states(asked) == ["open"], "its next turn has not come"
    async with looking.database.connection() as connection:
        await connection.execute("update look_ups set try_at = now()")
    await looking.answer()
    assert await looking.states(asked) == ["read"]


async def test_account_of_files_has_nobody_to_ask_and_an_unknown_one_waits(
    looking: Looking,
) -> None:
    by_files, unknown = looking.ask_for("of_files"), looking.ask_for("nowhere", subject="po_2")
    foreign = looking.ask_for(looking.feed.name, subject="po_3", book="another")
    await looking.ask(by_files, unknown, foreign, by_files=("of_files",))
    assert await looking.states(by_files, unknown, foreign) == ["by_files", "open", "open"]
    assert looking.questions == []
