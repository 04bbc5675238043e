"""Plaid's changes before the simulated bank, a real Kafka and a real Postgres."""

from collections.abc import AsyncGenerator, Callable, Mapping
from datetime import date

import pytest
from prometheus_client import REGISTRY

from services.feeds.shell import plaid
from services.feeds.shell.bank_api import BankRefused
from services.feeds.shell.changes_poll import ChangesPoll
from services.feeds.shell.plaid import PlaidApi
from services.feeds.shell.store import MIGRATIONS, SCHEMA, FeedStore
from services.feeds.shell.telling import Telling
from shared.contracts.errors import Unavailable
from shared.contracts.observations import LineState
from shared.runtime.kafka import KafkaAddress, Publisher
from shared.runtime.migrations import migrate
from shared.runtime.postgres import Database
from tests.support.feeds import BANK
from tests.support.feeds_plaid import PlaidFeed, plaid_reading

pytestmark = pytest.mark.stack


@pytest.fixture
async def feed(kafka: str, database_dsn: str) -> AsyncGenerator[PlaidFeed, None]:
    async with plaid_reading(kafka, database_dsn) as found:
        yield found


async def test_lines_come_with_our_sign_once_and_their_changes_as_revisions(
    feed: PlaidFeed,
) -> None:
    paid = (await feed.world.do("bank_line", account=BANK, amount=12345, reference="po_1"))["line"]
    spent = (await feed.world.do("bank_line", account=BANK, amount=-1005))["line"]
    await feed.poll.poll()
    await feed.poll.poll()
    assert sorted(await feed.lines()) == sorted(
        [(paid, 1, LineState.POSTED, "12345"), (spent, 1, LineState.POSTED, "-1005")]
    )
    assert await feed.balances() == [("11340", True)] * 2
    await feed.world.do("bank_amend", line=spent, amount=-1006)
    await feed.world.do("bank_remove", line=paid)
    await feed.poll.poll()
    assert sorted((await feed.lines())[2:]) == sorted(
        [(spent, 2, LineState.POSTED, "-1006"), (paid, 2, LineState.REMOVED, "12345")]
    )
    assert (await feed.balances())[-1] == ("-1006", True)
    read_at = REGISTRY.get_sample_value(
        "tallystick_feeds_bank_read_timestamp_seconds", {"account": feed.poll.name}
    )
    assert read_at is not None
    assert read_at > 0


async def test_pending_line_posts_under_a_new_id_and_its_old_one_goes(feed: PlaidFeed) -> None:
    pending = (await feed.world.do("bank_announce", account=BANK, amount=-500))["pending"]
    await feed.poll.poll()
    posted = (await feed.world.do("bank_line", account=BANK, amount=-510, pending=pending))["line"]
    await feed.poll.poll()
    await feed.poll.poll()
    first, *after = await feed.lines()
    assert first == (pending, 1, LineState.PENDING, "-500")
    assert sorted(after) == sorted(
        [(pending, 2, LineState.REMOVED, "-500"), (posted, 1, LineState.POSTED, "-510")]
    )


async def test_account_that_changes_between_two_pages_is_walked_again(
    feed: PlaidFeed, monkeypatch: pytest.MonkeyPatch
) -> None:
    for amount in range(1, 6):
        await feed.world.do("bank_line", account=BANK, amount=amount)
    monkeypatch.setattr(plaid, "PAGE_LINES", 2)
    cursors: list[str] = []

    async def disturbed(path: str, asked: Mapping[str, object]) -> None:
        if path == "/transactions/sync":
            cursors.append(str(asked["cursor"]))
            if len(cursors) == 2:
                await feed.world.do("bank_line", account=BANK, amount=6)

    feed.api.before = disturbed
    await feed.poll.poll()
    assert cursors[2] == ""
    assert sorted(int(line[3]) for line in await feed.lines()) == [1, 2, 3, 4, 5, 6]
    assert all(line[1] == 1 for line in await feed.lines())


