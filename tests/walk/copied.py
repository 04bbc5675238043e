"""A copy of the database in use, for whoever changes rows by hand; the books themselves stay."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Awaitable, Callable, Generator
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import orjson

from shared.runtime.postgres import set_codecs
from tests.support.tampering import Books
from tests.walk.walking import Walk

# What brings new messages without being asked; while they rest, the copy has all that was told.
FEEDERS = ("feeds", "poller")
ORIGINAL = "walk_original"
TOUCHED = "walk_touched"


@contextlib.contextmanager
def resting(w: Walk) -> Generator[None]:
    """Nothing is fetched from Stripe or a bank within the block."""
    folder = w.at.folder / "processes"
    pids = [int(orjson.loads((folder / f"{name}.pid").read_bytes())["pid"]) for name in FEEDERS]
    try:
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        w.booked()
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def address_of(w: Walk, name: str) -> str:
    """The address of another database on the same server."""
    return urlunsplit(urlsplit(w.dsn)._replace(path=f"/{name}"))


@contextlib.contextmanager
def copied(w: Walk) -> Generator[None]:
    """A copy of the books in use as ``ORIGINAL``, which nobody is connected to."""
    source = urlsplit(w.dsn).path.removeprefix("/")

    async def copy() -> None:
        admin = await asyncpg.connect(address_of(w, "postgres"))
        try:
            # A database is copied while nobody is in it: the services wait and come again.
            await admin.execute(f'alter database "{source}" with allow_connections false')
            await admin.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity where datname = $1", source
            )
            await admin.execute(f'drop database if exists "{ORIGINAL}"')
            await admin.execute(f'create database "{ORIGINAL}" template "{source}"')
        finally:
            await admin.execute(f'alter database "{source}" with allow_connections true')
            await admin.close()

    asyncio.run(copy())
    try:
        yield
    finally:
        for name in (TOUCHED, ORIGINAL):
            asyncio.run(_dropped(w, name))


async def _dropped(w: Walk, name: str) -> None:
    admin = await asyncpg.connect(address_of(w, "postgres"))
    try:
        await admin.execute(f'drop database if exists "{name}" with (force)')
    finally:
        await admin.close()


def touched(w: Walk, change: Callable[[Books], Awaitable[None]]) -> tuple[str, Books]:
    """A fresh copy with a change by its owner, whom no trigger stops; its address, what he touched.

    The origin with most entries is touched, in its middle.
    """

    async def made() -> tuple[str, Books]:
        await _dropped(w, TOUCHED)
        admin = await asyncpg.connect(address_of(w, "postgres"))
        try:
            await admin.execute(f'create database "{TOUCHED}" template "{ORIGINAL}"')
        finally:
            await admin.close()
        dsn = address_of(w, TOUCHED)
        owner = await asyncpg.connect(dsn)
        try:
            await set_codecs(owner)
            await owner.execute("set session_replication_role = replica; set search_path = ledger")
            books = await _in_the_middle(w, dsn, owner)
            await change(books)
        finally:
            await owner.close()
        return dsn, books

    return asyncio.run(made())


async def _in_the_middle(w: Walk, dsn: str, owner: "asyncpg.Connection[asyncpg.Record]") -> Books:
    row = await owner.fetchrow(
        "select origin_id, topic || '/' || partition as origin, sequence from origins"
        " order by sequence desc, origin_id limit 1"
    )
    assert row is not None
    entry = row["sequence"] // 2
    reference = await owner.fetchval(
        "select reference from entries where origin_id = $1 and sequence = $2",
        row["origin_id"],
        entry,
    )
    place = (row["origin_id"], row["origin"], row["sequence"], entry, reference)
    return Books(w.at.kafka, dsn, owner, *place)
