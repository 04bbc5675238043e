"""The books once more from the topics, and whether they are the same: `rebuild`."""

import asyncio
import json
from typing import Annotated, Final

import typer

from services.ledger.shell.comparing import Comparison
from services.ledger.shell.rebuild import rebuild_and_compare
from services.ledger.shell.store import SCHEMA, open_journal
from services.ledger.shell.verify import Verified, verify_journal
from shared.runtime import log
from shared.runtime.postgres import Database
from shared.runtime.settings import Settings
from tallystick.cli.problems import ExitCode, Problem
from tallystick.cli.reach import require_database, settings_here
from tallystick.cli.talk import Talk
from tallystick.processes import POSTGRES_VARIABLE

DIGEST_SHOWN: Final = 16


def rebuild(
    keep: Annotated[
        bool, typer.Option("--keep", help="Keep the schema that was built, to look into it.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Data for programs on stdout.")] = False,
) -> None:
    """Build the books once more from the topics and lay them beside those in use.

    Reads the input topics from their beginning into a schema of its own and publishes nothing.
    Says whether content, balances, open items and chains are equal, or where they part; exit 1
    when they do, or when there is no journal yet. The chain of the journal in use is checked on
    the way.
    """
    settings, talk = settings_here(), Talk()
    # What the service would log is told here by the result; stdout is for data.
    log.set_up(level="error")
    dsn = require_database(settings)
    compared, verified, schema = asyncio.run(_rebuilt(settings, dsn, talk, keep=keep))
    if as_json:
        print(json.dumps(_told(compared, verified, schema if keep else "")))
    else:
        _show(compared, verified)
    if keep:
        talk.done(f"what was built is in the schema {schema}")
    if not (compared.is_equal and verified.is_sound):
        raise Problem(
            "The books in use are not what the topics say",
            why="\n".join((*compared.differences, *verified.problems)),
            fix="keep the data as it is; look closer with `tallystick rebuild --keep`",
            code=ExitCode.FOUND_A_PROBLEM,
        )


async def _rebuilt(
    settings: Settings, dsn: str, talk: Talk, *, keep: bool
) -> tuple[Comparison, Verified, str]:
    await _require_journal(dsn)

    def progress(read: int, total: int) -> None:
        talk(f"read {read:,} of {total:,} messages")

    compared, schema = await rebuild_and_compare(
        settings.kafka, dsn, settings.books(), keep=keep, progress=progress
    )
    talk("checking the chain of the journal in use")
    journal = await open_journal(dsn, connections_max=2)
    try:
        verified = await verify_journal(journal)
    finally:
        await journal.close()
    talk.done(f"{compared.messages:,} messages read again")
    return compared, verified, schema


async def _require_journal(dsn: str) -> None:
    """Refuse a database on which no ledger has run: there is nothing to lay a rebuilding beside.

    Asked with our own role, since the ledger's is made together with its schema.

    Raises:
        Problem: There is no journal.
        Unavailable: Postgres is away.
    """
    database = await Database.open(dsn, search_path=SCHEMA, connections_max=1)
    try:
        async with database.connection() as connection:
            has_journal = await connection.fetchval("select to_regclass($1)", f"{SCHEMA}.entries")
    finally:
        await database.close()
    if has_journal is None:
        raise Problem(
            "There are no books here to compare with",
            why=f"the database {dsn.rpartition('@')[2]} has no schema `{SCHEMA}`:"
            " no ledger has run on it",
            fix="start the ledger (`tallystick run`), let it read the topics, and rebuild then;"
            f" or correct {POSTGRES_VARIABLE}",
        )


def _show(compared: Comparison, verified: Verified) -> None:
    used, rebuilt = compared.used, compared.rebuilt
    print(f"{'':12} {'in use':>20} {'rebuilt':>20}")
    for name, one, other in (
        ("entries", f"{used.entries:,}", f"{rebuilt.entries:,}"),
        ("digest", used.digest[:DIGEST_SHOWN], rebuilt.digest[:DIGEST_SHOWN]),
        ("balances", f"{len(used.balances):,}", f"{len(rebuilt.balances):,}"),
        ("open items", f"{used.open_items:,}", f"{rebuilt.open_items:,}"),
    ):
        print(f"{name:12} {one:>20} {other:>20}")
    if compared.is_equal:
        print(f"equal, and so are the heads of {compared.chains_compared} chains")
    if verified.is_sound:
        print(f"the chains of {verified.entries:,} entries hold")


def _told(compared: Comparison, verified: Verified, schema: str) -> dict[str, object]:
    return {
        "equal": compared.is_equal,
        "sound": verified.is_sound,
        "messages": compared.messages,
        "chains_compared": compared.chains_compared,
        "in_use": {"entries": compared.used.entries, "digest": compared.used.digest},
        "rebuilt": {"entries": compared.rebuilt.entries, "digest": compared.rebuilt.digest},
        "differences": list(compared.differences),
        "problems": list(verified.problems),
        "schema": schema,
    }
