"""`tallystick tick`: the books' clock goes on, and what was served by then is earned."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from services.console.statements.moments import midnight
from shared.contracts.envelope import rfc3339
from shared.contracts.journal import DEFAULT_BOOK
from tallystick.cli.ask import AsJson, InBook, UnderKey, ask, require_book, taking_effect
from tallystick.cli.reach import settings_here


def tick(
    *,
    until: Annotated[
        str, typer.Option("--until", help="A day, up to its beginning; today where none is given.")
    ] = "",
    book: InBook = DEFAULT_BOOK,
    key: UnderKey = "",
    as_json: AsJson = False,
) -> None:
    """Release what invoices' lines have earned; as often as you like, best once a day."""
    zone = require_book(settings_here(), book).zone
    today = rfc3339(midnight(datetime.now(UTC).astimezone(zone).date(), zone))
    at = taking_effect(until, book) if until else today
    ask({"kind": "tick_clock", "until": at}, book=book, key=key, as_json=as_json)
