"""Published views of a service, read by a command as the role that may read nothing else."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final

import asyncpg

from shared.contracts.errors import Unavailable
from shared.runtime.postgres import Database

_NOT_THERE: Final = (
    asyncpg.InvalidParameterValueError,
    asyncpg.InvalidSchemaNameError,
    asyncpg.UndefinedObjectError,
    asyncpg.UndefinedTableError,
    asyncpg.InsufficientPrivilegeError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.InvalidAuthorizationSpecificationError,
)


@asynccontextmanager
async def published_views(
    dsn: str, *, schema: str, role: str, application: str, missing: str
) -> AsyncGenerator[Database]:
    """The database with these views, for one question.

    Raises:
        Unavailable: The database does not answer, or has no such views; ``missing`` says so.
    """
    try:
        database = await Database.open(
            dsn, search_path=schema, role=role, connections_max=1, application=application
        )
        try:
            yield database
        finally:
            await database.close()
    except _NOT_THERE as error:
        raise Unavailable(f"{missing}: {error}") from error
