"""What `tallystick book send` tells again: the messages that are due, and what came of them."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

from pydantic import ValidationError

from shared.contracts.journal import Book
from tallystick.amounts import Json
from tallystick.cli.ask import actor_here, settings_for
from tallystick.cli.problems import ExitCode, Problem
from tallystick.cli.reach import require_database
from tallystick.journal_here import journal_at
from tallystick.what_if.sending import SILENCE_SECONDS_MAX, Due, NotToldAgain, Sending
from tallystick.what_if.told_again import KIND, Facts, ToldAgain


def lines_told_again(file: Path, lines: Sequence[tuple[int, Json]]) -> list[ToldAgain]:
    """Those numbered lines that name a message to tell again.

    Raises:
        Problem: One of them does not say what it has to.
    """
    found: list[ToldAgain] = []
    for number, told in lines:
        if told.get("kind") != KIND:
            continue
        try:
            found.append(ToldAgain.model_validate(told))
        except ValidationError as error:
            mistake = error.errors(include_url=False)[0]
            raise Problem(
                f"Line {number} of {file} names no message to tell again",
                why=f"{'.'.join(map(str, mistake['loc']))}: {mistake['msg']}",
                fix="nothing was sent; let `tallystick what-if --write-corrections` write it anew",
                code=ExitCode.USAGE,
            ) from None
    return found


def look(lines: Sequence[ToldAgain], *, book: str) -> Due:
    """What is still to be told, and which facts in which money that books.

    Raises:
        Problem: A message is not there, or books something else now than its line says.
    """
    return asyncio.run(_due(lines, book))


def tell(due: Due, *, book: str) -> None:
    """Tell the messages again, and wait until their facts are booked.

    Raises:
        Problem: Some are not booked in time.
    """
    booked = asyncio.run(_told(due, book))
    print(f"{booked:,} facts booked" + (f", {due.before:,} before" if due.before else ""))
    if booked < len(due.lines):
        raise Problem(
            f"The messages were sent, and {len(due.lines) - booked:,} facts are not booked yet",
            why=f"none came for {SILENCE_SECONDS_MAX:g} seconds",
            fix="look with `tallystick status`, then send the file again: what is booked by then"
            " is not sent again",
            code=ExitCode.UNREACHABLE,
        )


def lines_of(due: Due) -> list[str]:
    """What is due, in words."""
    if not due.lines:
        return (
            [f"{due.before:,} facts to be told again: all of them are booked"] if due.before else []
        )
    before = f", and {due.before:,} are booked already" if due.before else ""
    return [
        f"{len(due.messages):,} messages tell {len(due.lines):,} facts again{before}",
        *(f"  {row}" for row in Facts.of(due.lines).rows()),
    ]


async def _due(lines: Sequence[ToldAgain], book: str) -> Due:
    async with _sending(book) as sending:
        try:
            return await sending.due(lines)
        except NotToldAgain as why:
            raise _nothing_sent(why) from None


async def _told(due: Due, book: str) -> int:
    async with _sending(book) as sending:
        try:
            await sending.send(due, by=actor_here(), at=datetime.now(UTC))
        except NotToldAgain as why:
            raise _nothing_sent(why) from None
        return await sending.awaited(due)


def _nothing_sent(why: NotToldAgain) -> Problem:
    return Problem("Nothing is told again", why=str(why), code=ExitCode.REFUSED)


@asynccontextmanager
async def _sending(book: str) -> AsyncGenerator[Sending]:
    settings = settings_for(book)
    dsn = require_database(settings)
    async with journal_at(dsn) as journal:
        yield Sending(settings.kafka, dsn, journal, Book(book))
