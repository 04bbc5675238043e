"""The bank feed before the simulated bank, a real Kafka and a real Postgres."""

import asyncio
import time
import uuid
from collections.abc import AsyncGenerator, Callable, Mapping

import pytest

from services.feeds.shell.bank_api import BankAccountAt, BankRefused
from services.feeds.shell.bank_poll import poll_each
from services.feeds.shell.increase import IncreaseApi
from services.feeds.shell.store import MIGRATIONS, SCHEMA, FeedStore
from shared.contracts.errors import Unavailable
from shared.contracts.observations import BankBalance, BankLine, LineState
from shared.contracts.topics import BANK_OBSERVATIONS
from shared.runtime.kafka import end_offsets
from shared.runtime.migrations import migrate
from shared.runtime.postgres import Database
from tests.support.feeds import BANK, Feed, poll_of, reading
from tests.support.ingest import free_port, records_since, service
from tests.support.world import KEY, runner_of, served

pytestmark = pytest.mark.stack


@pytest.fixture
async def feed(kafka: str, database_dsn: str) -> AsyncGenerator[Feed, None]:
    async with reading(kafka, database_dsn) as found:
        yield found


async def test_line_is_told_once_with_its_texts_and_the_balance_after_it(feed: Feed) -> None:
    made = await feed.world.do(
        "bank_line",
        account=BANK,
        amount=12345,
        description="STRIPE TRANSFER",
        reference="po_1ABC",
        payer="STRIPE",
        trace="091000019",
        booked_on="2026-10-01",
    )
    await feed.poll.poll()
    await feed.poll.poll()
    first, balance, again = await feed.told()
    assert isinstance(first, BankLine)
    assert (first.id, first.revision, first.state) == (made["line"], 1, LineState.POSTED)
    assert (first.amount.minor, first.amount.currency, first.previous) == ("12345", "usd", None)
    assert first.booked_on.isoformat() == "2026-10-01"
    assert (first.description, first.counterparty) == ("STRIPE TRANSFER", "STRIPE")
    assert first.reference == "po_1ABC 091000019"
    assert isinstance(balance, BankBalance)
    assert isinstance(again, BankBalance)
    assert (balance.amount.minor, balance.agreed) == ("12345", True)
    assert balance.as_of is not None
    assert balance.reading != again.reading


async def test_line_told_twice_by_the_bank_is_told_once_by_us(feed: Feed) -> None:
    made = await feed.world.do("bank_line", account=BANK, amount=100)
    await feed.world.do("bank_tell_again", line=made["line"], times=3)
    await feed.poll.poll()
    assert await feed.lines() == [(made["line"], 1, LineState.POSTED, "100")]


async def test_two_equal_lines_of_one_day_are_two_lines(feed: Feed) -> None:
    for _ in range(2):
        await feed.world.do("bank_line", account=BANK, amount=100, description="same")
    await feed.poll.poll()
    assert len(await feed.lines()) == 2
    assert await feed.balances() == [("200", True)]


async def test_line_that_changes_after_posting_is_told_again_with_what_it_was(feed: Feed) -> None:
    made = await feed.world.do("bank_line", account=BANK, amount=100)
    await feed.poll.poll()
    await feed.world.do("bank_amend", line=made["line"], amount=99)
    await feed.poll.poll()
    assert await feed.lines() == [
        (made["line"], 1, LineState.POSTED, "100"),
        (made["line"], 2, LineState.POSTED, "99"),
    ]
    second = [t for t in await feed.told() if isinstance(t, BankLine)][1]
    assert second.previous is not None
    assert second.previous.minor == "100"
    assert await feed.balances() == [("100", True), ("99", True)]


async def test_line_that_is_taken_back_is_told_as_removed_once(feed: Feed) -> None:
    made = await feed.world.do("bank_line", account=BANK, amount=100)
    await feed.poll.poll()
    await feed.world.do("bank_remove", line=made["line"])
    await feed.poll.poll()
    await feed.poll.poll()
    assert await feed.lines() == [
        (made["line"], 1, LineState.POSTED, "100"),
        (made["line"], 2, LineState.REMOVED, "100"),
    ]
    assert (await feed.balances())[-1] == ("0", True)


async def test_pending_line_that_posts_is_removed_and_its_posted_line_told(feed: Feed) -> None:
    pending = (await feed.world.do("bank_announce", account=BANK, amount=-500))["pending"]
    await feed.poll.poll()
    await feed.world.do("bank_pending", pending=pending, to="complete")
    posted = (await feed.world.do("bank_line", account=BANK, amount=-510))["line"]
    await feed.poll.poll()
    assert await feed.lines() == [
        (pending, 1, LineState.PENDING, "-500"),
        (pending, 2, LineState.REMOVED, "-500"),
        (posted, 1, LineState.POSTED, "-510"),
    ] or await feed.lines() == [
        (pending, 1, LineState.PENDING, "-500"),
        (posted, 1, LineState.POSTED, "-510"),
        (pending, 2, LineState.REMOVED, "-500"),
    ]


