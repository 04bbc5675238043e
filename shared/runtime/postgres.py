"""Postgres: a pool with exact codecs, transactions that are retried, queries kept in files.

Money columns are ``numeric(38, 0)`` and come and go as ``int``; ``jsonb`` as plain values.
"""

import asyncio
import struct
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Literal, TypeAlias, TypeVar

import aiosql
import asyncpg
import orjson
from asyncpg.pool import PoolConnectionProxy

from shared.contracts.errors import Unavailable
from shared.runtime.kafka_client import patiently
from shared.runtime.settings import PREFIX, SettingsInvalid

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
Tx: TypeAlias = "Connection | PoolConnectionProxy[asyncpg.Record]"
Isolation: TypeAlias = Literal["read_committed", "repeatable_read", "serializable"]

ATTEMPTS_MAX: Final = 5
RETRY_SECONDS: Final = 0.02
COMMAND_SECONDS_MAX: Final = 60.0
CONNECT_SECONDS_MAX: Final = 5.0

_AIOSQL: Any = aiosql  # Any: its queries are attributes named by the file
_Found = TypeVar("_Found")
_AWAY = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.OperatorInterventionError,
    # The wire broke in the middle of a statement, and the rollback found the client half-way.
    asyncpg.InternalClientError,
)
_NUMERIC_HEAD: Final = struct.Struct(">HhHH")
_ONE_DIGIT: Final = struct.Struct(">HhHHH")
_TWO_DIGITS: Final = struct.Struct(">HhHHHH")
_NUMERIC_NEGATIVE: Final = 0x4000
_BASE: Final = 10_000


@contextmanager
def refusal_is_a_setting() -> Generator[None]:
    """Turn a server that knows no such user, password or database into a setting to correct."""
    try:
        yield
    except (
        asyncpg.InvalidAuthorizationSpecificationError,
        asyncpg.InvalidCatalogNameError,
    ) as error:
        raise SettingsInvalid(f"{PREFIX}POSTGRES_DSN: the server refuses it: {error}") from None


