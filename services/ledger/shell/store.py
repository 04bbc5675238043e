"""The ledger's schemas: brought up to date, and opened as the role that may only add."""

from pathlib import Path
from typing import Final

from shared.runtime.migrations import migrate
from shared.runtime.postgres import COMMAND_SECONDS_MAX, Database

SCHEMA: Final = "ledger"
READ_SCHEMA: Final = "ledger_read"
ROLE: Final = "ledger_app"
# A digest of all that a journal says takes as long as the journal is.
_SHADOW_SECONDS_MAX: Final = 1_800.0
_HERE: Final = Path(__file__).parent


async def bring_up_to_date(
    dsn: str, *, schema: str = SCHEMA, wait_seconds: float = 0.0
) -> list[str]:
    """Apply what migrations are missing; the published views only for the schema in use.

    Raises:
        MigrationInvalid: A file that was applied has been edited.
        Unavailable: Postgres does not answer in time.
    """
    applied = await migrate(
        dsn, schema=schema, folder=_HERE / "migrations", wait_seconds=wait_seconds
    )
    if schema == SCHEMA:
        applied += await migrate(dsn, schema=READ_SCHEMA, folder=_HERE / "views")
    return applied


async def open_journal(
    dsn: str,
    *,
    schema: str = SCHEMA,
    connections_max: int = 4,
    wait_seconds: float = 0.0,
    is_shadow: bool = False,
) -> Database:
    """The journal of a schema, as the role that can neither change nor delete it.

    A shadow is made from the beginning if its process or its database ends: no commit of it waits
    for the disk. What makes it more than a shadow is a commit that does, and all before with it.

    Raises:
        Unavailable: Postgres does not answer in time.
    """
    return await Database.open(
        dsn,
        search_path=schema,
        role=ROLE,
        connections_max=connections_max,
        wait_seconds=wait_seconds,
        application="tallystick-ledger" if not is_shadow else "tallystick-rebuild",
        command_seconds_max=COMMAND_SECONDS_MAX if not is_shadow else _SHADOW_SECONDS_MAX,
        more_settings={"synchronous_commit": "off"} if is_shadow else {},
    )
