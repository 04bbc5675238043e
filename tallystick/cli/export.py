"""`tallystick export`: the books in a form of one's own choice, and what proves them."""

import asyncio
import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

import typer

from services.ledger.exports.journal import Selection, Tally
from services.ledger.shell.reading.parquet import ParquetMissing, require_parquet
from shared.contracts.journal import DEFAULT_BOOK
from shared.runtime import log
from shared.runtime.settings import Settings
from tallystick.cli.problems import ExitCode, Problem
from tallystick.cli.reach import require_database, settings_here
from tallystick.cli.talk import Talk
from tallystick.exports.request import moment_in, since_of
from tallystick.exports.verifier import write_verifier
from tallystick.exports.write import Form, NotWritten, Request, write_export, write_text
from tallystick.journal_here import journal_at

STDOUT = "-"


def export(
    form: Annotated[Form, typer.Option("--format", help="The form.")],
    book: Annotated[str, typer.Option("--book", help="The book.")] = DEFAULT_BOOK,
    all_books: Annotated[bool, typer.Option("--all-books", help="Every book.")] = False,
    axis: Annotated[
        Literal["effective", "recorded"],
        typer.Option("--axis", help="Which time --from and --to mean."),
    ] = "effective",
    begin: Annotated[
        str, typer.Option("--from", help="2026-11-01 (midnight in the book), or a time.")
    ] = "",
    until: Annotated[str, typer.Option("--to", help="The same; not included.")] = "",
    since: Annotated[
        list[str] | None,
        typer.Option(
            "--since",
            help="Entries behind stripe.events/0@17 (a message), stripe.events/0#120 (an entry),"
            " or behind an earlier export in JSON Lines, a file.",
        ),
    ] = None,
    output: Annotated[str, typer.Option("--output", "-o", help="A file, or - .")] = STDOUT,
    replace: Annotated[bool, typer.Option("--replace", help="Over a file that is there.")] = False,
    with_verifier: Annotated[
        bool, typer.Option("--with-verifier", help="Put verify.py beside the file.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Tell the trailer as JSON.")] = False,
) -> None:
    """Write the journal, or a part of it, in a form that other tools read.

    Entries leave whole, in the order of their chains, out of one snapshot. Each form ends with how
    many there were, the sums of each currency and the heads of the chains, so that a file which
    was cut off is noticed. JSON Lines has everything, and `verify.py` proves it offline; Beancount
    and hledger get one book, what stood before, and assertions for each month's end.
    """
    settings = settings_here()
    request = _request(settings, form, book, all_books, axis, begin, until, since or [])
    _require_place(form, output, replace=replace, with_verifier=with_verifier)
    dsn = require_database(settings)
    log.set_up(level="error")
    try:
        tally = asyncio.run(_written(dsn, request, output))
    except NotWritten as error:
        if error.is_gone:
            # Whoever read has gone; what was told has no seal, and so says itself. Python would
            # try to write the rest once more when it ends.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(ExitCode.FOUND_A_PROBLEM) from None
        raise Problem(
            f"{output} was not written",
            why=str(error),
            fix="make room, or write to another --output",
        ) from error
    _tell(tally, output, as_json=as_json)
    if with_verifier:
        beside = write_verifier(Path(output).parent)
        Talk().done(f"prove it anywhere: python {beside} {output}")


def _request(
    settings: Settings,
    form: Form,
    book: str,
    all_books: bool,
    axis: str,
    begin: str,
    until: str,
    since: list[str],
) -> Request:
    if all_books and form.is_of_one_book:
        raise typer.BadParameter(f"{form.value} has no place for a second book; leave --all-books")
    if since and (begin or until):
        raise typer.BadParameter("say --since, or --from and --to")
    now = datetime.now(UTC)
    known = settings.books().named(book)
    zone = ZoneInfo("UTC") if known is None else known.zone
    try:
        first, last = moment_in(begin, zone, now=now), moment_in(until, zone, now=now)
        places = since_of(since)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    if first is not None and last is not None and first >= last:
        raise typer.BadParameter("--from must be before --to")
    chosen = None if all_books else book
    selection = Selection(book=chosen, axis=axis, begin=first, until=last)
    return Request(
        form=form, selection=selection, since=tuple(places), book=book, zone=zone, made_at=now
    )


def _require_place(form: Form, output: str, *, replace: bool, with_verifier: bool) -> None:
    if form is Form.PARQUET:
        try:
            require_parquet()
        except ParquetMissing as missing:
            raise Problem(
                "Parquet cannot be written here",
                why="its library is no part of the plain installation",
                fix="pip install 'tallystick[parquet]'",
                code=ExitCode.REFUSED,
            ) from missing
    if output == STDOUT:
        if form is Form.PARQUET or with_verifier:
            raise typer.BadParameter("this needs a file: --output PATH")
        return
    path = Path(output)
    if with_verifier and form is not Form.JSONL:
        raise typer.BadParameter("verify.py reads JSON Lines: --format jsonl")
    if path.exists() and not replace:
        raise Problem(
            f"{path} is there already",
            why="an export that somebody may have is not written over by chance",
            fix="another --output, or --replace",
            code=ExitCode.REFUSED,
        )
    if not path.absolute().parent.is_dir():
        raise Problem(
            f"{path} cannot be written",
            why=f"there is no folder {path.absolute().parent}",
            fix="make it, or another --output",
            code=ExitCode.USAGE,
        )


async def _written(dsn: str, request: Request, output: str) -> Tally:
    talk = Talk()

    def progress(entries: int) -> None:
        talk(f"{entries:,} entries so far")

    async with journal_at(dsn) as journal:
        if output == STDOUT:
            return await write_text(journal, request, sys.stdout.buffer, progress)
        return await write_export(journal, request, Path(output), progress)


def _tell(tally: Tally, output: str, *, as_json: bool) -> None:
    talk = Talk()
    if as_json and output != STDOUT:
        print(json.dumps({"output": output} | tally.trailer()))
        return
    for line in tally.lines():
        talk.done(line)
    if not tally.entries:
        talk.done("no entry fits what was asked for")
