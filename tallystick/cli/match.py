"""`tallystick match`: bank lines matched by hand, taken back, written off, signed off."""

import asyncio
import json
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from services.console.reconciling.chain import broken_link
from shared.contracts.journal import DEFAULT_BOOK
from shared.contracts.money import Money
from shared.runtime import log
from tallystick.amounts import Json
from tallystick.cli.act import Forced, Line, act, line_named, rows_here
from tallystick.cli.ask import AsJson, Because, InBook, UnderKey, amount_told, require_book
from tallystick.cli.problems import ExitCode, Problem
from tallystick.cli.reach import settings_here

app = typer.Typer(
    help="Match by hand. Each act is an event: it can be taken back, never edited.",
    no_args_is_help=True,
)
Why = Annotated[str, typer.Option("--reason", help="Why, for the record.")]


@app.command("make")
def make(
    line: Line,
    objects: Annotated[
        list[str],
        typer.Argument(metavar="OBJECT...", help="po_… or tu_…; a share as po_…='12.50 usd'."),
    ],
    *,
    also: Annotated[
        list[str] | None, typer.Option("--also", help="Further lines that pay the same object.")
    ] = None,
    force: Forced = False,
    reason: Because = "",
    book: InBook = DEFAULT_BOOK,
    key: UnderKey = "",
    as_json: AsJson = False,
) -> None:
    """Lay a line to what it settles: one payout, or several with their shares."""
    lines = [line_named(each) for each in (line, *(also or []))]
    told: Json = {
        "kind": "match_by_hand",
        "matches": [{"lines": lines, "objects": [_paired(each) for each in objects]}],
        "force": force,
        "reason": reason,
    }
    act(told, book=book, key=key, as_json=as_json)


@app.command("undo")
def undo(
    lines: Annotated[list[str], typer.Argument(metavar="LINE...", help="ACCOUNT/LINE.")],
    *,
    reason: Why,
    to_rules: Annotated[
        bool, typer.Option("--to-rules", help="Let the rules have them again.")
    ] = False,
    book: InBook = DEFAULT_BOOK,
    key: UnderKey = "",
    as_json: AsJson = False,
) -> None:
    """Take lines back from what they settle; they wait for you, or go back to the rules."""
    told: Json = {
        "kind": "unmatch",
        "lines": [line_named(each) for each in lines],
        "to_rules": to_rules,
        "reason": reason,
    }
    act(told, book=book, key=key, as_json=as_json)


@app.command("write-off")
def write_off(
    what: Annotated[str, typer.Argument(metavar="WHAT", help="ACCOUNT/LINE, or po_… or tu_….")],
    *,
    reason: Why,
    account: Annotated[
        str, typer.Option("--to", help="The account it goes to.")
    ] = "expenses:bank-fees",
    amount: Annotated[str, typer.Option("--amount", help="Less than all that is left.")] = "",
    book: InBook = DEFAULT_BOOK,
    key: UnderKey = "",
    as_json: AsJson = False,
) -> None:
    """Write off what is left of a line or a payout, within the limit that is set."""
    item: Json = {"account": account}
    item |= {"line": line_named(what)} if "/" in what else {"object": what}
    item |= {"amount": amount_told(amount)} if amount else {}
    told: Json = {"kind": "write_off", "items": [item], "reason": reason}
    act(told, book=book, key=key, as_json=as_json)


@app.command("bulk")
def bulk(
    file: Annotated[
        Path, typer.Argument(help="JSON: one act, such as many matches. See the docs.")
    ],
    *,
    book: InBook = DEFAULT_BOOK,
    key: UnderKey = "",
    as_json: AsJson = False,
) -> None:
    """Carry out a file's act: all of its items, or none."""
    try:
        told: Any = json.loads(file.read_text("utf-8"))  # Any: JSON
    except (OSError, ValueError) as error:
        raise Problem(f"{file} cannot be read", why=str(error), code=ExitCode.USAGE) from None
    if not isinstance(told, dict):
        raise Problem(f"{file} is no JSON object", code=ExitCode.USAGE)
    act(cast("Json", told), book=book, key=key, as_json=as_json)


@app.command("sign-off")
def sign_off(
    account: Annotated[str, typer.Argument(metavar="ACCOUNT", help="The bank account.")],
    *,
    through: Annotated[str, typer.Option("--through", help="The last day, such as 2026-11-30.")],
    currency: Annotated[str, typer.Option("--currency", help="Its currency.")] = "usd",
    force: Forced = False,
    reason: Because = "",
    book: InBook = DEFAULT_BOOK,
    key: UnderKey = "",
    as_json: AsJson = False,
) -> None:
    """Sign a bank account's reconciliation up to a day; its figures are frozen and chained."""
    told: Json = {
        "kind": "sign_off",
        "account": account,
        "currency": currency.lower(),
        "through": through,
        "force": force,
        "reason": reason,
    }
    act(told, book=book, key=key, as_json=as_json)


@app.command("sign-offs")
def sign_offs(*, book: InBook = DEFAULT_BOOK, as_json: AsJson = False) -> None:
    """The sign-offs of a book, and whether their chain holds."""
    settings = settings_here()
    log.set_up(level="error")
    require_book(settings, book)
    rows = asyncio.run(rows_here(settings, "sign_offs", book))
    if as_json:
        print(json.dumps([row["decided"] for row in rows], indent=2))
    for row in rows if not as_json else ():
        told = row["decided"]
        agrees = "agrees" if not told["exceptions"] else "; ".join(told["exceptions"])
        sides = ("bank_minor", "ledger_minor", "in_transit_minor")
        bank, ledger, on_its_way = (
            Money.of(int(told.get(side, 0)), told["currency"]) for side in sides
        )
        print(
            f"{told['account']} through {told['through']}  bank {bank}, ledger {ledger},"
            f" in transit {on_its_way}  {told['lines']} lines, {told['matches']} matches"
            f"  by {told['signed_by']}  {agrees}\n  {told['digest']}"
        )
    if not rows and not as_json:
        print("Nothing was signed off yet.")
    if broken := broken_link([row["decided"] for row in rows]):
        raise Problem(
            "The chain of sign-offs does not hold", why=broken, code=ExitCode.FOUND_A_PROBLEM
        )
    if rows and not as_json:
        print("Their chain holds.")


def _paired(text: str) -> Json:
    name, _, share = text.partition("=")
    told: Json = {"object": name}
    if share:
        told["share"] = amount_told(share)
    return told
