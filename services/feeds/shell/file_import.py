"""One statement file: read, held against what is known, written down whole, told.

file ──read, bounded──▶ statements ──whose?──▶ one transaction: lines, balances, the file ──▶ Kafka
  └ refused: the file and the reason are remembered and told, and nothing of what is in it
"""

import asyncio
import hashlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from prometheus_client import Counter

from services.feeds.config import Sources
from services.feeds.revisions import Form
from services.feeds.shell.file_store import FileStore, Outcome, Taken
from services.feeds.shell.refusals import tell_refusals
from services.feeds.shell.store import FeedStore
from services.feeds.shell.telling import Telling, forms_on_topic
from services.feeds.statements.accounts import Owned, StatementAccount, owned
from services.feeds.statements.csv_map import CsvMap
from services.feeds.statements.identity import gaps
from services.feeds.statements.reading import HEAD_BYTES, read_statements, sniffed
from services.feeds.statements.texts import plain
from services.feeds.statements.values import Format, StatementFile, StatementRefused
from shared.contracts.books import BookMap
from shared.contracts.errors import Unavailable
from shared.runtime import log
from shared.runtime.kafka import KafkaAddress, Publisher

CHUNK_BYTES: Final = 256 * 1024
_FILES = Counter(
    "tallystick_feeds_statement_files_total", "Statement files, by what became of them", ["outcome"]
)
_log = log.get(__name__)


@dataclass(frozen=True, slots=True)
class Asked:
    """What a person says of a file beside its bytes; empty where the file says it."""

    form: Format | None = None
    csv_map: CsvMap | None = None
    account: str = ""
    is_dry: bool = False


_NOTHING_ASKED: Final = Asked()


@dataclass(frozen=True, slots=True)
class _Read:
    sha256: str
    size_bytes: int
    form: Format | None
    found: StatementFile | None
    refused: StatementRefused | None


class FileImport:
    """Takes statement files."""

    def __init__(
        self,
        *,
        files: FileStore,
        store: FeedStore,
        publisher: Publisher,
        kafka: KafkaAddress,
        books: BookMap,
        bytes_max: int,
    ) -> None:
        self._files = files
        self._store = store
        self._publisher = publisher
        self._kafka = kafka
        self._books = books
        self._bytes_max = bytes_max

    async def take(self, path: Path, sources: Sources, asked: Asked = _NOTHING_ASKED) -> Taken:
        """Take a file; what became of it is remembered, unless it is a dry run.

        A file that was accepted before changes nothing; what it left untold is told.

        Raises:
            Unavailable: Kafka or Postgres is away, or the file changed meanwhile; take it again.
            OSError: The file cannot be read.
        """
        form, csv_map = _how(path, asked, sources)
        read = await asyncio.to_thread(_read, path, form, csv_map, self._bytes_max)
        taken = await self._decide(path, sources, asked, read)
        if not asked.is_dry:
            _FILES.labels(taken.outcome.value).inc()
            await self._tell(taken)
        told = _log.warning if taken.outcome is Outcome.REFUSED else _log.info
        told(
            "statement_file.taken",
            file=taken.name,
            sha256=taken.sha256,
            outcome=taken.outcome.value,
            accounts=list(taken.accounts),
            lines=taken.lines,
            fresh=taken.fresh,
            reason=taken.reason,
            remarks=list(taken.remarks),
        )
        return taken

    async def _decide(self, path: Path, sources: Sources, asked: Asked, read: _Read) -> Taken:
        taken = Taken(
            sha256=read.sha256,
            name=plain(path.name)[:200],
            size_bytes=read.size_bytes,
            format=read.form.value if read.form is not None else "",
            outcome=Outcome.ACCEPTED,
            taken_at=datetime.now(UTC),
        )
        before = await self._files.file(read.sha256)
        if before is not None and before.outcome is Outcome.ACCEPTED:
            return replace(before, outcome=Outcome.KNOWN, fresh=0, name=taken.name)
        # Whose a file is that cannot be read nobody knows: the first book hears of it.
        book = self._books.books[0].name
        try:
            if read.found is None or read.form is None:
                raise read.refused or StatementRefused("it could not be read")
            whose = self._owned(read.found, sources, asked)
            book = whose[0].book.name if whose else book
            if not asked.is_dry:
                # What was decided earlier is told in its words before anything is decided anew.
                for name in sorted({each.account.name for each in whose}):
                    await self.tell_account(name, read.form.value)
            remarks = tuple(plain(r) for r in _remarks(read.found, whose))
            return await self._files.accept(
                replace(taken, remarks=remarks),
                whose,
                read.form,
                recollected=await self._recollected(whose),
                is_dry=asked.is_dry,
            )
        except StatementRefused as refused:
            taken = replace(taken, outcome=Outcome.REFUSED, reason=refused.why, fix=refused.fix)
            if not asked.is_dry:
                await self._files.refuse(taken, book=book)
            return taken

    def _owned(self, found: StatementFile, sources: Sources, asked: Asked) -> tuple[Owned, ...]:
        polled = frozenset(name for bank in sources.banks for name in bank.names.values())
        accounts = list(sources.statements)
        if asked.account:
            told = sorted({statement.account for statement in found.statements})
            if len(told) != 1:
                raise StatementRefused(
                    f"--account names one account, and the file tells of {len(told)}:"
                    f" {', '.join(told)}",
                    fix="name them in the banks file, by [[statements]]",
                )
            named = next((a for a in accounts if a.name == asked.account), None)
            accounts = [
                replace(named, id=told[0]) if named else StatementAccount(told[0], asked.account)
            ]
        return owned(found.statements, accounts, self._books, polled=polled)

    async def _recollected(self, whose: tuple[Owned, ...]) -> dict[str, tuple[Form, ...]]:
        """What the topic has of accounts that no file told of here: the database may be new."""
        names = sorted({each.account.name for each in whose})
        unknown = [name for name in names if not await self._files.is_known(name)]
        return {name: await forms_on_topic(self._kafka, name) for name in unknown}

    async def _tell(self, taken: Taken) -> None:
        for name in taken.accounts:
            await self.tell_account(name, taken.format)
        await self.tell_refusals()

    async def tell_refusals(self) -> None:
        """Tell how refused files stand, where that is not acknowledged.

        Raises:
            Unavailable: Kafka or Postgres is away; the next time tells it.
        """
        await tell_refusals(self._files, self._publisher, first_book=self._books.books[0].name)

    async def refused_count(self) -> int:
        """How many files were refused and not accepted since."""
        return await self._files.refused_count()

    async def tell_account(self, name: str, provider: str) -> None:
        """Tell what is decided of an account and not acknowledged.

        Raises:
            Unavailable: Kafka or Postgres is away; the next time tells it.
        """
        book = self._books.of_bank(name)
        await Telling(
            account=name,
            book="" if book is None else book.name,
            provider=provider,
            store=self._store,
            publisher=self._publisher,
        ).tell_untold()


