"""Matches that name an account which somebody chose: booked where it may be, refused where not."""

import random
from collections.abc import Callable
from typing import Any

import asyncpg
import pytest

from services.ledger.shell.booking import books, judges
from services.ledger.shell.rebuilding.rebuild import rebuild_and_compare
from shared.contracts.books import BookMap
from shared.runtime.kafka import Publication, Record
from tests.integration.test_oracle import audited
from tests.support.judged_journal import (
    InputLog,
    Journal,
    Json,
    cut,
    in_another_order,
    judged_journal,
)
from tests.support.ledger import LedgerRig

pytestmark = pytest.mark.stack
TYPO = "expenses:typo"
FEES = "expenses:bank-fees"


def nothing_to_judge(*_: object) -> frozenset[int]:
    """As the ledger was before matches were judged."""
    return frozenset()


async def references(journal: Journal) -> list[str]:
    """What the journal has booked of matches."""
    rows = await journal.read("select reference from entries where kind like 'match%' order by 1")
    return [row["reference"] for row in rows]


async def refusals(journal: Journal) -> list[Json]:
    """What was refused of matches, in order."""
    return await journal.read(
        "select subject, reason, reference, detail, decided from outcomes"
        " where outcome = 'refused' and reference like 'match:%' order by origin_id, caused_offset"
    )


async def test_write_off_to_an_account_that_no_chart_has_is_refused_whole(
    fresh_database: Callable[[], str],
) -> None:
    log = InputLog()
    log.line("l1", -300, "2024-06-01")
    log.match("l1", TYPO)
    log.match("l2", FEES)
    async with judged_journal(fresh_database()) as journal:
        await journal.book(log.records)
        assert await references(journal) == ["match:l2:1"]
        (told,) = await refusals(journal)
        assert (told["subject"], told["reason"], told["reference"]) == (
            "l1", "account_known", "match:l1:1",
        )  # fmt: skip
        assert told["decided"]["rule"] == "account_known"
        assert told["decided"]["values"] == {"account": TYPO}
        assert "on an account that is open" in told["decided"]["way_out"]
        assert f"'{TYPO}' is not one" in told["detail"]
        # Nothing of it stands anywhere, and its record is kept for whoever mends the account.
        assert await journal.read("select 1 from claims where reference = 'match:l1:1'") == []
        assert await journal.read("select 1 from balances where account = $1", TYPO) == []
        (letter,) = await journal.read("select reason from dead_letters")
        assert letter["reason"] == "account_known"


async def test_match_on_an_account_that_repeats_what_stripe_says_is_refused(
    fresh_database: Callable[[], str],
) -> None:
    log = InputLog()
    log.match("l1", "assets:stripe:balance")
    async with judged_journal(fresh_database()) as journal:
        await journal.book(log.records)
        assert [told["reason"] for told in await refusals(journal)] == ["mirror"]


async def test_write_off_to_a_closed_account_is_refused_and_stays_refused(
    fresh_database: Callable[[], str],
) -> None:
    log = InputLog()
    log.ask("open_account", account=TYPO, display="Typo")
    log.ask("close_account", account=TYPO)
    async with judged_journal(fresh_database()) as journal:
        await journal.book(log.records)
        await journal.book([log.match("l1", TYPO)])
        (told,) = await refusals(journal)
        assert (told["reason"], told["decided"]["values"]) == ("account_open", {"account": TYPO})
        # It is told again with its account open: by then somebody may have booked it by hand.
        await journal.book([log.ask("open_account", account=TYPO, display="Typo")])
        await journal.book([log.match("l1", TYPO)])
        await journal.book([log.match("l1", TYPO, is_sent_again=True)])
        assert await references(journal) == []
        assert [told["reason"] for told in await refusals(journal)] == ["account_open"] * 3
        # Matched anew, in its next revision, it is another match.
        await journal.book([log.match("l1", TYPO, revision=2)])
        assert await references(journal) == ["match:l1:2"]


async def test_undoing_takes_back_what_was_booked_and_nothing_else(
    fresh_database: Callable[[], str],
) -> None:
    log = InputLog()
    async with judged_journal(fresh_database()) as journal:
        # In one batch with what it undoes, and in another.
        await journal.book([log.match("l1", FEES), log.match("l1", FEES, is_undone=True)])
        await journal.book([log.match("l2", FEES)])
        await journal.book([log.match("l2", FEES, is_undone=True)])
        stands = ["match:l1:1", "match:l1:1:undone", "match:l2:1", "match:l2:1:undone"]
        assert await references(journal) == stands
        # Of a match that was refused nothing is undone.
        await journal.book([log.match("l3", TYPO), log.match("l3", TYPO, is_undone=True)])
        assert await references(journal) == stands
        reasons = [told["reason"] for told in await refusals(journal)]
        assert reasons == ["account_known"]
        (told,) = await journal.read("select detail from outcomes where reason = 'no_booking'")
        assert told["detail"].startswith("nothing was booked of match:l3:1")
        assert await journal.read("select 1 from open_items") == []


async def test_match_that_is_told_again_is_booked_once_whatever_became_of_its_account(
    fresh_database: Callable[[], str],
) -> None:
    log = InputLog()
    log.ask("open_account", account=TYPO, display="Typo")
    async with judged_journal(fresh_database()) as journal:
        await journal.book(log.records)
        await journal.book([log.match("l1", TYPO), log.match("l1", TYPO)])
        await journal.book([log.match("l2", TYPO, minor=-300)])
        await journal.book([log.ask("close_account", account=TYPO)])
        booked = await journal.book([log.match("l1", TYPO)])
        assert booked.already_booked == 1
        assert await references(journal) == ["match:l1:1", "match:l2:1"]
        assert await refusals(journal) == []
        # With other money it is the conflict that it always was.
        assert (await journal.book([log.match("l1", TYPO, minor=301)])).conflicts == 1
        # What takes it back would leave something on a closed account.
        await journal.book([log.match("l1", TYPO, is_undone=True)])
        assert [told["reason"] for told in await refusals(journal)] == ["account_open"]


