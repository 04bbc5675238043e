"""`tallystick what-if`: the books as they would be, and the difference in money."""

import asyncio
import sys
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Final, Literal

import typer

from services.ledger.activation.activations import Activation
from services.ledger.shell.rebuilding.what_if import SuppositionUnknown, WhatIf
from services.ledger.shell.rebuilding.what_if import what_if as replayed
from services.ledger.what_if.suppositions import Apart
from services.ledger.what_if.telling_again import NOT_IN_FORCE, UNTOLD
from shared.contracts.errors import Refused
from shared.contracts.journal import DEFAULT_BOOK, Book
from shared.runtime import log
from shared.runtime.settings import Settings
from tallystick.cli.ask import taking_effect
from tallystick.cli.problems import ExitCode, Problem
from tallystick.cli.reach import require_database, settings_here
from tallystick.cli.rebuild import Pace
from tallystick.cli.talk import Talk
from tallystick.in_force_here import in_force_at
from tallystick.journal_here import journal_at, require_journal
from tallystick.what_if.asked import since_of, suppositions_of
from tallystick.what_if.corrections import Corrections, corrections_before
from tallystick.what_if.tell import Csv, Json, Table, Teller, counted

_BY_HAND: Final[Mapping[str, str]] = MappingProxyType(
    {
        NOT_IN_FORCE: "put it in force first and write them again, and messages tell them",
        UNTOLD: "nothing releases what they defer, and who tells one later books it beside this",
    }
)


class Format(StrEnum):
    """How the difference is written."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"


WrittenTo = Annotated[
    Path | None,
    typer.Option(
        "--write-corrections",
        metavar="FILE",
        help="Write what corrects --book, for `tallystick book send`.",
    ),
]
TakingEffect = Annotated[
    str,
    typer.Option("--on", help="The day that the corrections take effect; else when recorded."),
]


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What is to be told of the difference, and where its corrections go."""

    entries: bool
    written: Format
    book: str
    corrections: Path | None
    effective_at: str | None


def what_if(
    rules: Annotated[
        int | None, typer.Option("--rules", metavar="N", help="This version of the rules.")
    ] = None,
    chart: Annotated[
        Path | None, typer.Option("--chart", metavar="FILE", help="This chart, of --book.")
    ] = None,
    basis: Annotated[
        Literal["cash", "accrual"] | None, typer.Option("--basis", help="This basis, of --book.")
    ] = None,
    books: Annotated[
        Path | None, typer.Option("--books", metavar="FILE", help="This book map.")
    ] = None,
    book: Annotated[str, typer.Option("--book", help="Whose chart and basis.")] = DEFAULT_BOOK,
    since: Annotated[
        list[str] | None,
        typer.Option(
            "--since",
            metavar="TOPIC/PARTITION@OFFSET",
            help="Only from this message on; partitions that are not named, from the beginning.",
        ),
    ] = None,
    entries: Annotated[
        bool, typer.Option("--entries", help="Tell each entry that would differ too.")
    ] = False,
    written: Annotated[Format, typer.Option("--format", help="How to write it.")] = Format.TABLE,
    corrections: WrittenTo = None,
    on: TakingEffect = "",
) -> None:
    """Replay the books with something else in force, and say the difference in money.

    Reads the input topics into a schema of its own, publishes nothing, and drops it at the end;
    the books in use are not touched. Commands are not judged again: what was decided stays. To
    put it in force from now on, activate it; to correct what was booked before, write the
    corrections, read them, and send them once.
    """
    try:
        suppositions = suppositions_of(
            book=book,
            rules=rules,
            chart=chart,
            basis=basis,
            books=books,
            since=since_of(since or []),
        )
    except (OSError, ValueError, Refused) as error:
        raise Problem(
            "What is supposed cannot be in force",
            why=str(error),
            fix="look at the file, or at `tallystick what-if --help`",
            code=ExitCode.USAGE,
        ) from error
    if not suppositions:
        raise typer.BadParameter("say what: --rules, --chart, --basis or --books")
    settings, talk = settings_here(), Talk()
    log.set_up(level="error")
    dsn = require_database(settings)
    wanted = _Wanted(entries, written, book, corrections, taking_effect(on, book))
    asyncio.run(_told(settings, dsn, suppositions, talk, wanted))


