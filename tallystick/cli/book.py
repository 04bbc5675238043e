"""`tallystick book`: entries by hand, reversals, expenses, capital, rates, files of commands."""

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

import typer
from pydantic import TypeAdapter, ValidationError

from services.console.intake import Answer
from shared.contracts.journal import DEFAULT_BOOK
from tallystick.amounts import AmountInvalid, Json, place_of, posting_on_wire
from tallystick.cli.ask import (
    AsJson,
    Because,
    InBook,
    Takes,
    UnderKey,
    amount_told,
    ask,
    ask_all,
    no_amount,
    taking_effect,
)
from tallystick.cli.book_again import lines_of, lines_told_again, look, tell
from tallystick.cli.problems import ExitCode, Problem
from tallystick.what_if.told_again import KIND

app = typer.Typer(
    help="Entries by hand; each is a command, and its outcome is on record.",
    no_args_is_help=True,
)

_OBJECT: Final[TypeAdapter[Json]] = TypeAdapter(Json)

Amount = Annotated[str, typer.Argument(metavar="AMOUNT", help="Such as '12.50 usd'.")]
About = Annotated[str, typer.Option("--description", "-m", help="What it is, for the reader.")]
Floor = Annotated[bool, typer.Option("--floor", help="Refuse it where the money is not available.")]


@app.command("entry")
def entry(  # one option for each part of an entry
    *,
    debit: Annotated[
        list[str], typer.Option("--debit", help="'ACCOUNT=12.50 usd' or 'ACCOUNT[KEY]=12.50 usd'.")
    ],
    credit: Annotated[list[str], typer.Option("--credit", help="The same, on the other side.")],
    on: Takes = "",
    description: About = "",
    reason: Because = "",
    floor: Floor = False,
    book: InBook = DEFAULT_BOOK,
    key: UnderKey = "",
    as_json: AsJson = False,
) -> None:
    """Book a balanced entry."""
    sides = [("debit", each) for each in debit] + [("credit", each) for each in credit]
    try:
        postings = [posting_on_wire(text, side) for side, text in sides]
    except AmountInvalid as error:
        raise no_amount(error) from None
    told: Json = {
        "kind": "manual_entry",
        "effective_at": taking_effect(on, book),
        "postings": postings,
        "description": description,
        "reason": reason,
        "floor": floor,
    }
    ask(told, book=book, key=key, as_json=as_json)


@app.command("reverse")
def reverse(
    reference: Annotated[str, typer.Argument(help="The entry's reference, such as command:….")],
    *,
    reason: Annotated[str, typer.Option("--reason", help="Why; it is part of the record.")],
    on: Takes = "",
    book: InBook = DEFAULT_BOOK,
    key: UnderKey = "",
    as_json: AsJson = False,
) -> None:
    """Undo an entry by a new one that names it."""
    told: Json = {
        "kind": "reverse_entry",
        "reference": reference,
        "effective_at": taking_effect(on, book),
        "reason": reason,
    }
    ask(told, book=book, key=key, as_json=as_json)


@app.command("expense")
def expense(  # one option for each part of an expense
    category: Annotated[
        str, typer.Argument(help="compute, domain, gas, bank-fees, or another under expenses.")
    ],
    amount: Amount,
    *,
    paid_from: Annotated[
        str, typer.Option("--from", help="What it was paid from: ACCOUNT or ACCOUNT[KEY].")
    ],
    supplier: Annotated[str, typer.Option("--supplier", help="Who was paid.")] = "",
    on: Takes = "",
    description: About = "",
    reason: Because = "",
    floor: Floor = False,
    book: InBook = DEFAULT_BOOK,
    key: UnderKey = "",
    as_json: AsJson = False,
) -> None:
    """Book what was bought, as agents do for compute, domains and gas."""
    account, sub_key = place_of(paid_from)
    told: Json = {
        "kind": "book_expense",
        "category": category,
        "amount": amount_told(amount),
        "paid_from": account,
        "paid_from_key": sub_key,
        "supplier": supplier,
        "effective_at": taking_effect(on, book),
        "description": description,
        "reason": reason,
        "floor": floor,
    }
    ask(told, book=book, key=key, as_json=as_json)


