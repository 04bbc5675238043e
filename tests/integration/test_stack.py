"""The embedded stack: real processes, killed for real."""

import asyncio

import asyncpg
import pytest

from tests.support.stack import RunningStack

pytestmark = pytest.mark.stack


async def test_fresh_databases_are_empty_and_apart(stack: RunningStack, database_dsn: str) -> None:
    other = await asyncio.to_thread(stack.fresh_database)
    first = await asyncpg.connect(database_dsn)
    second = await asyncpg.connect(other)
    try:
        await first.execute("create table seen (id int)")
        found = await second.fetchval("select count(*) from pg_tables where tablename = 'seen'")
        assert found == 0
    finally:
        await first.close()
        await second.close()
        await asyncio.to_thread(stack.drop_database, other)