@asynccontextmanager
async def _replayed(
    settings: Settings, dsn: str, suppositions: list[Activation], talk: Talk
) -> AsyncGenerator[WhatIf]:
    """The books as they would be.

    Raises:
        Problem: What is supposed is not known here.
    """
    await require_journal(dsn)
    try:
        async with replayed(
            settings.kafka, dsn, settings.books(), suppositions, progress=Pace(talk)
        ) as found:
            yield found
    except SuppositionUnknown as error:
        raise Problem(
            str(error).capitalize(),
            fix="name one of these, or take the program that has it",
            code=ExitCode.REFUSED,
        ) from None


async def _told(
    settings: Settings,
    dsn: str,
    suppositions: list[Activation],
    talk: Talk,
    wanted: _Wanted,
) -> None:
    async with _replayed(settings, dsn, suppositions, talk) as found:
        talk.done(f"{found.messages:,} messages read again; nothing of it stays")
        teller = _teller(wanted.written)
        teller.balances(found.balances)
        summary = {
            "messages": found.messages,
            "entries": found.entries_here,
            "entries_then": found.entries_there,
        }
        kinds = dict.fromkeys(Apart, 0)
        async with AsyncExitStack() as held:
            correcting = await _correcting(held, dsn, wanted, found)
            if wanted.entries or correcting is not None:
                async for each in found.entries():
                    kinds[each.apart] += 1
                    if wanted.entries:
                        teller.entry(each)
                    if correcting is not None:
                        await correcting.take(each)
        if wanted.entries:
            summary |= counted(kinds)
        teller.end(summary)
    if correcting is not None:
        _tell_corrections(correcting, talk)


async def _correcting(
    held: AsyncExitStack, dsn: str, wanted: _Wanted, found: WhatIf
) -> Corrections | None:
    if wanted.corrections is None:
        return None
    known = (await in_force_at(dsn)).last()
    journal = await held.enter_async_context(journal_at(dsn))
    tx = await held.enter_async_context(journal.transaction())
    at = datetime.fromisoformat(wanted.effective_at) if wanted.effective_at else None
    try:
        return held.enter_context(
            Corrections(
                file=wanted.corrections,
                book=Book(wanted.book),
                chart=known.named(wanted.book).chart,
                effective_at=at,
                journal=tx,
                found=found,
                before=await corrections_before(tx, Book(wanted.book)),
            )
        )
    except OSError as error:
        raise Problem(
            f"{wanted.corrections} cannot be written",
            why=str(error),
            fix="name another file",
            code=ExitCode.USAGE,
        ) from None


def _tell_corrections(made: Corrections, talk: Talk) -> None:
    for line in (*_written_lines(made), *_left_lines(made)):
        talk.done(line)
    if made.commands or made.again.count:
        talk.done(f"read them, then: tallystick book send {made.file} --book {made.book}")


def _written_lines(made: Corrections) -> Iterator[str]:
    if made.again.count:
        yield f"{made.again.count:,} facts that the books lack are told again, by {made.file}:"
        yield from (f"  {row}" for row in made.again.rows())
    if made.commands or not made.again.count:
        yield f"{made.commands:,} commands in {made.file} correct {made.facts:,} facts"
    for why, count in sorted(made.by_hand.items()):
        yield f"{count:,} of them stand by hand, since {why}: {_BY_HAND[why]}"


def _left_lines(made: Corrections) -> Iterator[str]:
    if made.corrected_before:
        yield f"{made.corrected_before:,} facts were corrected before"
    if made.of_the_clock:
        yield f"{made.of_the_clock:,} releases of revenue are left to the next clock tick"
    if made.passed_on:
        yield f"{made.passed_on:,} entries follow those that they pass on, and need no command"
    if made.elsewhere:
        yield f"{made.elsewhere:,} facts are of other books: name each with --book"
    yield from (f"no command corrects {line}" for line in made.left)
    if made.left_count > len(made.left):
        yield f"… and {made.left_count - len(made.left):,} more"


def _teller(written: Format) -> Teller:
    match written:
        case Format.TABLE:
            return Table(sys.stdout.write)
        case Format.CSV:
            return Csv(sys.stdout.write)
        case Format.JSON:
            return Json(sys.stdout.write)
