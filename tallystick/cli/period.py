"""`tallystick period`: days that are closed, locked, and opened again."""

from typing import Annotated

import typer

from shared.contracts.journal import DEFAULT_BOOK
from tallystick.amounts import Json
from tallystick.cli.ask import AsJson, Because, InBook, UnderKey, ask
from tallystick.cli.decided import closing_lines, late_lines, show_decided

app = typer.Typer(
    help="Close days, so that statements of them no longer change.", no_args_is_help=True
)

Through = Annotated[str, typer.Option("--through", help="The last day that it closes.")]


@app.command("close")
def close(
    *,
    through: Through,
    reason: Because = "",
    book: InBook = DEFAULT_BOOK,
    key: UnderKey = "",
    as_json: AsJson = False,
) -> None:
    """Close all days through one; what is told of them later is reported on the first open day."""
    told: Json = {"kind": "close_period", "through": through, "reason": reason}
    ask(told, book=book, key=key, as_json=as_json)


@app.command("lock")
def lock(
    *,
    through: Through,
    reason: Because = "",
    book: InBook = DEFAULT_BOOK,
    key: UnderKey = "",
    as_json: AsJson = False,
) -> None:
    """Close all days through one for good: they can never be opened again."""
    told: Json = {"kind": "lock_period", "through": through, "reason": reason}
    ask(told, book=book, key=key, as_json=as_json)


@app.command("reopen")
def reopen(
    *,
    since: Annotated[str, typer.Option("--since", help="The first day that it opens.")],
    reason: Annotated[str, typer.Option("--reason", help="Why; it is part of the record.")],
    book: InBook = DEFAULT_BOOK,
    key: UnderKey = "",
    as_json: AsJson = False,
) -> None:
    """Open days again that are closed and not locked."""
    told: Json = {"kind": "reopen_period", "since": since, "reason": reason}
    ask(told, book=book, key=key, as_json=as_json)


@app.command("list")
def list_all(*, book: InBook = DEFAULT_BOOK, as_json: AsJson = False) -> None:
    """How far the book is closed and locked, and how that came about."""
    show_decided("closings_of_book", book, closing_lines, as_json=as_json)


@app.command("late")
def late(*, book: InBook = DEFAULT_BOOK, as_json: AsJson = False) -> None:
    """Facts of closed days that were told later, with the day on which each is reported."""
    show_decided("late_entries_of_book", book, late_lines, as_json=as_json)
