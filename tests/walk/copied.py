"""A copy of the database in use, for whoever changes rows by hand; the books themselves stay."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Awaitable, Callable, Generator
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import orjson

from tests.support.tampering import Books, owned
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
        books = await owned(w.at.kafka, dsn)
        try:
            await change(books)
        finally:
            await books.owner.close()
        return dsn, books

    return asyncio.run(made())