async def test_pending_line_that_vanishes_is_removed_without_anything_to_undo(feed: Feed) -> None:
    pending = (await feed.world.do("bank_announce", account=BANK, amount=-500))["pending"]
    await feed.poll.poll()
    await feed.world.do("bank_pending", pending=pending, to="withdrawn")
    await feed.poll.poll()
    last = [t for t in await feed.told() if isinstance(t, BankLine)][-1]
    assert (last.id, last.state, last.previous) == (pending, LineState.REMOVED, None)


async def test_late_line_is_found_in_the_window_that_is_read_again(feed: Feed) -> None:
    day = 86_400
    late = await feed.world.do("bank_line", account=BANK, amount=100, late_seconds=5 * day)
    feed.world.runner.advance(day)
    prompt = await feed.world.do("bank_line", account=BANK, amount=7)
    await feed.poll.poll()
    assert [line[0] for line in await feed.lines()] == [prompt["line"]]
    feed.world.runner.advance(6 * day)
    await feed.poll.poll()
    assert [line[0] for line in await feed.lines()] == [prompt["line"], late["line"]]


async def test_many_pages_are_read_whole_and_once(feed: Feed) -> None:
    made = [
        feed.world.runner.command({"do": "bank_line", "account": BANK, "amount": n})["line"]
        for n in range(1, 231)
    ]
    await feed.poll.poll()
    await feed.poll.poll()
    assert sorted(line[0] for line in await feed.lines()) == sorted(map(str, made))
    assert (await feed.balances())[-1] == (str(sum(range(1, 231))), True)


async def test_bank_that_stumbles_loses_and_doubles_nothing(feed: Feed) -> None:
    for amount in range(1, 121):
        feed.world.runner.command({"do": "bank_line", "account": BANK, "amount": amount})
    await feed.world.knobs("bank", next_requests=["rate_limited", "server_error", "none"])
    await feed.poll.poll()
    assert len(await feed.lines()) == 120
    assert await feed.balances() == [(str(sum(range(1, 121))), True)]


async def test_bank_that_does_not_answer_in_time_is_asked_again(feed: Feed) -> None:
    await feed.world.do("bank_line", account=BANK, amount=100)
    await feed.world.knobs("bank", timeout_milliseconds=3000, next_requests=["timeout"])
    await feed.poll.poll()
    assert await feed.balances() == [("100", True)]


async def test_cursor_that_the_bank_forgets_between_two_pages_begins_the_reading_anew(
    feed: Feed,
) -> None:
    for amount in range(1, 121):
        feed.world.runner.command({"do": "bank_line", "account": BANK, "amount": amount})
    resets = 0

    async def reset_once(_: str, asked: Mapping[str, str]) -> None:
        nonlocal resets
        if "cursor" in asked and resets == 0:
            resets += 1
            await feed.world.do("bank_reset_cursors")

    feed.api.before = reset_once
    await feed.poll.poll()
    assert resets == 1
    assert len(await feed.lines()) == 120


async def test_balance_that_moves_while_the_lines_are_read_is_told_as_not_agreed(
    feed: Feed,
) -> None:
    feed.api.before = feed.move_with_each_list
    await feed.poll.poll()
    feed.api.before = None
    await feed.poll.poll()
    assert await feed.balances() == [("2", False), ("2", True)]


async def test_reading_that_did_not_agree_removes_nothing(
    feed: Feed,
) -> None:
    made = await feed.world.do("bank_line", account=BANK, amount=100)
    await feed.poll.poll()
    await feed.world.do("bank_remove", line=made["line"])
    feed.api.before = feed.move_with_each_list
    await feed.poll.poll()
    assert len(await feed.lines()) == 1
    feed.api.before = None
    await feed.poll.poll()
    assert [line[2] for line in await feed.lines()] == [LineState.POSTED, LineState.REMOVED]


