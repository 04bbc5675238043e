"""What is in force in this installation's books, and what would put its files in force."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from pydantic import JsonValue

from services.ledger.activation.activating import Difference, differences
from services.ledger.activation.activations import ActivationRecord, Activations, book_map_value
from services.ledger.activation.in_force import InForce
from services.ledger.shell.beginning import Files
from services.ledger.shell.booking.activated import read_activations
from services.ledger.shell.queries import SQL
from shared.contracts.commands import Activated
from shared.contracts.journal import Book
from shared.runtime.postgres import Tx
from tallystick.cli.problems import Problem
from tallystick.journal_here import journal_at

_NOT_BEGUN: Final = "the ledger has not begun these books yet"


@dataclass(frozen=True, slots=True)
class Told:
    """One activation of the history, and when its command was recorded."""

    record: ActivationRecord
    recorded_at: datetime


async def in_force_at(dsn: str) -> Activations:
    """All that was put in force in the books of a database.

    Raises:
        Problem: No ledger has run there, or it has not begun the books.
        Unavailable: Postgres is away.
    """
    async with journal_at(dsn) as database, database.transaction() as tx:
        made = await read_activations(tx)
    if not made:
        raise Problem(
            "Nothing is in force yet", why=_NOT_BEGUN, fix="start it with `tallystick run`"
        )
    return Activations(InForce(), made)


async def history_at(dsn: str) -> list[Told]:
    """Every activation with who asked for it and why, the first first.

    Raises:
        Problem: No ledger has run there.
        Unavailable: Postgres is away.
    """
    async with journal_at(dsn) as database, database.transaction() as tx:
        return await _history(tx)


async def _history(tx: Tx) -> list[Told]:
    return [
        Told(ActivationRecord.model_validate(row["record"]), row["recorded_at"])
        for row in await tx.fetch(SQL["read_activations"])
    ]


def commands_for(
    known: Activations, files: Files, found: list[Difference]
) -> list[tuple[str, Mapping[str, JsonValue]]]:
    """The commands that put in force what files say, each with its book, in the order to send."""
    told: list[tuple[str, Mapping[str, JsonValue]]] = []
    for each in found:
        said: Mapping[str, JsonValue]
        match each.what:
            case Activated.BOOK_MAP:
                # A book that is known stays where commands are told it; a new one may come first.
                book = known.last().book_map.books[0].name
                said = activate(each.what, book_map_value(files.in_force.book_map))
            case Activated.CHART:
                book = each.book
                said = activate(each.what, files.chart_text(Book(book)))
            case Activated.BASIS:
                book = each.book
                said = activate(each.what, files.in_force.named(book).basis.value)
            case Activated.GENESIS | Activated.RULES_VERSION:
                continue  # No file says it.
        told.append((book, said))
    return told


def activate(
    what: Activated, value: JsonValue, positions: list[JsonValue] | None = None
) -> dict[str, JsonValue]:
    """The body of a command that puts something in force."""
    return {"kind": "activate", "what": what.value, "value": value, "positions": positions or []}


def apart(known: Activations, files: Files) -> list[Difference]:
    """Where files say something else than what is in force."""
    found = differences(known.last(), files.in_force)
    # Those of a new book are told after the map that brings it.
    return sorted(found, key=lambda each: each.what is not Activated.BOOK_MAP)