@app.command("capital")
def capital(
    direction: Annotated[str, typer.Argument(help="contribute or withdraw.")],
    amount: Amount,
    *,
    account: Annotated[str, typer.Option("--account", help="Where the money is: ACCOUNT[KEY].")],
    on: Takes = "",
    description: About = "",
    floor: Floor = False,
    book: InBook = DEFAULT_BOOK,
    key: UnderKey = "",
    as_json: AsJson = False,
) -> None:
    """Book what an owner puts in or takes out."""
    name, sub_key = place_of(account)
    told: Json = {
        "kind": "owner_capital",
        "direction": direction,
        "amount": amount_told(amount),
        "account": name,
        "key": sub_key,
        "effective_at": taking_effect(on, book),
        "description": description,
        "floor": floor,
    }
    ask(told, book=book, key=key, as_json=as_json)


@app.command("rate")
def rate(
    base: Annotated[str, typer.Argument(help="One major unit of this …")],
    quote: Annotated[str, typer.Argument(help="… is worth, in this,")],
    worth: Annotated[str, typer.Argument(help="so much.")],
    *,
    on: Annotated[str, typer.Option("--on", help="The day of the rate.")],
    book: InBook = DEFAULT_BOOK,
    key: UnderKey = "",
    as_json: AsJson = False,
) -> None:
    """Record an exchange rate: `tallystick book rate eur usd 1.0853 --on 2026-11-03`."""
    told: Json = {"kind": "exchange_rate", "base": base, "quote": quote, "rate": worth, "on": on}
    ask(told, book=book, key=key, as_json=as_json)


@app.command("send")
def send(
    file: Annotated[Path, typer.Argument(help="JSON Lines: one command a line.")],
    *,
    book: InBook = DEFAULT_BOOK,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be sent, and what it books.")
    ] = False,
) -> None:
    """Send commands from a file, in order, up to the first that is refused.

    A line may name its own `idempotency_key`; else its key is made of what it says, and of how many
    lines before it say the same, so that a file that was sent in part can be sent again. A line of
    the kind `tell_again`, as `tallystick what-if` writes it, names a message that is told again
    behind all commands, unless its fact is booked already.
    """
    lines = _lines_of(file)
    again = lines_told_again(file, lines)
    commands = [(number, told) for number, told in lines if told.get("kind") != KIND]
    kinds = sorted({str(told.get("kind")) for _, told in commands})
    if commands or not again:
        print(f"{len(commands)} commands: {', '.join(kinds) or 'none'}")
    due = look(again, book=book) if again else None
    for line in lines_of(due) if due is not None else ():
        print(line)
    if dry_run:
        return
    if commands:
        _send_commands(file, commands, book=book)
    if due is not None and due.lines:
        tell(due, book=book)


def _send_commands(file: Path, commands: Sequence[tuple[int, Json]], *, book: str) -> None:
    keys = _keys_of([told for _, told in commands])
    bodies = [
        {name: value for name, value in told.items() if name != "idempotency_key"}
        for _, told in commands
    ]
    found = ask_all(bodies, book=book, keys=keys)
    done = sum(status in (Answer.BOOKED, Answer.REPLAYED) for status, _ in found)
    again = sum(status is Answer.REPLAYED for status, _ in found)
    print(f"{done} accepted" + (f", {again} of them before" if again else ""))
    if done < len(commands):
        raise Problem(
            f"Line {commands[len(found) - 1][0]} of {file} was not accepted:"
            f" {found[-1][0].name.lower()}",
            why=str(found[-1][1].get("reason") or "not decided in time"),
            fix="mend the line and send the file again: what was accepted is not done twice",
            code=ExitCode.REFUSED,
        )


def _lines_of(file: Path) -> list[tuple[int, Json]]:
    try:
        text = file.read_text("utf-8")
    except (OSError, ValueError) as error:
        raise Problem(
            f"{file} cannot be read",
            why=str(error),
            fix="give a file of JSON Lines, one command a line",
            code=ExitCode.USAGE,
        ) from None
    found: list[tuple[int, Json]] = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            found.append((number, _OBJECT.validate_json(line)))
        except ValidationError:
            raise Problem(
                f"Line {number} of {file} is no command",
                why="it is no JSON object",
                fix="each line is one JSON object with a `kind`; nothing was sent",
                code=ExitCode.USAGE,
            ) from None
    return found


def _keys_of(lines: Sequence[Json]) -> list[str]:
    seen: Counter[str] = Counter()
    keys: list[str] = []
    for told in lines:
        given = told.get("idempotency_key")
        if isinstance(given, str) and given:
            keys.append(given)
            continue
        said = hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:40]
        seen[said] += 1
        keys.append(f"{said}-{seen[said]}")
    return keys