async def test_cursor_that_is_forgotten_loses_and_doubles_nothing(feed: PlaidFeed) -> None:
    kept = (await feed.world.do("bank_line", account=BANK, amount=100))["line"]
    gone = (await feed.world.do("bank_line", account=BANK, amount=7))["line"]
    await feed.poll.poll()
    await feed.world.do("bank_reset_cursors")
    await feed.world.do("bank_remove", line=gone)
    fresh = (await feed.world.do("bank_line", account=BANK, amount=3))["line"]
    await feed.poll.poll()
    told = await feed.lines()
    assert [line for line in told if line[0] == kept] == [(kept, 1, LineState.POSTED, "100")]
    assert (gone, 2, LineState.REMOVED, "7") in told
    assert (fresh, 1, LineState.POSTED, "3") in told


async def test_reading_from_the_beginning_removes_nothing_of_the_time_that_it_does_not_tell(
    feed: PlaidFeed,
) -> None:
    days = {"old": "2026-01-05", "mid": "2026-06-05", "new": "2026-11-05"}
    ids = {
        name: (await feed.world.do("bank_line", account=BANK, amount=5, booked_on=day))["line"]
        for name, day in days.items()
    }
    await feed.poll.poll()
    bank = feed.world.runner.world.state.bank
    await feed.world.do("bank_reset_cursors")
    bank.is_gathered = False
    with pytest.raises(Unavailable, match="not read the account"):
        await feed.poll.poll()
    # Gathered anew, the last weeks come first; what is older is not gone for that.
    bank.is_gathered, bank.gathered_from = True, date(2026, 6, 1)
    await feed.world.do("bank_remove", line=ids["new"])
    await feed.poll.poll()
    gone = [(ids["new"], 2, LineState.REMOVED, "5")]
    assert (await feed.lines())[3:] == gone
    # All that is ever told is told: what lies before its first line is out of sight, not gone.
    bank.gathered_from = None
    await feed.world.do("bank_remove", line=ids["old"])
    await feed.world.do("bank_reset_cursors")
    await feed.poll.poll()
    assert (await feed.lines())[3:] == gone


async def test_plaid_that_stumbles_is_asked_again_and_one_that_refuses_is_said(
    feed: PlaidFeed,
) -> None:
    await feed.world.do("bank_line", account=BANK, amount=100)
    await feed.world.knobs("bank", next_requests=["rate_limited", "server_error", "none"])
    await feed.poll.poll()
    assert await feed.balances() == [("100", True)]
    stranger = PlaidApi(
        base_url=feed.world.bank_url,
        client_id="nobody",
        secret="sk_wrong",
        access_token="t",
        timeout_seconds=2,
    )
    with pytest.raises(BankRefused, match="INVALID_API_KEYS") as refused:
        await stranger.accounts()
    await stranger.close()
    assert "sk_wrong" not in str(refused.value)


async def test_process_that_dies_before_the_cursor_moves_tells_nothing_twice(
    feed: PlaidFeed, monkeypatch: pytest.MonkeyPatch
) -> None:
    await feed.world.do("bank_line", account=BANK, amount=100)

    async def dead(*_: object) -> None:
        raise Unavailable("Kafka is away")

    with monkeypatch.context() as away:
        away.setattr(Telling, "tell_untold", dead)
        with pytest.raises(Unavailable):
            await feed.poll.poll()
    await feed.poll.poll()
    await feed.poll.poll()
    assert [line[1:] for line in await feed.lines()] == [(1, LineState.POSTED, "100")]


async def test_lost_database_goes_on_with_the_revisions_where_they_stood(
    feed: PlaidFeed, fresh_database: Callable[[], str]
) -> None:
    made = (await feed.world.do("bank_line", account=BANK, amount=100))["line"]
    await feed.poll.poll()
    dsn = fresh_database()
    await migrate(dsn, schema=SCHEMA, folder=MIGRATIONS)
    database = await Database.open(dsn, search_path=SCHEMA)
    publisher = Publisher(feed.kafka)
    poll = ChangesPoll(
        api=feed.api,
        account=feed.account,
        book="main",
        store=FeedStore(database),
        publisher=publisher,
        kafka=KafkaAddress(feed.kafka),
        balance_tries=2,
    )
    await feed.world.do("bank_amend", line=made, amount=98)
    await poll.poll()
    await publisher.stop()
    await database.close()
    assert [line[1:] for line in await feed.lines()] == [
        (1, LineState.POSTED, "100"),
        (2, LineState.POSTED, "98"),
    ]
