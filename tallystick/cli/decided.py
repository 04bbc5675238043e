"""What commands have decided beside the journal, as it stands: periods, accounts, holds."""

import asyncio
import json
from collections.abc import Callable, Sequence
from datetime import date, datetime
from typing import Final

from services.console.shell.readers import Row, Views
from shared.contracts.money import decimal_text
from shared.runtime import log
from tallystick.cli.ask import require_book
from tallystick.cli.reach import require_database, settings_here

ROWS_MAX: Final = 200


def show_decided(
    query: str,
    book: str,
    lines: Callable[[Sequence[Row]], list[str]],
    *arguments: str,
    as_json: bool,
) -> None:
    """Show rows of a published view, the last first, as lines or as data."""
    settings = settings_here()
    log.set_up(level="error")
    require_book(settings, book)
    rows = asyncio.run(_rows(Views(require_database(settings), "ledger"), query, book, arguments))
    if as_json:
        told = [{name: _plain(name, value) for name, value in row.items()} for row in rows]
        print(json.dumps(told, indent=2))
        return
    print("\n".join(lines(rows)))
    if len(rows) == ROWS_MAX:
        print(f"the newest {ROWS_MAX}")


async def _rows(views: Views, query: str, book: str, arguments: Sequence[str]) -> list[Row]:
    try:
        async with views.snapshot() as moment:
            return await moment.rows(query, book, ROWS_MAX, *arguments)
    finally:
        await views.close()


def _plain(name: str, value: object) -> object:
    """A value for programs; an amount as text, since theirs may lose whole numbers past 2^53."""
    if name == "minor":
        return str(value)
    if isinstance(value, date):  # a moment is a date, too
        return value.isoformat().replace("+00:00", "Z")
    return value


def closing_lines(rows: Sequence[Row]) -> list[str]:
    """How far a book is closed and locked, then how that came about."""
    if not rows:
        return ["no day was ever closed"]
    last = rows[0]
    now = [
        f"closed through {last['closed_through']}"
        if last["closed_through"]
        else "no day is closed",
        f"locked through {last['locked_through']}" if last["locked_through"] else "none is locked",
    ]
    return [
        "; ".join(now),
        *(
            f"  {_minute(row['since'])}  closed through {row['closed_through'] or 'no day'},"
            f" locked through {row['locked_through'] or 'no day'}"
            for row in rows
        ),
    ]


def late_lines(rows: Sequence[Row]) -> list[str]:
    """Facts of closed days that were told later, each with the day on which it is reported."""
    return [
        f"{row['effective_at'].date()}  reported on {row['reported_day']}  {row['reference']}"
        f" ({row['kind']}, recorded {_minute(row['recorded_at'])})"
        for row in rows
    ] or ["no fact came late for a closed day"]


def account_lines(rows: Sequence[Row]) -> list[str]:
    """What commands did to accounts."""
    return [
        f"{_minute(row['recorded_at'])}  {row['account']}  {row['display']!r}"
        f"  {'open' if row['is_open'] else 'closed'}"
        + (f", kept by {row['key']}" if row["key"] else "")
        + (", never below zero by command" if row["has_floor"] else "")
        for row in rows
    ] or ["no command has opened, closed or renamed an account"]


def hold_lines(rows: Sequence[Row]) -> list[str]:
    """What is set aside, and how it ended."""
    return [
        f"{row['hold']}  {_place(row)}"
        f"  {decimal_text(int(row['minor']), row['exponent'])} {row['currency'].upper()}"
        f"  {row['ended'] or 'open'}"
        + (f", until {_minute(row['expires_at'])}" if row["expires_at"] else "")
        for row in rows
    ] or ["nothing was ever held"]


def _place(row: Row) -> str:
    return f"{row['account']}[{row['key']}]" if row["key"] else str(row["account"])


def _minute(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%MZ}"