def _remarks(found: StatementFile, whose: tuple[Owned, ...]) -> Iterator[str]:
    if found.left_out:
        yield f"{found.left_out} entries only inform and were left out"
    for name in sorted({each.account.name for each in whose}):
        yield from gaps(each.statement for each in whose if each.account.name == name)
    unchecked = [each.statement.name for each in whose if each.statement.opening is None]
    if unchecked:
        yield f"no opening balance, so no sums to check: {', '.join(unchecked[:5])}"


def read_file(path: Path, asked: Asked, sources: Sources, *, bytes_max: int) -> StatementFile:
    """What a file says, without anybody being told or asked.

    Raises:
        StatementRefused: It is not taken as it is.
        OSError: It cannot be read.
    """
    read = _read(path, *_how(path, asked, sources), bytes_max)
    if read.found is None:
        raise read.refused or StatementRefused("it could not be read")
    return read.found


def _how(path: Path, asked: Asked, sources: Sources) -> tuple[Format | None, CsvMap | None]:
    csv_map = asked.csv_map or sources.csv_map(path.name)
    return asked.form or (Format.CSV if asked.csv_map is not None else None), csv_map


def _read(path: Path, form: Format | None, csv_map: CsvMap | None, bytes_max: int) -> _Read:
    """Read a file once: its digest, and what it says or why it is refused."""
    # Not blocking: a named pipe that nobody writes to would be waited for without end.
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    with os.fdopen(handle, "rb") as file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode):
            raise IsADirectoryError(f"{path} is no file")
        digest = hashlib.sha256()
        if found.st_size > bytes_max:
            for chunk in iter(lambda: file.read(CHUNK_BYTES), b""):
                digest.update(chunk)
            refused = StatementRefused(
                f"it has {found.st_size} bytes, and at most {bytes_max} are read",
                fix="split it by account or by day, or raise TALLYSTICK_FEEDS_STATEMENT_BYTES_MAX",
            )
            return _Read(digest.hexdigest(), found.st_size, form, None, refused)
        head = file.read(HEAD_BYTES)
        form = form or sniffed(head) or (Format.CSV if csv_map is not None else None)
        size = len(head)
        digest.update(head)

        def chunks() -> Iterator[bytes]:
            nonlocal size
            yield head
            while chunk := file.read(CHUNK_BYTES):
                size += len(chunk)
                if size > bytes_max:
                    raise Unavailable(f"{path.name} grows while it is read")
                digest.update(chunk)
                yield chunk

        statements: StatementFile | None = None
        why: StatementRefused | None = None
        source = chunks()
        try:
            statements = _statements(source, form, head, csv_map)
        except StatementRefused as error:
            why = error
        for _ in source:
            pass  # A file is known by all of its bytes, also those behind what was refused.
        return _Read(digest.hexdigest(), size, form, statements, why)


def _statements(
    source: Iterator[bytes], form: Format | None, head: bytes, csv_map: CsvMap | None
) -> StatementFile:
    if not head:
        raise StatementRefused("it is empty")
    if form is None:
        raise StatementRefused(
            "it begins like none of camt, MT940, BAI2 or OFX",
            fix="a CSV file needs a map: give --map FILE, or a [[csv]] table in the banks file",
        )
    return read_statements(source, form, csv_map=csv_map)
