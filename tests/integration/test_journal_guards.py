"""The journal refuses what breaks laws 6 and 8, whoever writes the SQL."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from datetime import UTC, datetime

import asyncpg
import pytest

from services.ledger.shell.booking.rows import ENTRY_COLUMNS, POSTING_COLUMNS
from services.ledger.shell.store import bring_up_to_date
from shared.runtime.postgres import Connection, set_codecs
from tests.support.ledger import until

pytestmark = pytest.mark.stack

AT = datetime(2026, 11, 21, tzinfo=UTC)
LATER = datetime(2026, 12, 1, tzinfo=UTC)
Leg = tuple[str, int, str]
BALANCED: Sequence[Leg] = (("debit", 100, "usd"), ("credit", 100, "usd"))


@pytest.fixture(params=["owner", "ledger_app"])
async def connection(
    database_dsn: str, request: pytest.FixtureRequest
) -> AsyncGenerator[Connection]:
    await bring_up_to_date(database_dsn)
    connection = await asyncpg.connect(database_dsn)
    await set_codecs(connection)
    await connection.execute("insert into ledger.origins (topic, partition) values ('t', 0)")
    await connection.execute("select ledger.open_journal_months('ledger', $1)", [AT.date()])
    if request.param != "owner":
        await connection.execute("set role ledger_app")
    yield connection
    await connection.close()


async def write_entry(
    on: Connection,
    sequence: int,
    posting_count: int = 2,
    *,
    at: datetime = AT,
    table: str = "entries",
) -> None:
    row = (
        *(1, sequence, "main", f"r:{sequence}", "manual_entry", AT, at, sequence, "m", 1, "", None),
        *(bytes(32), bytes(32), posting_count),
    )
    await on.copy_records_to_table(
        table, schema_name="ledger", records=[row], columns=ENTRY_COLUMNS
    )


async def write_postings(
    on: Connection,
    sequence: int,
    legs: Sequence[Leg],
    first_ordinal: int = 1,
    *,
    at: datetime = AT,
    table: str = "postings",
) -> None:
    rows = [
        (1, sequence, ordinal, "assets:bank:x", "", direction, minor, currency, 2, at)
        for ordinal, (direction, minor, currency) in enumerate(legs, first_ordinal)
    ]
    await on.copy_records_to_table(
        table, schema_name="ledger", records=rows, columns=POSTING_COLUMNS
    )


async def refused(on: Connection, sequence: int, legs: Sequence[Leg], count: int = 2) -> str | None:
    async def write() -> None:
        async with on.transaction():
            await write_entry(on, sequence, count)
            if legs:
                await write_postings(on, sequence, legs)

    with pytest.raises(asyncpg.CheckViolationError) as caught:
        await write()
    assert await on.fetchval("select count(*) from ledger.entries") == 0
    return caught.value.constraint_name


async def test_journal_takes_a_balanced_entry_in_either_order(connection: Connection) -> None:
    async with connection.transaction():
        await write_entry(connection, 1)
        await write_postings(connection, 1, BALANCED)
    async with connection.transaction():
        await write_postings(connection, 2, BALANCED)
        await write_entry(connection, 2)
    assert await connection.fetchval("select count(*) from ledger.entries") == 2


async def test_journal_takes_an_entry_whose_legs_come_one_by_one(connection: Connection) -> None:
    async with connection.transaction():
        await write_entry(connection, 1)
        await write_postings(connection, 1, BALANCED[:1])
        await write_postings(connection, 1, BALANCED[1:], first_ordinal=2)
    assert await connection.fetchval("select count(*) from ledger.postings") == 2


async def test_journal_of_an_entry_that_does_not_balance_refuses_the_commit(
    connection: Connection,
) -> None:
    legs = (("debit", 100, "usd"), ("credit", 99, "usd"))
    assert await refused(connection, 1, legs) == "entries_balance"


async def test_journal_of_an_entry_that_balances_only_across_currencies_refuses_the_commit(
    connection: Connection,
) -> None:
    legs = (("debit", 100, "usd"), ("credit", 100, "eur"))
    assert await refused(connection, 1, legs) == "entries_balance"


async def test_journal_of_an_entry_without_postings_refuses_the_commit(
    connection: Connection,
) -> None:
    assert await refused(connection, 1, ()) == "entries_postings_complete"


async def test_journal_of_an_entry_with_a_posting_too_few_refuses_the_commit(
    connection: Connection,
) -> None:
    assert await refused(connection, 1, BALANCED, count=3) == "entries_postings_complete"


async def test_journal_of_an_entry_of_one_posting_refuses_the_statement(
    connection: Connection,
) -> None:
    legs = (("debit", 100, "usd"),)
    assert await refused(connection, 1, legs, count=1) == "entries_posting_count_at_least_two"


async def test_journal_of_one_wrong_entry_among_many_refuses_them_all(
    connection: Connection,
) -> None:
    async def write() -> None:
        async with connection.transaction():
            for sequence in range(1, 6):
                await write_entry(connection, sequence)
                legs = BALANCED if sequence != 3 else (("debit", 1, "usd"), ("credit", 2, "usd"))
                await write_postings(connection, sequence, legs)

    with pytest.raises(asyncpg.CheckViolationError) as caught:
        await write()
    assert caught.value.constraint_name == "entries_balance"
    assert await connection.fetchval("select count(*) from ledger.entries") == 0


async def test_journal_of_postings_added_to_an_old_entry_refuses_the_commit(
    connection: Connection,
) -> None:
    async with connection.transaction():
        await write_entry(connection, 1)
        await write_postings(connection, 1, BALANCED)
    with pytest.raises(asyncpg.CheckViolationError) as caught:
        async with connection.transaction():
            await write_postings(connection, 1, BALANCED, first_ordinal=3)
    assert caught.value.constraint_name == "entries_postings_complete"
    assert await connection.fetchval("select count(*) from ledger.postings") == 2


async def test_journal_of_postings_without_an_entry_refuses_the_commit(
    connection: Connection,
) -> None:
    with pytest.raises(asyncpg.CheckViolationError) as caught:
        async with connection.transaction():
            await write_postings(connection, 7, BALANCED)
    assert caught.value.constraint_name == "postings_entry_exists"


async def test_journal_of_a_posting_of_zero_refuses_the_statement(connection: Connection) -> None:
    legs = (("debit", 0, "usd"), ("credit", 0, "usd"))
    assert await refused(connection, 1, legs) == "postings_minor_in_range"


@pytest.mark.parametrize("table", ["entries", "postings", "entries_2026_11", "postings_2026_11"])
@pytest.mark.parametrize(
    "change", ["update {} set sequence = sequence", "delete from {}", "truncate {}"]
)
async def test_journal_of_a_change_to_what_stands_refuses_it(
    connection: Connection, table: str, change: str
) -> None:
    async with connection.transaction():
        await write_entry(connection, 1)
        await write_postings(connection, 1, BALANCED)
    is_owner = await connection.fetchval("select current_user") != "ledger_app"
    expected = asyncpg.CheckViolationError if is_owner else asyncpg.InsufficientPrivilegeError
    with pytest.raises(expected) as caught:
        await connection.execute(change.format(f"ledger.{table}"))
    if is_owner:
        assert caught.value.constraint_name == "journal_append_only"
    assert await connection.fetchval("select count(*) from ledger.postings") == 2


async def test_journal_of_a_part_by_its_own_name_is_guarded_as_the_whole(
    connection: Connection,
) -> None:
    parts = ("entries_2026_11", "postings_2026_11")
    async with connection.transaction():
        await write_entry(connection, 1, table=parts[0])
        await write_postings(connection, 1, BALANCED, table=parts[1])

    async def write(legs: Sequence[Leg]) -> None:
        async with connection.transaction():
            await write_entry(connection, 2, table=parts[0])
            await write_postings(connection, 2, legs, table=parts[1])

    for legs, broken in (
        (BALANCED[:1], "entries_postings_complete"),
        ((("debit", 1, "usd"), ("credit", 2, "usd")), "entries_balance"),
    ):
        with pytest.raises(asyncpg.CheckViolationError) as caught:
            await write(legs)
        assert caught.value.constraint_name == broken
    assert await connection.fetchval("select count(*) from ledger.entries") == 1


async def test_journal_of_a_sequence_told_again_in_another_month_refuses_it(
    connection: Connection,
) -> None:
    async with connection.transaction():
        await write_entry(connection, 1)
        await write_postings(connection, 1, BALANCED)
    with pytest.raises(asyncpg.CheckViolationError) as caught:
        await write_entry(connection, 1, at=LATER)
    assert caught.value.constraint_name == "entries_sequence_unique"


async def test_journal_of_postings_in_another_month_than_their_entry_refuses_the_commit(
    connection: Connection,
) -> None:
    async def write() -> None:
        async with connection.transaction():
            await write_entry(connection, 1)
            await write_postings(connection, 1, BALANCED, at=LATER)

    with pytest.raises(asyncpg.CheckViolationError):
        await write()
    assert await connection.fetchval("select count(*) from ledger.postings") == 0


async def test_journal_of_a_month_that_is_not_open_refuses_the_entry(
    connection: Connection,
) -> None:
    far = datetime(2031, 1, 1, tzinfo=UTC)
    with pytest.raises(asyncpg.CheckViolationError):
        await write_entry(connection, 1, at=far)
    await connection.execute("select ledger.open_journal_months('ledger', $1)", [far.date()])
    async with connection.transaction():
        await write_entry(connection, 1, at=far)
        await write_postings(connection, 1, BALANCED, at=far)
    assert await connection.fetchval("select count(*) from ledger.entries_2031_01") == 1
    assert await connection.fetchval("select to_regclass('ledger.entries_2031_02')") is not None


async def test_journal_of_notes_leaves_none_behind(connection: Connection) -> None:
    async with connection.transaction():
        await write_entry(connection, 1)
        await write_postings(connection, 1, BALANCED)
    await connection.execute("reset role")
    assert await connection.fetchval("select count(*) from ledger.journal_notes") == 0


async def test_journal_reader_sees_the_views_and_nothing_else(database_dsn: str) -> None:
    await bring_up_to_date(database_dsn)
    connection = await asyncpg.connect(database_dsn)
    try:
        await connection.execute("set role ledger_reader")
        assert await connection.fetch("select book from ledger_read.entries") == []
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.fetch("select book from ledger.entries")
        with pytest.raises(asyncpg.PostgresError):
            await connection.execute("delete from ledger_read.open_items")
    finally:
        await connection.close()


async def test_two_that_open_one_month_take_turns_and_the_second_finds_it(
    connection: Connection, database_dsn: str
) -> None:
    opening = "select ledger.open_journal_months('ledger', $1)"
    month = [datetime(2031, 5, 1, tzinfo=UTC).date()]
    second = await asyncpg.connect(database_dsn)
    try:
        async with connection.transaction():
            await connection.execute(opening, month)
            waiting = asyncio.create_task(second.execute(opening, month))

            async def is_waiting() -> bool:
                return bool(
                    await connection.fetchval(
                        "select count(*) from pg_locks where pid = $1 and not granted",
                        second.get_server_pid(),
                    )
                )

            await until("the second to wait for the first", is_waiting)
        assert await waiting == "SELECT 1"
    finally:
        await second.close()
