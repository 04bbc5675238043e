"""Pools, codecs, retries, migrations and positions on a real Postgres."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

import asyncpg
import pytest

from sandbox.stack.ports import free_ports
from shared.contracts.errors import InvariantBroken, Unavailable
from shared.runtime.kafka import Partition
from shared.runtime.migrations import MigrationInvalid, migrate
from shared.runtime.positions import (
    Fenced,
    Log,
    begin_positions,
    move_positions,
    read_positions,
)
from shared.runtime.postgres import Database, Tx
from shared.runtime.settings import SettingsInvalid

pytestmark = pytest.mark.stack

LOG = Log("cluster", {"a": "id-a", "b": "id-b"})
A0, A1, B0 = Partition("a", 0), Partition("a", 1), Partition("b", 0)


@pytest.fixture
async def database(database_dsn: str) -> AsyncGenerator[Database]:
    database = await Database.open(database_dsn, search_path="public")
    yield database
    await database.close()


@pytest.fixture
async def positions(database: Database) -> Database:
    async with database.transaction() as tx:
        await tx.execute(
            "create table positions (cluster_id text, topic_id text, topic text,"
            " partition integer, next_offset bigint, primary key (cluster_id, topic, partition))"
        )
        await begin_positions(tx, LOG, [A0, A1, B0])
    return database


@pytest.mark.parametrize("value", [0, 1, -1, 9999, 10000, 10**8, -(10**30), 10**38 - 1])
async def test_money_comes_back_from_the_database_as_the_same_integer(
    database: Database, value: int
) -> None:
    async with database.connection() as connection:
        assert await connection.fetchval("select $1::numeric(38, 0)", value) == value
        assert await connection.fetchval("select $1::numeric::text", value) == str(value)
        assert await connection.fetchval("select sum(x) from unnest($1::numeric[]) x", [value]) == (
            value
        )


async def test_money_is_copied_in_as_the_same_integer(database: Database) -> None:
    async with database.transaction() as tx:
        await tx.execute("create table t (x numeric(38, 0))")
        await tx.copy_records_to_table("t", records=[(10**30,), (-7,)])
        assert await tx.fetchval("select sum(x) from t") == 10**30 - 7


async def test_json_comes_and_goes_as_plain_values(database: Database) -> None:
    async with database.connection() as connection:
        told = {"a": [1, "ä", None]}
        assert await connection.fetchval("select $1::jsonb", told) == told


async def test_work_that_collides_is_tried_again(database: Database) -> None:
    async with database.transaction() as tx:
        await tx.execute("create table t (x integer)")
        await tx.execute("insert into t values (0)")

    async def add(tx: Tx) -> None:
        found = await tx.fetchval("select x from t")
        await asyncio.sleep(0)  # lets the others read the same row first
        await tx.execute("update t set x = $1", found + 1)

    await asyncio.gather(
        *(database.run(add, isolation="serializable", attempts_max=20) for _ in range(3))
    )
    async with database.connection() as connection:
        assert await connection.fetchval("select x from t") == 3


async def test_work_that_always_collides_gives_up(database: Database) -> None:
    tried: list[int] = []

    async def collides(_: Tx) -> None:
        tried.append(1)
        raise asyncpg.DeadlockDetectedError("deadlock")

    with pytest.raises(Unavailable, match="3 attempts collided"):
        await database.run(collides, attempts_max=3)
    assert len(tried) == 3


async def test_work_that_fails_leaves_nothing_behind(database: Database) -> None:
    async def fails(tx: Tx) -> None:
        await tx.execute("create table t (x integer)")
        raise KeyError("x")

    with pytest.raises(KeyError):
        await database.run(fails)
    async with database.connection() as connection:
        assert await connection.fetchval("select to_regclass('t')") is None


async def test_database_that_is_not_there_is_unavailable() -> None:
    (port,) = free_ports(1)
    with pytest.raises(Unavailable):
        await Database.open(f"postgresql://x@127.0.0.1:{port}/x", search_path="public")


async def test_connection_that_is_cut_is_unavailable_and_the_next_one_works(
    database: Database,
) -> None:
    async def cut(tx: Tx) -> None:
        await tx.execute("select pg_terminate_backend(pg_backend_pid())")

    with pytest.raises(Unavailable):
        await database.run(cut)
    async with database.connection() as connection:
        assert await connection.fetchval("select 1") == 1


async def test_positions_move_only_from_where_they_are_expected(positions: Database) -> None:
    async with positions.transaction() as tx:
        await move_positions(tx, LOG, {A0: (0, 5), B0: (0, 2)})
    async with positions.transaction() as tx:
        assert await read_positions(tx, LOG) == {A0: 5, A1: 0, B0: 2}

    async def late(tx: Tx) -> None:
        await move_positions(tx, LOG, {A0: (5, 6), B0: (0, 3)})

    with pytest.raises(Fenced) as fenced:
        await positions.run(late)
    assert fenced.value.partitions == (B0,)
    async with positions.transaction() as tx:
        assert await read_positions(tx, LOG) == {A0: 5, A1: 0, B0: 2}


async def test_positions_of_two_movers_at_once_go_to_one_of_them(positions: Database) -> None:
    async def move(tx: Tx) -> None:
        await move_positions(tx, LOG, {A0: (0, 1), A1: (0, 1), B0: (0, 1)})

    outcomes = await asyncio.gather(
        *(positions.run(move) for _ in range(4)), return_exceptions=True
    )
    assert sum(outcome is None for outcome in outcomes) == 1
    assert sum(isinstance(outcome, Fenced) for outcome in outcomes) == 3


@pytest.mark.parametrize(
    "other", [Log("elsewhere", LOG.topic_ids), Log("cluster", {"a": "anew", "b": "id-b"})]
)
async def test_positions_of_another_cluster_or_topic_are_never_taken_for_ours(
    positions: Database, other: Log
) -> None:
    async def begin(tx: Tx) -> None:
        await begin_positions(tx, other, [A0])

    with pytest.raises(InvariantBroken, match="not the one that answers"):
        await positions.run(begin)


async def test_migrations_are_applied_once_each_and_never_when_edited(
    database_dsn: str, tmp_path: Path
) -> None:
    (tmp_path / "0001_lamp.sql").write_text("create table lamp (x integer);")
    assert await migrate(database_dsn, schema="room", folder=tmp_path) == ["0001_lamp"]
    (tmp_path / "0002_more.sql").write_text("alter table lamp add y integer;")
    both = [migrate(database_dsn, schema="room", folder=tmp_path) for _ in range(3)]
    assert sorted(await asyncio.gather(*both)) == [[], [], ["0002_more"]]
    (tmp_path / "0001_lamp.sql").write_text("create table lamp (x bigint);")
    with pytest.raises(MigrationInvalid, match="0001_lamp was edited"):
        await migrate(database_dsn, schema="room", folder=tmp_path)


async def test_migrations_that_fail_leave_the_schema_as_it_was(
    database_dsn: str, database: Database, tmp_path: Path
) -> None:
    (tmp_path / "0001_lamp.sql").write_text("create table lamp (x integer);")
    (tmp_path / "0002_bad.sql").write_text("create table nonsense (x no_such_type);")
    with pytest.raises(asyncpg.UndefinedObjectError):
        await migrate(database_dsn, schema="room", folder=tmp_path)
    async with database.connection() as connection:
        assert await connection.fetchval("select to_regclass('room.lamp')") is None


async def test_migrations_of_two_generations_stand_side_by_side(
    database_dsn: str, database: Database, tmp_path: Path
) -> None:
    (tmp_path / "0001_lamp.sql").write_text("create table lamp (x integer);")
    for schema in ("room", "room_rebuild_1"):
        assert await migrate(database_dsn, schema=schema, folder=tmp_path) == ["0001_lamp"]
    async with database.connection() as connection:
        assert await connection.fetchval("select to_regclass('room_rebuild_1.lamp')") is not None
    with pytest.raises(MigrationInvalid, match="not a name"):
        await migrate(database_dsn, schema="x; drop schema room", folder=tmp_path)


async def test_database_that_the_server_does_not_have_is_a_setting_to_correct(
    database_dsn: str, tmp_path: Path
) -> None:
    elsewhere = database_dsn.rpartition("/")[0] + "/nowhere"
    for opening in (
        Database.open(elsewhere, search_path="public", wait_seconds=30),
        migrate(elsewhere, schema="nothing", folder=tmp_path, wait_seconds=30),
    ):
        with pytest.raises(SettingsInvalid, match=r"POSTGRES_DSN.*nowhere"):
            await opening
