"""Generations of the journal, side by side in one database, and the swap of the one in use.

    ledger      the generation in use, whatever its number
    ledger_gN   any other: being built, kept from before, or kept to look into

The name is the pointer. Nobody holds another one: SQL is unqualified, and Postgres finds names
anew after the swap's commit, in plans made before it too. A transaction that has touched a table
of the generation in use is waited for, so each one works on one generation from its first
statement to its last. Views that read the generation are bound to its tables and not to its name;
they are made anew, under the same names, in the swap's own transaction.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import asyncpg

from services.ledger.shell.queries import SQL
from services.ledger.shell.store import SCHEMA, bring_up_to_date
from shared.contracts.errors import InvariantBroken, Refused, Unavailable
from shared.runtime.postgres import (
    CONNECT_SECONDS_MAX,
    Connection,
    refusal_is_a_setting,
    set_codecs,
)

# What a commit under way is to check, decisions that are to be followed, where they are not those
# that the journal made itself, and what stood open when a replay came by: nothing, or before the
# first entry.
_PASSING: Final = frozenset({"journal_notes", "decisions", "kept", "kept_heads", "kept_items"})
_AWAY = (OSError, TimeoutError, asyncpg.PostgresConnectionError, asyncpg.OperatorInterventionError)


class GenerationBusy(Refused):
    """Somebody else builds, swaps or drops a generation; or reads the one to be swapped."""

    reason = "generation_busy"


class GenerationUnknown(Refused):
    """There is no such generation beside the one in use."""

    reason = "generation_unknown"


@dataclass(frozen=True, slots=True)
class Generation:
    """One generation, as it stands."""

    schema: str
    number: int
    made_at: datetime
    in_use_since: datetime | None
    in_use_until: datetime | None
    messages: int
    entries: int
    bytes: int

    @property
    def is_in_use(self) -> bool:
        """Whether it is the one that books and statements are."""
        return self.schema == SCHEMA

    @property
    def was_in_use(self) -> bool:
        """Whether it is one from before, which can be gone back to."""
        return not self.is_in_use and self.in_use_since is not None


@asynccontextmanager
async def owner_at(dsn: str) -> AsyncGenerator[Connection]:
    """A connection of the login, which owns the schemas.

    Raises:
        Unavailable: Postgres is away.
        SettingsInvalid: It knows no such user, password or database.
    """
    try:
        with refusal_is_a_setting():
            connection = await asyncpg.connect(
                dsn,
                timeout=CONNECT_SECONDS_MAX,
                server_settings={"application_name": "tallystick-generations"},
            )
        try:
            await set_codecs(connection)
            yield connection
        finally:
            await connection.close(timeout=CONNECT_SECONDS_MAX)
    except _AWAY as error:
        raise Unavailable(f"Postgres: {type(error).__name__}: {error}") from error


async def hold_generations(owner: Connection) -> None:
    """Keep others from making, swapping or dropping generations, as long as the connection lives.

    Raises:
        GenerationBusy: Another process does.
    """
    if not await owner.fetchval(SQL["hold_generations"]):
        raise GenerationBusy("another process builds, swaps or drops a generation of the journal")


async def generations(owner: Connection) -> list[Generation]:
    """Every generation, the one in use first, then by number."""
    found: list[Generation] = []
    for row in await owner.fetch(SQL["generation_schemas"]):
        async with owner.transaction():
            await _search(owner, row["name"])
            told = await owner.fetchrow(SQL["read_generation"])
            size = await owner.fetchval(SQL["generation_bytes"], row["name"])
        if told is not None:
            found.append(Generation(schema=row["name"], bytes=size, **dict(told)))
    return sorted(found, key=lambda each: (not each.is_in_use, each.number))


async def make_generation(owner: Connection, dsn: str) -> str:
    """Make the next generation, empty, and give its schema.

    Its origins have the numbers that they have in the one in use: what is told of a place in the
    journal by them, such as where a page of a statement ends, holds behind the swap too.
    """
    number = 1 + max((each.number for each in await generations(owner)), default=0)
    schema = f"{SCHEMA}_g{number}"
    await bring_up_to_date(dsn, schema=schema)
    async with owner.transaction():
        await _search(owner, schema)
        await owner.execute(SQL["number_generation"], number)
        await owner.execute(SQL["take_origin_ids"])
        await owner.fetchval(SQL["set_origin_ids"])
    return schema


async def drop_generation(owner: Connection, schema: str) -> None:
    """Drop a generation that is not in use.

    Raises:
        GenerationUnknown: It is in use, or there is none.
    """
    known = {each.schema for each in await generations(owner)}
    if schema == SCHEMA or schema not in known:
        raise GenerationUnknown(f"{schema} is no generation beside the one in use")
    async with owner.transaction():
        # Seldom, and for a moment: a table that is read is waited for, but not for ever.
        await owner.execute("set local lock_timeout = '10s'")
        await _run(owner, "drop schema %I cascade", schema)


async def require_same_migrations(owner: Connection, schema: str) -> None:
    """Refuse to swap generations of different forms.

    Raises:
        GenerationBusy: The ledger that runs is older, or newer, than this program.
    """
    applied: list[list[tuple[int, str]]] = []
    for name in (SCHEMA, schema):
        async with owner.transaction():
            await _search(owner, name)
            rows = await owner.fetch(SQL["migrations_of"])
            applied.append([(row["number"], row["checksum"]) for row in rows])
    if applied[0] != applied[1]:
        raise GenerationBusy(
            f"the journal in use has had {len(applied[0])} migrations, and this program has"
            f" {len(applied[1])}: start this version's ledger first"
        )


async def tables_left_empty(owner: Connection, schema: str) -> list[str]:
    """Tables that have rows in the generation in use, and none in another.

    What nobody has thought of when it was rebuilt shows itself here.
    """
    found: list[str] = []
    for row in await owner.fetch(SQL["tables_of"], SCHEMA):
        has_rows = [
            await owner.fetchval(await owner.fetchval(SQL["rows_in"], name, row["name"]))
            for name in (SCHEMA, schema)
        ]
        if has_rows == [True, False]:
            found.append(row["name"])
    return [name for name in found if name not in _PASSING]


async def stop_booking(owner: Connection, *, within_seconds: float) -> None:
    """Let no batch begin until the end of the transaction; what is under way is waited for.

    Reading goes on, and so does publishing.

    Raises:
        GenerationBusy: A batch did not end in time.
    """
    await _run(owner, "set local lock_timeout = %L", f"{round(within_seconds * 1000)}ms")
    try:
        await _run(owner, "lock table %I.positions in exclusive mode", SCHEMA)
    except asyncpg.LockNotAvailableError:
        raise GenerationBusy(await _held(owner, "a batch did not end in time")) from None


async def swap_generation(owner: Connection, schema: str, *, readers_wait_seconds: float) -> str:
    """Put a generation in the place of the one in use, and give the name that the other has now.

    The transaction is the caller's; all of it, or nothing, stands after its commit. Readers wait
    while their transactions are waited for, and no longer than so many seconds.

    Raises:
        GenerationBusy: A transaction that reads the journal did not end in time; try again.
        InvariantBroken: Something hangs on the old tables that cannot be made anew.
    """
    await _run(owner, "set local lock_timeout = %L", f"{round(readers_wait_seconds * 1000)}ms")
    await owner.execute("set local search_path = pg_catalog")
    views = await owner.fetch(SQL["views_upon"], SCHEMA)
    places = [(SCHEMA, row["name"]) for row in await owner.fetch(SQL["tables_of"], SCHEMA)]
    places += [(row["schema"], row["name"]) for row in views]
    names = ", ".join(["%I.%I"] * len(places))
    try:
        async with owner.transaction():
            await _run(
                owner,
                f"lock table {names} in access exclusive mode",
                *(part for place in places for part in place),
            )
    except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError):
        raise GenerationBusy(await _held(owner, "the journal is being read")) from None
    kept = await _name_of_old(owner)
    await _run(owner, "alter schema %I rename to %I", SCHEMA, kept)
    await _run(owner, "alter schema %I rename to %I", schema, SCHEMA)
    for view in views:
        await _make_anew(owner, view)
    for name, query in ((kept, "end_generation_use"), (SCHEMA, "begin_generation_use")):
        await _search(owner, name)
        await owner.execute(SQL[query])
    bound = [row["what"] for row in await owner.fetch(SQL["bound_to"], kept)]
    if bound:
        raise InvariantBroken(f"bound to the generation before: {', '.join(bound[:5])}")
    return kept


async def _make_anew(owner: Connection, view: asyncpg.Record) -> None:
    """The same view over the tables that have the names now; rights and columns stay as they are.

    Its definition was told with full names, since the search path shows none of our schemas.
    """
    options = ", ".join(view["options"])
    await owner.execute(
        await owner.fetchval(
            "select format('create or replace view %I.%I %s as %s', $1::text, $2::text, $3::text,"
            " $4::text)",
            view["schema"],
            view["name"],
            f"with ({options})" if options else "",
            view["definition"],
        )
    )


async def _name_of_old(owner: Connection) -> str:
    """A name for the generation that goes out of use: its number's, or the next that is free."""
    taken = {row["name"] for row in await owner.fetch(SQL["generation_schemas"])}
    await _search(owner, SCHEMA)
    number = await owner.fetchval("select number from generation")
    while f"{SCHEMA}_g{number}" in taken - {SCHEMA}:
        number += 1
    await owner.execute("update generation set number = $1", number)
    await owner.execute("set local search_path = pg_catalog")
    return f"{SCHEMA}_g{number}"


async def _held(owner: Connection, what: str) -> str:
    """Who keeps a lock, where that can still be asked."""
    try:
        rows = await owner.fetch(SQL["holders_of"], SCHEMA)
    except asyncpg.InFailedSQLTransactionError:
        return what
    told = ", ".join(f"{row['application_name'] or 'a client'} ({row['pid']})" for row in rows)
    return f"{what}: by {told}" if told else what


async def _search(owner: Connection, schema: str) -> None:
    await owner.execute("select set_config('search_path', quote_ident($1), true)", schema)


async def _run(owner: Connection, template: str, *names: str) -> None:
    """A statement in which Postgres itself has quoted the names."""
    await owner.execute(
        await owner.fetchval("select format($1::text, variadic $2::text[])", template, list(names))
    )
