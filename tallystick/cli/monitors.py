"""`tallystick monitors`: every watched figure as it is now, and how its monitor stands."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

import typer

from services.console.config import ConsoleSettings
from services.console.crossings import Name, shown
from services.console.monitors import Monitor, Value, monitors_of
from services.console.shell.monitor_watch import Reader, standing
from services.console.shell.readers import Views
from shared.contracts.envelope import rfc3339
from shared.contracts.errors import Unreadable
from shared.contracts.monitors import MonitorCrossed
from shared.runtime import log
from tallystick.cli.problems import ExitCode, Problem
from tallystick.cli.reach import require_database, settings_here, variables_here

_TITLES: Final = ("BOOK", "MONITOR", "STANDS", "SINCE", "NOW", "TOLD AT", "CLEARS AT")
Seen = tuple[Monitor, Value | str, MonitorCrossed | None]


def monitors(
    file: Annotated[
        Path | None,
        typer.Argument(help="A file to try out; else the one that the console is told of."),
    ] = None,
    *,
    as_json: Annotated[
        bool, typer.Option("--json", help="JSON Lines: one object a monitor.")
    ] = False,
) -> None:
    """Show each monitor with its figure now and what was last told of it."""
    log.set_up(level="error")
    settings = settings_here()
    watched = _monitors(file, [book.name for book in settings.books().books])
    dsn = require_database(settings)

    async def look() -> list[Seen]:
        stands: Mapping[Name, MonitorCrossed] = await standing(settings.kafka)
        views = Views(dsn, "ledger")
        try:
            async with views.snapshot() as moment:
                reader = Reader(moment, settings.books(), datetime.now(UTC))
                return [
                    (each, await reader.value(each), stands.get((each.book, each.name)))
                    for each in watched
                ]
        finally:
            await views.close()

    seen = asyncio.run(look())
    for line in (json.dumps(_object(*each)) for each in seen) if as_json else _table(seen):
        print(line)


def _monitors(file: Path | None, books: Sequence[str]) -> tuple[Monitor, ...]:
    if file is not None:
        try:
            return monitors_of(file.read_text("utf-8"), books)
        except (OSError, ValueError, Unreadable) as error:
            raise Problem(
                f"The monitors in {file} cannot be read",
                why=str(error),
                fix="see docs/howto/watch-balances.md for the form of the file",
                code=ExitCode.USAGE,
            ) from None
    watched = ConsoleSettings.load(variables_here()).monitors()
    if not watched:
        raise Problem(
            "Nothing is watched",
            why="TALLYSTICK_CONSOLE_MONITORS_FILE names no file of monitors",
            fix="write one (docs/howto/watch-balances.md), or try one: `tallystick monitors FILE`",
            code=ExitCode.USAGE,
        )
    return watched


def _now(monitor: Monitor, value: Value | str) -> str:
    return f"no figure: {value}" if isinstance(value, str) else shown(monitor, value)


def _object(monitor: Monitor, value: Value | str, told: MonitorCrossed | None) -> dict[str, object]:
    return {
        "book": monitor.book,
        "monitor": monitor.name,
        "figure": monitor.figure,
        "state": told.state.value if told is not None else None,
        "since": rfc3339(told.read_at) if told is not None else None,
        "value": None if isinstance(value, str) else shown(monitor, value),
        "why_none": value if isinstance(value, str) else None,
        "warns": "falls_to" if monitor.is_floor else "rises_to",
        "threshold": str(monitor.threshold),
        "clears_at": str(monitor.clears),
    }


def _table(seen: Sequence[Seen]) -> list[str]:
    rows = [
        (
            each.book,
            each.name,
            told.state.value if told is not None else "never told",
            f"{told.read_at:%Y-%m-%d %H:%M}" if told is not None else "-",
            _now(each, value),
            f"{'<=' if each.is_floor else '>='} {each.threshold}",
            f"{'>=' if each.is_floor else '<='} {each.clears}",
        )
        for each, value, told in seen
    ]
    widths = [max(map(len, column)) for column in zip(_TITLES, *rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()
        for cells in (_TITLES, *rows)
    ]