class Database:
    """A pool of connections that see one schema and, where told, act as one role."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]") -> None:
        self._pool = pool

    @classmethod
    async def open(
        cls,
        dsn: str,
        *,
        search_path: str,
        role: str = "",
        connections_max: int = 4,
        wait_seconds: float = 0.0,
        application: str = "tallystick",
        command_seconds_max: float = COMMAND_SECONDS_MAX,
        more_settings: Mapping[str, str] = MappingProxyType({}),
    ) -> "Database":
        """A database whose unqualified names are those of ``search_path``.

        Args:
            dsn: The address.
            search_path: Schemas, comma-separated.
            role: Taken on by each connection from its first statement on.
            connections_max: The pool's bound.
            wait_seconds: How long to wait for a server that does not answer yet.
            application: Shown in ``pg_stat_activity``.
            command_seconds_max: How long one statement may take.
            more_settings: Of the server, for these connections.

        Raises:
            Unavailable: The server does not answer in that time.
            SettingsInvalid: It knows no such user, password or database; waiting mends nothing.
        """
        settings = {"search_path": search_path, "application_name": application, "jit": "off"}
        settings |= more_settings
        if role:
            settings["role"] = role

        async def opened() -> "asyncpg.Pool[asyncpg.Record]":
            with _away_is_unavailable(), refusal_is_a_setting():
                return await asyncpg.create_pool(
                    dsn,
                    min_size=1,
                    max_size=connections_max,
                    timeout=CONNECT_SECONDS_MAX,
                    command_timeout=command_seconds_max,
                    server_settings=settings,
                    init=set_codecs,
                    reset=_nothing_to_reset,
                )

        return cls(await patiently(opened, what="Postgres", give_up_after_seconds=wait_seconds))

    async def close(self) -> None:
        """Give the connections back; those that hang are cut."""
        try:
            async with asyncio.timeout(2):
                await self._pool.close()
        except (TimeoutError, *_AWAY, asyncpg.InterfaceError):
            self._pool.terminate()

    @asynccontextmanager
    async def connection(self) -> AsyncGenerator[Tx]:
        """A connection without a transaction.

        Raises:
            Unavailable: The server went away.
        """
        with _away_is_unavailable():
            connection = await self._pool.acquire(timeout=CONNECT_SECONDS_MAX)
            try:
                yield connection
            except asyncpg.InterfaceError as error:
                if _is_gone(connection):
                    raise Unavailable(f"Postgres: {error}") from error
                raise
            finally:
                await self._pool.release(connection)

    @asynccontextmanager
    async def transaction(self, isolation: Isolation = "read_committed") -> AsyncGenerator[Tx]:
        """A connection in a transaction: committed at the end, rolled back on any error.

        Raises:
            Unavailable: The server went away; whether it had committed is not known.
        """
        async with self.connection() as connection, connection.transaction(isolation=isolation):
            yield connection

    async def run(
        self,
        work: Callable[[Tx], Awaitable[_Found]],
        *,
        isolation: Isolation = "read_committed",
        attempts_max: int = ATTEMPTS_MAX,
    ) -> _Found:
        """What ``work`` gives in a transaction of its own; deadlocks and the like are retried.

        Raises:
            Unavailable: The server went away, or every attempt collided.
        """
        for attempt in range(1, attempts_max + 1):
            try:
                async with self.transaction(isolation) as tx:
                    return await work(tx)
            except asyncpg.TransactionRollbackError as error:
                if isinstance(error, asyncpg.TransactionIntegrityConstraintViolationError):
                    raise
                if attempt == attempts_max:
                    raise Unavailable(f"{attempt} attempts collided: {error}") from error
                await asyncio.sleep(RETRY_SECONDS * attempt)  # the attempts are bounded
        raise Unavailable("no attempt was allowed")


async def _nothing_to_reset(_: Connection) -> None:
    """Spare each transaction a question to the server: what we set is of a transaction alone.

    One that is still open when its connection comes back is rolled back before this is asked.
    """


def load_queries(folder: Path) -> Mapping[str, str]:
    """The queries of a folder's ``.sql`` files by name, with their parameters as ``$1, $2 …``.

    Each stands under ``-- name: insert_entry``; a name that stands twice is refused.
    """
    named: dict[str, str] = {}
    for file in sorted(folder.glob("*.sql")):
        queries = _AIOSQL.from_path(file, "asyncpg", mandatory_parameters=False)
        for name in queries.available_queries:
            if name.endswith("_cursor"):
                continue
            if name in named:
                raise ValueError(f"query {name} stands twice in {folder}")
            named[name] = getattr(queries, name).sql
    return MappingProxyType(named)


async def set_codecs(connection: Connection) -> None:
    """Teach a connection that ``numeric`` is ``int`` and ``jsonb`` is plain values."""
    await connection.set_type_codec(
        "numeric",
        schema="pg_catalog",
        format="binary",
        encoder=numeric_bytes,
        decoder=numeric_int,
    )
    await connection.set_type_codec(
        "jsonb",
        schema="pg_catalog",
        format="binary",
        encoder=lambda value: b"\x01" + orjson.dumps(value),
        decoder=lambda data: orjson.loads(bytes(data)[1:]),
    )


def numeric_bytes(value: int) -> bytes:
    """An integer as Postgres sends ``numeric``: base-10000 digits, exact at any size."""
    if type(value) is not int:
        raise TypeError(f"a numeric column takes an int, not {type(value).__name__}")
    if 0 < value < _BASE:
        return _ONE_DIGIT.pack(1, 0, 0, 0, value)
    if 0 < value < _BASE * _BASE:
        return _TWO_DIGITS.pack(2, 1, 0, 0, *divmod(value, _BASE))
    sign, rest = (_NUMERIC_NEGATIVE, -value) if value < 0 else (0, value)
    digits: list[int] = []
    while rest:
        rest, digit = divmod(rest, _BASE)
        digits.append(digit)
    digits.reverse()
    head = _NUMERIC_HEAD.pack(len(digits), max(0, len(digits) - 1), sign, 0)
    return head + struct.pack(f">{len(digits)}H", *digits)


def numeric_int(data: bytes) -> int:
    """The integer of a ``numeric``.

    Raises:
        ValueError: It is NaN, infinite, or has a fraction.
    """
    count, weight, sign, _ = _NUMERIC_HEAD.unpack_from(data)
    if sign not in (0, _NUMERIC_NEGATIVE):
        raise ValueError("a numeric is NaN or infinite where an integer was due")
    digits = struct.unpack_from(f">{count}H", data, _NUMERIC_HEAD.size)
    if any(digits[max(0, weight + 1) :]):
        raise ValueError("a numeric has a fraction where an integer was due")
    value = 0
    for place in range(weight + 1):
        value = value * _BASE + (digits[place] if place < count else 0)
    return -value if sign else value


def _is_gone(connection: Tx) -> bool:
    """Whether a connection has been lost; the pool takes such a one back by itself."""
    try:
        return connection.is_closed()
    except asyncpg.InterfaceError:
        return True


class _away_is_unavailable:  # noqa: N801  # read as a phrase: with _away_is_unavailable()
    """Turns what a missing server raises into ``Unavailable``."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, _AWAY) and not isinstance(error, Unavailable):
            raise Unavailable(f"Postgres: {type(error).__name__}: {error}") from error
