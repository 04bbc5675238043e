"""An export written from the journal to a file, a stretch at a time."""

import asyncio
import hashlib
import os
from collections.abc import AsyncGenerator, Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import IO, assert_never
from zoneinfo import ZoneInfo

from services.ledger.exports.beancount import Beancount
from services.ledger.exports.csv_form import Csv
from services.ledger.exports.hledger import Hledger
from services.ledger.exports.journal import Selection, Tally, Told, Writer
from services.ledger.exports.json_lines import JsonLines
from services.ledger.shell.reading.export import Since, journal_snapshot
from services.ledger.shell.reading.parquet import write_parquet
from shared.runtime.postgres import Database

Progress = Callable[[int], None]


class Form(StrEnum):
    """The forms that there are."""

    CSV = "csv"
    JSONL = "jsonl"
    PARQUET = "parquet"
    BEANCOUNT = "beancount"
    HLEDGER = "hledger"

    @property
    def is_of_one_book(self) -> bool:
        """Whether it is a journal of plain text, which has no place for a second book."""
        return self in (Form.BEANCOUNT, Form.HLEDGER)


class NotWritten(Exception):
    """The output takes no more; ``is_gone`` where its reader went away.

    Not an ``OSError``: inside a transaction that would be taken for a lost database.
    """

    def __init__(self, error: OSError) -> None:
        self.is_gone = isinstance(error, BrokenPipeError)
        super().__init__(error.strerror or str(error))


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is asked for; ``selection.since`` is found from ``since``."""

    form: Form
    selection: Selection
    since: tuple[Since, ...]
    book: str
    zone: ZoneInfo
    made_at: datetime


async def write_export(
    database: Database, request: Request, path: Path, progress: Progress
) -> Tally:
    """Write an export to a file that is not there until it is whole; what it adds up to.

    Raises:
        Unavailable: Postgres is away.
        Refused: What is asked for is not there.
        NotWritten: The disk is full, or the like.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        if request.form is Form.PARQUET:
            tally = await _write_parquet(database, request, part, progress)
        else:
            with part.open("wb") as out:
                tally = await write_text(database, request, out, progress)
        with part.open("rb") as written:
            os.fsync(written.fileno())
        part.replace(path)
    except OSError as error:
        raise NotWritten(error) from error
    finally:
        part.unlink(missing_ok=True)
    return tally


async def write_text(
    database: Database, request: Request, out: IO[bytes], progress: Progress
) -> Tally:
    """Write a form of text to a stream.

    Raises:
        Unavailable: Postgres is away.
        Refused: What is asked for is not there.
        NotWritten: The output takes no more.
    """
    writer, tally, digest = _writer(request), Tally(), hashlib.sha256()

    def put(text: str) -> None:
        data = text.encode()
        digest.update(data)
        try:
            out.write(data)
        except OSError as error:
            raise NotWritten(error) from error

    async with journal_snapshot(database) as journal:
        selection = await journal.selected(request.selection, request.since)
        book = request.book if request.form.is_of_one_book else None
        about = await journal.about(selection, made_at=request.made_at, opening_of=book)
        tally.tree_heads = about.tree_heads
        put(writer.begin(about))
        async for stretch in journal.entries(selection):
            for told in stretch:
                tally.add(told)
            put("".join(map(writer.entry, stretch)))
            progress(tally.entries)
    put(writer.end(tally))
    put(writer.seal(digest.hexdigest()))
    try:
        out.flush()
    except OSError as error:
        raise NotWritten(error) from error
    return tally


async def _write_parquet(
    database: Database, request: Request, path: Path, progress: Progress
) -> Tally:
    tally, loop = Tally(), asyncio.get_running_loop()

    def counted(stretches: AsyncGenerator[list[Told]]) -> Iterator[list[Told]]:
        # The library pulls, in a thread of its own, what the loop reads from the database.
        while stretch := asyncio.run_coroutine_threadsafe(_next(stretches), loop).result():
            for told in stretch:
                tally.add(told)
            progress(tally.entries)
            yield stretch

    async with journal_snapshot(database) as journal:
        selection = await journal.selected(request.selection, request.since)
        tally.tree_heads = await journal.tree_heads(selection.book)
        stretches = counted(journal.entries(selection))
        try:
            await asyncio.to_thread(write_parquet, stretches, tally, path)
        except OSError as error:
            raise NotWritten(error) from error
    return tally


async def _next(stretches: AsyncGenerator[list[Told]]) -> list[Told]:
    async for stretch in stretches:
        return stretch
    return []


def _writer(request: Request) -> Writer:
    match request.form:
        case Form.CSV:
            return Csv()
        case Form.JSONL:
            return JsonLines()
        case Form.BEANCOUNT:
            return Beancount(request.book, request.zone)
        case Form.HLEDGER:
            return Hledger(request.book, request.zone)
        case Form.PARQUET:
            raise ValueError("Parquet is no form of text")
        case _:
            assert_never(request.form)