async def test_rebuild_in_any_order_follows_what_was_decided_on_matches(
    fresh_database: Callable[[], str],
) -> None:
    """Accounts open and close meanwhile: read in another order, each match would be ruled so too."""
    log, dice = InputLog(), random.Random(5)
    for number in range(120):
        name = f"expenses:now-and-then-{number % 3}"
        if number % 5 == 0:
            # Of the same partition, and not judged: the chain is one.
            log.match(f"l{number}", "assets:stripe:in-transit")
        elif dice.random() < 0.5:
            log.match(f"l{number}", name)
        elif dice.random() < 0.5:
            log.ask("open_account", account=name, display="Now and then")
        else:
            log.ask("close_account", account=name)
    async with judged_journal(fresh_database()) as first:
        for batch in cut(log.records, dice):
            await first.book(batch)
        decided, content, heads = await refusals(first), await first.content(), await first.heads()
        assert {told["reason"] for told in decided} == {"account_known", "account_open"}
        assert await references(first)
        published = await first.published()
    for seed in range(3):
        async with judged_journal(fresh_database()) as again:
            await again.learn(published)
            order = random.Random(seed)
            for batch in cut(in_another_order(log.records, order), order):
                await again.book(batch)
            assert await refusals(again) == decided
            assert (await again.content(), await again.heads()) == (content, heads)


async def test_match_of_a_journal_of_before_stays_booked_when_it_is_rebuilt(
    fresh_database: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    log = InputLog()
    log.match("l1", TYPO)
    async with judged_journal(fresh_database()) as before:
        with monkeypatch.context() as patched:
            patched.setattr(books, "matches_to_judge", nothing_to_judge)
            await before.book(log.records)
        assert await references(before) == ["match:l1:1"]
        published, heads = await before.published(), await before.heads()
        # The same journal goes on: what stands there can be taken back, and once.
        await before.book([log.match("l1", TYPO, is_undone=True)])
        assert await references(before) == ["match:l1:1", "match:l1:1:undone"]
    async with judged_journal(fresh_database()) as again:
        await again.learn(published)
        await again.book(log.records[:1])
        assert (await references(again), await refusals(again)) == (["match:l1:1"], [])
        assert await again.heads() == heads


async def test_batch_of_matches_that_name_no_chosen_account_asks_for_no_account(
    fresh_database: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(*_: object, **__: object) -> Any:  # Any: it gives nothing
        raise AssertionError("the database was asked for what no message needs")

    for module, name in ((books, "read_activations"), (judges, "read_standings")):
        monkeypatch.setattr(module, name, never)
    log = InputLog()
    for number in range(3):
        log.match(f"l{number}", "assets:stripe:in-transit")
        log.line(f"l{number}", -300, "2024-06-01")
    async with judged_journal(fresh_database()) as journal:
        await journal.book(log.records)
        assert await references(journal) == [f"match:l{number}:1" for number in range(3)]
        with pytest.raises(AssertionError, match="no message needs"):
            await journal.book([log.match("l9", FEES)])


def told(*records: Record) -> list[Publication]:
    """These records, for the topics that they stand on."""
    return [Publication(each.topic, b"one", each.envelope()) for each in records]


async def test_refusal_is_the_same_to_a_rebuild_to_a_lost_database_and_to_the_oracle(
    rig: LedgerRig,
) -> None:
    log = InputLog()
    kafka = rig.settings().kafka
    async with rig.ledger():
        await rig.publish(
            *told(
                log.match("l1", TYPO),
                log.match("l2", TYPO),
                log.match("l2", TYPO, is_undone=True),
                log.match("l3", FEES),
            )
        )
        await rig.caught_up()
        await rig.publish(*told(log.ask("open_account", account=TYPO, display="Typo")))
        await rig.caught_up()
        # What was refused stays so; what is matched now is booked.
        await rig.publish(*told(log.match("l1", TYPO), log.match("l4", TYPO)))
        await rig.caught_up()
        stands = "select reference from ledger.entries where kind like 'match%' order by 1"
        booked = [row["reference"] for row in await rig.fetch(stands)]
        assert booked == ["match:l3:1", "match:l4:1"]
        assert (await audited(rig))[1]["differences"] == []
        compared, _ = await rebuild_and_compare(kafka, rig.dsn, BookMap())
        assert compared.differences == ()
    connection = await asyncpg.connect(rig.dsn)
    await connection.execute("drop schema ledger_read cascade")
    await connection.execute("drop schema ledger cascade")
    await connection.close()
    async with rig.ledger():
        await rig.caught_up()
        assert [row["reference"] for row in await rig.fetch(stands)] == booked
        assert (await audited(rig))[1]["differences"] == []
    # A match that stands nowhere and was refused nowhere is missing all the same.
    connection = await asyncpg.connect(rig.dsn)
    await connection.execute("set session_replication_role = replica")
    await connection.execute("delete from ledger.dead_letters")
    await connection.execute("delete from ledger.outcomes where outcome = 'refused'")
    await connection.close()
    missing = [
        d["subject"] for d in (await audited(rig))[1]["differences"] if d["kind"] == "missing"
    ]
    assert missing == ["match:l1:1", "match:l2:1"]
