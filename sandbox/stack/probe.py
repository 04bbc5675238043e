"""Real questions to Kafka and Postgres: do they answer, and with what settings?

The only file of the stack that speaks their protocols. Each question opens a connection of
its own, asks and closes it, on a thread of its own, so that it can be asked from anywhere.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

import asyncpg

from shared.contracts.errors import Unavailable

if TYPE_CHECKING:
    from shared.runtime.kafka_client import KafkaAddress

PROBE_TIMEOUT_SECONDS: Final = 5.0
# Postgres copies a database file by file, and writes out all that is dirty before one goes.
DATABASE_TIMEOUT_SECONDS: Final = 60.0

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class KafkaFacts:
    """What a cluster says about itself."""

    cluster_id: str
    brokers: int
    settings: dict[str, str]


@dataclass(frozen=True, slots=True)
class PostgresFacts:
    """What a server says about itself."""

    version: str
    settings: dict[str, str]
    clock_skew_seconds: float
    is_superuser: bool


def ask(
    question: Callable[[], Coroutine[Any, Any, Answer]],
    *,
    timeout_seconds: float = PROBE_TIMEOUT_SECONDS,
) -> Answer:
    """The answer to an asynchronous question, from code that may itself run in a loop."""
    answers: list[Answer] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            answers.append(asyncio.run(_bounded(question, timeout_seconds)))
        except BaseException as error:  # noqa: BLE001 - raised again in the caller's thread
            errors.append(error)

    thread = threading.Thread(target=run, name="probe", daemon=True)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return answers[0]


async def _bounded(
    question: Callable[[], Coroutine[Any, Any, Answer]], timeout_seconds: float
) -> Answer:
    async with asyncio.timeout(timeout_seconds):
        return await question()


def kafka_facts(where: "KafkaAddress | str") -> KafkaFacts:
    """What the cluster answers; its broker settings are those of one broker.

    Raises:
        OSError: It does not answer (``TimeoutError`` is one).
    """
    return ask(lambda: _kafka_facts(where))


async def _kafka_facts(where: "KafkaAddress | str") -> KafkaFacts:
    # A slow import, and of no use where only Postgres is asked.
    from shared.runtime.kafka_client import ADMIN, admin_client  # noqa: PLC0415 - see above

    # A broker that is not up yet is the ordinary case here, not news.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    kinds = ADMIN.config_resource
    settings: dict[str, str] = {}
    try:
        async with admin_client(where) as admin:
            cluster = await admin.describe_cluster()
            broker = str(cluster["brokers"][0]["node_id"])
            resource = kinds.ConfigResource(kinds.ConfigResourceType.BROKER, broker)
            for response in await admin.describe_configs([resource]):
                for _code, _message, _kind, _name, entries in response.resources:
                    settings |= {str(entry[0]): str(entry[1]) for entry in entries}
            return KafkaFacts(str(cluster["cluster_id"]), len(cluster["brokers"]), settings)
    except Unavailable as error:
        raise ConnectionError(str(error)) from error
    except IndexError:
        raise ConnectionError("the cluster has no broker yet") from None


def postgres_facts(dsn: str) -> PostgresFacts:
    """What the server answers.

    Raises:
        OSError: It does not answer (``TimeoutError`` is one).
    """
    return ask(lambda: _postgres_facts(dsn))


async def _postgres_facts(dsn: str) -> PostgresFacts:
    connection = await _connect(dsn)
    try:
        rows = await connection.fetch("select name, setting from pg_settings")
        settings = {str(row["name"]): str(row["setting"]) for row in rows}
        now = await connection.fetchval("select extract(epoch from clock_timestamp())::float8")
        skew = float(now) - time.time()
        return PostgresFacts(
            settings["server_version"], settings, skew, settings.get("is_superuser") == "on"
        )
    finally:
        await connection.close(timeout=PROBE_TIMEOUT_SECONDS)


async def _connect(dsn: str) -> "asyncpg.Connection[asyncpg.Record]":
    try:
        return await asyncpg.connect(dsn, timeout=PROBE_TIMEOUT_SECONDS)
    except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise ConnectionError(f"{type(error).__name__}: {error}") from error


def create_database(dsn: str, name: str, *, template: str = "template1") -> bool:
    """Create a database next to the one of the address; whether it was not there before.

    Args:
        dsn: The address of any database of the server.
        name: What the new one is to be called.
        template: What it is a copy of; nobody may be connected to that.

    Raises:
        ValueError: A name is not a plain lower-case word.
        OSError: The server does not answer.
    """
    for word in (name, template):
        if not (word.isascii() and word.replace("_", "").isalnum() and word == word.lower()):
            raise ValueError(f"{word!r} is not a plain lower-case word")
    return ask(
        lambda: _create_database(dsn, name, template), timeout_seconds=DATABASE_TIMEOUT_SECONDS
    )


async def _create_database(dsn: str, name: str, template: str) -> bool:
    connection = await _connect(dsn)
    try:
        await connection.execute(f'create database "{name}" template "{template}"')
    except asyncpg.DuplicateDatabaseError:
        return False
    else:
        return True
    finally:
        await connection.close(timeout=PROBE_TIMEOUT_SECONDS)


def drop_database(dsn: str, name: str) -> None:
    """Drop a database, with the connections that others still have to it."""
    ask(lambda: _drop_database(dsn, name), timeout_seconds=DATABASE_TIMEOUT_SECONDS)


async def _drop_database(dsn: str, name: str) -> None:
    connection = await _connect(dsn)
    try:
        await connection.execute(f'drop database if exists "{name}" with (force)')
    finally:
        await connection.close(timeout=PROBE_TIMEOUT_SECONDS)


def wait_until(
    question: Callable[[], object], *, timeout_seconds: float, is_alive: Callable[[], bool]
) -> Exception | None:
    """None once a question gets an answer, or why it got none in time."""
    deadline = time.monotonic() + timeout_seconds
    while True:
        try:
            question()
        except (OSError, TimeoutError) as error:
            if time.monotonic() >= deadline or not is_alive():
                return error
            time.sleep(0.05)  # bounded poll: the deadline above
        else:
            return None
