"""`tallystick hold`: money set aside, taken, and set free again."""

from typing import Annotated

import typer

from shared.contracts.journal import DEFAULT_BOOK
from tallystick.amounts import Json, place_of
from tallystick.cli.ask import (
    AsJson,
    Because,
    InBook,
    Takes,
    UnderKey,
    amount_told,
    ask,
    taking_effect,
)
from tallystick.cli.decided import hold_lines, show_decided

app = typer.Typer(
    help="Set money aside: available is what is posted less what is held.", no_args_is_help=True
)

Hold = Annotated[str, typer.Argument(metavar="HOLD", help="The id that `hold place` gave.")]
Place = Annotated[str, typer.Argument(metavar="ACCOUNT", help="ACCOUNT or ACCOUNT[KEY].")]


@app.command("place")
def place(
    account: Place,
    amount: Annotated[str, typer.Argument(metavar="AMOUNT", help="Such as '12.50 usd'.")],
    *,
    expires: Annotated[
        str, typer.Option("--expires", help="From when it holds nothing any more.")
    ] = "",
    description: Annotated[str, typer.Option("--description", "-m", help="What it is for.")] = "",
    book: InBook = DEFAULT_BOOK,
    key: UnderKey = "",
    as_json: AsJson = False,
) -> None:
    """Set an amount aside, as far as it is available."""
    name, sub_key = place_of(account)
    told: Json = {
        "kind": "place_hold",
        "account": name,
        "key": sub_key,
        "amount": amount_told(amount),
        "expires_at": taking_effect(expires, book) if expires else None,
        "description": description,
    }
    ask(told, book=book, key=key, as_json=as_json)


@app.command("settle")
def settle(
    hold: Hold,
    to: Annotated[str, typer.Argument(metavar="TO", help="Where it goes: ACCOUNT[KEY].")],
    *,
    amount: Annotated[str, typer.Option("--amount", help="Less than all of it.")] = "",
    on: Takes = "",
    description: Annotated[str, typer.Option("--description", "-m", help="What it is for.")] = "",
    book: InBook = DEFAULT_BOOK,
    key: UnderKey = "",
    as_json: AsJson = False,
) -> None:
    """Take what was set aside; what is left over is set free."""
    name, sub_key = place_of(to)
    told: Json = {
        "kind": "settle_hold",
        "hold": hold,
        "to": name,
        "to_key": sub_key,
        "amount": amount_told(amount) if amount else None,
        "effective_at": taking_effect(on, book),
        "description": description,
    }
    ask(told, book=book, key=key, as_json=as_json)


@app.command("release")
def release(
    hold: Hold,
    *,
    reason: Because = "",
    book: InBook = DEFAULT_BOOK,
    key: UnderKey = "",
    as_json: AsJson = False,
) -> None:
    """Set it free again."""
    told: Json = {"kind": "release_hold", "hold": hold, "reason": reason}
    ask(told, book=book, key=key, as_json=as_json)


@app.command("list")
def list_all(*, book: InBook = DEFAULT_BOOK, as_json: AsJson = False) -> None:
    """What is set aside, and how each hold ended."""
    show_decided("holds_of_book", book, hold_lines, as_json=as_json)