async def test_revision_that_was_decided_and_not_told_is_told_later_in_the_same_words(
    feed: Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await feed.world.do("bank_line", account=BANK, amount=100)
    await feed.poll.poll()
    await feed.world.do("bank_amend", line=made["line"], amount=99)

    async def away(*_: object) -> None:
        raise Unavailable("Kafka is away")

    monkeypatch.setattr(feed.publisher, "publish_all", away)
    with pytest.raises(Unavailable):
        await feed.poll.poll()
    monkeypatch.undo()
    # Meanwhile the bank changed its mind again: revision 2 still says what was decided.
    await feed.world.do("bank_amend", line=made["line"], amount=98)
    await feed.poll.poll()
    assert [(r, a) for _, r, _, a in await feed.lines()] == [(1, "100"), (2, "99"), (3, "98")]


async def test_crash_after_telling_and_before_remembering_repeats_the_same_record(
    feed: Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    await feed.world.do("bank_line", account=BANK, amount=100)

    async def dead(*_: object) -> None:
        raise Unavailable("Postgres is away")

    monkeypatch.setattr(feed.store, "told", dead)
    with pytest.raises(Unavailable):
        await feed.poll.poll()
    monkeypatch.undo()
    await feed.poll.poll()
    records = await records_since(feed.kafka, BANK_OBSERVATIONS, feed.since)
    lines = [r for r in records if r.key == feed.name.encode() and b'"line"' in r.value]
    assert len(lines) == 2
    assert lines[0].value == lines[1].value
    assert lines[0].envelope().id == lines[1].envelope().id


async def test_feed_that_lost_its_database_goes_on_with_the_revisions_where_they_stood(
    feed: Feed, fresh_database: Callable[[], str]
) -> None:
    made = await feed.world.do("bank_line", account=BANK, amount=100)
    same = await feed.world.do("bank_line", account=BANK, amount=7)
    await feed.poll.poll()
    await feed.world.do("bank_amend", line=made["line"], amount=99)
    await feed.poll.poll()
    dsn = fresh_database()
    await migrate(dsn, schema=SCHEMA, folder=MIGRATIONS)
    database = await Database.open(dsn, search_path=SCHEMA)
    (at_bank,) = [a for a in await feed.api.accounts() if a.name == BANK]
    account = BankAccountAt(at_bank.id, feed.name, at_bank.currency)
    poll = poll_of(feed.api, account, FeedStore(database), feed.publisher, feed.kafka)
    await poll.poll()
    await feed.world.do("bank_amend", line=made["line"], amount=98)
    await poll.poll()
    await database.close()
    told = await feed.lines()
    assert [(r, a) for line, r, _, a in told if line == made["line"]] == [
        (1, "100"),
        (2, "99"),
        (3, "98"),
    ]
    assert [r for line, r, _, _ in told if line == same["line"]] == [1]


async def test_one_account_that_cannot_be_read_does_not_keep_the_others(feed: Feed) -> None:
    await feed.world.do("bank_line", account=BANK, amount=100)
    lost = poll_of(
        feed.api,
        BankAccountAt("account_none", "lost", "usd"),
        feed.store,
        feed.publisher,
        feed.kafka,
    )
    failures = await poll_each([lost, feed.poll])
    assert list(failures) == ["lost"]
    assert await feed.balances() == [("100", True)]


async def test_wrong_key_is_refused_and_shown_nowhere(feed: Feed) -> None:
    api = IncreaseApi(base_url=feed.world.bank_url, key="sk_wrong_key", timeout_seconds=1)
    with pytest.raises(BankRefused) as refused:
        await api.accounts()
    await api.close()
    assert "401" in str(refused.value)
    assert "sk_wrong_key" not in str(refused.value)


async def test_process_reads_the_accounts_that_a_file_names_and_stops_when_asked(
    kafka: str, fresh_database: Callable[[], str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("banks")
    since = await end_offsets(kafka, [BANK_OBSERVATIONS])
    async with served(runner_of("bare")) as world:
        await world.do("bank_line", account=BANK, amount=4200)
        data = (await world.bank("/accounts")).json()["data"]
        (bank_id,) = [a["id"] for a in data if a["name"] == BANK]
        name = f"bank_{uuid.uuid4().hex[:12]}"
        (folder / "key").write_text(f"{KEY}\n")
        (folder / "banks.toml").write_text(
            f'[[banks]]\nname = "first"\nbase_url = "{world.bank_url}"\nkey_file = "key"\n'
            f'[[banks.accounts]]\nid = "{bank_id}"\nname = "{name}"\n'
        )
        port = free_port()
        environment = {
            "TALLYSTICK_KAFKA_BOOTSTRAP": kafka,
            "TALLYSTICK_POSTGRES_DSN": fresh_database(),
            "TALLYSTICK_FEEDS_PORT": str(port),
            "TALLYSTICK_FEEDS_BANKS_FILE": str(folder / "banks.toml"),
            "TALLYSTICK_FEEDS_POLL_INTERVAL_SECONDS": "0.1",
            "TALLYSTICK_FEEDS_LOOKBACK_DAYS": "400",
        }
        with service("services.feeds", port=port, environment=environment) as process:
            await asyncio.to_thread(process.await_answer, "/readyz")
            deadline = time.monotonic() + 20
            found: list[bytes] = []
            while sum(b'"balance"' in value for value in found) < 2:
                assert time.monotonic() < deadline, process.told()
                records = await records_since(kafka, BANK_OBSERVATIONS, since)
                found = [r.value for r in records if r.key == name.encode()]
            assert b'"4200"' in found[0]
            assert await asyncio.to_thread(process.stop) == 0
            assert KEY not in process.told()
