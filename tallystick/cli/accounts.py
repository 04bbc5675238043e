"""`tallystick accounts`: accounts opened, closed and renamed, with their history."""

from typing import Annotated

import typer

from shared.contracts.journal import DEFAULT_BOOK
from tallystick.amounts import Json
from tallystick.cli.ask import AsJson, Because, InBook, UnderKey, ask
from tallystick.cli.decided import account_lines, show_decided

app = typer.Typer(
    help="Open, close and rename accounts; each is a command, on record.", no_args_is_help=True
)

Name = Annotated[str, typer.Argument(metavar="ACCOUNT", help="Such as expenses:office.")]


@app.command("open")
def open_account(  # one option for each property of an account
    name: Name,
    display: Annotated[str, typer.Argument(help="What people read for it.")],
    *,
    sub_key: Annotated[
        str, typer.Option("--kept-by", help="What its sub-ledger is kept by: customer, invoice ….")
    ] = "",
    normal: Annotated[
        str, typer.Option("--normal", help="debit or credit; else the side of its root.")
    ] = "",
    floor: Annotated[
        bool, typer.Option("--floor", help="Commands may never take it below zero.")
    ] = False,
    reason: Because = "",
    book: InBook = DEFAULT_BOOK,
    key: UnderKey = "",
    as_json: AsJson = False,
) -> None:
    """Open an account that the chart does not have, or one that was closed."""
    told: Json = {
        "kind": "open_account",
        "account": name,
        "display": display,
        "key": sub_key,
        "normal": normal or None,
        "floor": floor,
        "reason": reason,
    }
    ask(told, book=book, key=key, as_json=as_json)


@app.command("close")
def close_account(
    name: Name,
    *,
    reason: Because = "",
    book: InBook = DEFAULT_BOOK,
    key: UnderKey = "",
    as_json: AsJson = False,
) -> None:
    """Close an account that stands at zero."""
    told: Json = {"kind": "close_account", "account": name, "reason": reason}
    ask(told, book=book, key=key, as_json=as_json)


@app.command("rename")
def rename_account(
    name: Name,
    display: Annotated[str, typer.Argument(help="What people read for it from now on.")],
    *,
    reason: Because = "",
    book: InBook = DEFAULT_BOOK,
    key: UnderKey = "",
    as_json: AsJson = False,
) -> None:
    """Give an account another display name; its own name stays."""
    told: Json = {"kind": "rename_account", "account": name, "display": display, "reason": reason}
    ask(told, book=book, key=key, as_json=as_json)


@app.command("list")
def list_all(
    name: Annotated[
        str, typer.Argument(metavar="[ACCOUNT]", help="Only the history of this one.")
    ] = "",
    *,
    book: InBook = DEFAULT_BOOK,
    as_json: AsJson = False,
) -> None:
    """What commands did to accounts, the last first; `activate show --chart` has the chart's."""
    show_decided("account_changes_of_book", book, account_lines, name, as_json=as_json)
