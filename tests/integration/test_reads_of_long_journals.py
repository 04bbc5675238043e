"""What a read costs does not grow with the journal: told by rows and pages read, never by time."""

import json
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Final, TypeAlias

import asyncpg
import pytest

from tests.bench.statements_journal import fill

pytestmark = pytest.mark.stack
Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
Json = dict[str, Any]  # Any: JSON
FEW, MANY = 40_000, 200_000
MIDDLE: Final = datetime(2026, 7, 16, tzinfo=UTC)
NOWHERE: Final = (datetime.min.replace(tzinfo=UTC), 0, 0, 0)
# Readings that give as much of either journal, and how many times the pages they may read of the longer
# one; the busy account's whole days are read while they hold no more than a thousand of its postings.
READINGS: Final = {
    "entries": (
        1.1,
        "select * from entries_of_origin('main', 'stripe.events', 3, $1, 100)",
        (100,),
    ),
    "postings of entries": (
        1.1,
        "select * from postings_of_sequences('stripe.events', 3, $1, $2, $3)",
        (list(range(1, 101)), datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)),
    ),
    "busy account": (
        2.5,
        (
            "select * from page_of_account('main', 'assets:stripe:balance', 'UTC', $1, null, null,"
            " $2, $3, $4, $5, 100)"
        ),
        (date(2026, 7, 1), *NOWHERE),
    ),
}


@dataclass(frozen=True, slots=True)
class Journals:
    """A journal, and one five times as long of the same year."""

    short: Connection
    long: Connection


@pytest.fixture(scope="module")
async def journals(fresh_database: Callable[[], str]) -> AsyncGenerator[Journals]:
    made: list[Connection] = []
    for postings in (FEW, MANY):
        dsn = fresh_database()
        await fill(dsn, postings)
        made.append(await asyncpg.connect(dsn))
        await made[-1].execute("set search_path = ledger_read")
    yield Journals(*made)
    for each in made:
        await each.close()


async def pages(journal: Connection, query: str, *arguments: object) -> int:
    """How many pages a query reads once it has been planned."""
    explained = f"explain (analyze, buffers, format json) {query}"
    await journal.fetchval(explained, *arguments)
    told: Json = json.loads(await journal.fetchval(explained, *arguments))[0]
    plan = told["Plan"]
    assert plan["Actual Rows"] > 0
    return int(plan["Shared Hit Blocks"]) + int(plan["Shared Read Blocks"])


@pytest.mark.parametrize("reading", READINGS)
async def test_page_reads_no_more_of_a_long_journal_than_of_a_short_one(
    journals: Journals, reading: str
) -> None:
    times, query, arguments = READINGS[reading]
    short = await pages(journals.short, query, *arguments)
    long = await pages(journals.long, query, *arguments)
    assert long <= short * times + 200, (short, long)


async def test_page_of_a_seldom_account_passes_over_what_is_not_its_own(
    journals: Journals,
) -> None:
    page = (
        "select * from page_of_account('main', 'expenses:domain', 'UTC', '2026-03-01', null, null,"
        " $1, $2, $3, $4, 50)"
    )
    by_entries = (
        "select * from movements_of_account('main', 'expenses:domain', $5, $6, null,"
        " $1, $2, $3, $4, 50)"
    )
    spans = [datetime(2026, 3, 1, tzinfo=UTC)], [datetime(2027, 1, 1, tzinfo=UTC)]
    walked = await pages(journals.long, by_entries, *NOWHERE, *spans)
    assert await pages(journals.long, page, *NOWHERE) < walked / 5


async def test_keys_as_of_a_moment_are_those_of_the_journal_and_little_of_it_is_read(
    journals: Journals,
) -> None:
    asked = "from open_keys_as_of('main', 'assets:stripe', 'UTC', $1, $2, 500001)"
    for effective, recorded in ((MIDDLE, None), (None, MIDDLE), (MIDDLE, MIDDLE)):
        found = await journals.long.fetch(
            f"select account, key, currency, minor {asked} order by 1, 2, 3",
            effective,
            recorded,
        )
        expected = await journals.long.fetch(
            "select account, key, currency,"
            " sum(case direction when 'debit' then minor else -minor end) as minor"
            " from ledger_read.account_postings"
            " where account like 'assets:stripe:%' and key <> ''"
            " and stands_at < coalesce($1::timestamptz, 'infinity')"
            " and recorded_at < coalesce($2::timestamptz, 'infinity')"
            " group by 1, 2, 3"
            " having sum(case direction when 'debit' then minor else -minor end) <> 0"
            " order by 1, 2, 3",
            effective,
            recorded,
        )
        assert found == expected
        looked_at = await journals.long.fetchval(
            f"select max(looked_at) {asked}",
            effective,
            recorded,
        )
        # Half of what has a key is behind the moment; what is kept is at most sixteen days away.
        assert len(found) < looked_at < len(found) + MANY * 0.6 * 20 / 363
