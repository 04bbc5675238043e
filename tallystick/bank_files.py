"""Statement files for the command line: the feeds' own reading and telling, put together."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from services.feeds.config import FeedsSettings, Sources
from services.feeds.shell.file_import import Asked, FileImport, read_file
from services.feeds.shell.file_store import FileStore, Taken
from services.feeds.shell.store import MIGRATIONS, SCHEMA, FeedStore
from services.feeds.statements.values import StatementFile
from shared.contracts.topics import BANK_OBSERVATIONS, FEEDS_AUDITS
from shared.runtime.kafka import Publisher, check_topics
from shared.runtime.migrations import migrate
from shared.runtime.postgres import Database

PREFIX_CHARACTERS_MIN = 4


@dataclass(frozen=True, slots=True)
class BankFiles:
    """What a command does with statement files."""

    settings: FeedsSettings
    dsn: str

    @asynccontextmanager
    async def _store(self) -> AsyncGenerator[Database]:
        await migrate(self.dsn, schema=SCHEMA, folder=MIGRATIONS)
        database = await Database.open(self.dsn, search_path=SCHEMA, application="tallystick-bank")
        try:
            yield database
        finally:
            await database.close()

    async def take(self, path: Path, asked: Asked) -> Taken:
        """Take a file as the feeds would.

        Raises:
            Unavailable: Kafka or Postgres is away.
            TopicsInvalid: The topics are missing.
        """
        async with AsyncExitStack() as held:
            database = await held.enter_async_context(self._store())
            await check_topics(self.settings.kafka, [BANK_OBSERVATIONS, FEEDS_AUDITS])
            publisher = Publisher(self.settings.kafka, client_id="bank-import")
            held.push_async_callback(publisher.stop)
            imports = FileImport(
                files=FileStore(database),
                store=FeedStore(database),
                publisher=publisher,
                kafka=self.settings.kafka,
                books=self.settings.books(),
                bytes_max=self.settings.feeds_statement_bytes_max,
            )
            return await imports.take(path, sources_of(self.settings), asked)

    async def newest(self, outcome: str, limit: int) -> list[Taken]:
        """The newest files, of an outcome or of all."""
        async with self._store() as database:
            return await FileStore(database).newest(outcome, limit)

    async def like(self, prefix: str) -> list[Taken]:
        """The files whose digest begins so, two at most."""
        async with self._store() as database:
            return await FileStore(database).files_like(prefix)


def sources_of(settings: FeedsSettings) -> Sources:
    """The accounts that the banks file names; none where there is no file.

    Raises:
        SettingsInvalid: The file does not fit.
    """
    return Sources() if settings.feeds_banks_file is None else settings.sources()


def read_only(path: Path, asked: Asked, settings: FeedsSettings) -> StatementFile:
    """What a file says by itself.

    Raises:
        StatementRefused: It is not taken as it is.
        OSError: It cannot be read.
    """
    return read_file(
        path, asked, sources_of(settings), bytes_max=settings.feeds_statement_bytes_max
    )
