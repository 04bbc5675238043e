"""`tallystick activate`: what bookings depend on, put in force by a command, from positions on."""

import asyncio
import json
import re
import tomllib
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Final, cast

import typer
from pydantic import JsonValue, ValidationError

from services.console.intake import Answer
from services.ledger.activation.activations import ACTIVATION, ActivationRecord, book_map_value
from services.ledger.activation.in_force import BookInForce
from services.ledger.chart import DEFAULT_CHART, chart_of
from services.ledger.shell.beginning import files_of
from shared.contracts.books import BookMap
from shared.contracts.commands import OF_ALL_BOOKS, Activated
from shared.contracts.journal import DEFAULT_BOOK, Book
from shared.runtime.settings import SettingsInvalid
from tallystick.cli.answered import AWAIT_SECONDS, refused
from tallystick.cli.ask import AsJson, Because, InBook, UnderKey, ask_all
from tallystick.cli.problems import ExitCode, Problem
from tallystick.cli.reach import require_database, settings_here
from tallystick.in_force_here import Told, activate, apart, commands_for, history_at, in_force_at

app = typer.Typer(
    help="Put a rules version, a chart, a basis or a book map in force; what is booked stays.",
    no_args_is_help=True,
)

Command = tuple[str, Mapping[str, JsonValue]]
From = Annotated[
    list[str] | None,
    typer.Option(
        "--from",
        metavar="TOPIC/PARTITION=OFFSET",
        help="The first message that it holds for; else from where each input stands now.",
    ),
]
_POSITION: Final = re.compile(r"([a-z.\-]+)/([0-9]{1,6})[=@]([0-9]{1,18})")


@app.command("rules")
def rules(
    version: Annotated[int, typer.Argument(help="The version of the posting rules.")],
    *,
    since: From = None,
    reason: Because = "",
    book: InBook = "",
    key: UnderKey = "",
    as_json: AsJson = False,
) -> None:
    """Book by another version of the rules, in all books."""
    command = activate(Activated.RULES_VERSION, version, _positions(since))
    _put_in_force([(book or _first_book(), command)], reason, key, as_json=as_json)


@app.command("basis")
def basis(
    which: Annotated[str, typer.Argument(help="cash or accrual.")],
    *,
    since: From = None,
    reason: Because = "",
    book: InBook = DEFAULT_BOOK,
    key: UnderKey = "",
    as_json: AsJson = False,
) -> None:
    """Count a book's revenue when it is paid (cash), or when it is invoiced and served."""
    command = activate(Activated.BASIS, which, _positions(since))
    _put_in_force([(book, command)], reason, key, as_json=as_json)


@app.command("chart")
def chart(
    file: Annotated[Path, typer.Argument(help="The chart of accounts, a TOML file.")],
    *,
    since: From = None,
    reason: Because = "",
    book: InBook = DEFAULT_BOOK,
    key: UnderKey = "",
    as_json: AsJson = False,
) -> None:
    """Give a book another chart of accounts."""
    command = activate(Activated.CHART, _text(file), _positions(since))
    _put_in_force([(book, command)], reason, key, as_json=as_json)


@app.command("book-map")
def book_map(
    file: Annotated[Path, typer.Argument(help="The books file, with the charts it names.")],
    *,
    since: From = None,
    reason: Because = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what the file would change.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Put in force what a books file says: its books, and charts and bases that differ."""
    try:
        files = files_of(BookMap.model_validate(tomllib.loads(_text(file))))
    except (ValidationError, tomllib.TOMLDecodeError, SettingsInvalid) as error:
        raise Problem(
            f"{file} does not tell books", why=str(error), fix="mend it", code=ExitCode.USAGE
        ) from None
    known = asyncio.run(in_force_at(require_database(settings_here())))
    found = apart(known, files)
    for each in found:
        of_book = f"book {each.book}, " if each.book else ""
        print(f"{of_book}{each.what.replace('_', ' ')}: {each.detail}")
    if not found:
        print("all of it is in force already")
    if found and not dry_run:
        positions = _positions(since)
        wanted = commands_for(known, files, found)
        commands = [(book, {**told, "positions": positions}) for book, told in wanted]
        _put_in_force(commands, reason, "", as_json=as_json)


@app.command("list")
def list_all(*, as_json: AsJson = False) -> None:
    """Everything that was put in force, who asked for it and why, the first first."""
    told = asyncio.run(history_at(require_database(settings_here())))
    if as_json:
        print(json.dumps([_as_json(each) for each in told], indent=2))
        return
    for each in told:
        print(f"{each.recorded_at:%Y-%m-%d %H:%M:%S}  {_line(each.record)}")
        for line in _details(each.record):
            print(f"    {line}")


@app.command("show")
def show(
    *,
    book: Annotated[str, typer.Option("--book", help="Only this book.")] = "",
    chart_text: Annotated[
        bool, typer.Option("--chart", help="The text of the book's chart, as a file has it.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """What is in force once every position that was named has been passed."""
    known = asyncio.run(in_force_at(require_database(settings_here())))
    last = known.last()
    names = [book] if book else [each.name for each in last.book_map.books]
    if any(last.book_map.named(name) is None for name in names):
        raise Problem(
            f"There is no book {book!r} in force",
            why=f"the books are {', '.join(each.name for each in last.book_map.books)}",
            fix="name one of them with --book",
            code=ExitCode.USAGE,
        )
    if chart_text:
        print(known.chart_text(Book(names[0])) or DEFAULT_CHART.read_text("utf-8"), end="")
        return
    if as_json:
        told = {
            "rules_version": last.rules_version,
            "bases": {name: last.named(name).basis.value for name in names},
            "book_map": book_map_value(last.book_map),
            "activations": known.number,
        }
        print(json.dumps(told, indent=2))
        return
    print(f"rules version {last.rules_version}, after {known.number} activations")
    for name in names:
        print(_of_book(last.named(name)))


def _of_book(book: BookInForce) -> str:
    data = book.data
    parts = [
        f"book {book.name}: {book.basis} basis, {len(book.chart.accounts)} accounts in its chart",
        f"days in {data.time_zone}",
        f"mode {data.mode or 'of its messages'}",
    ]
    if data.stripe_accounts:
        parts.append(f"Stripe {', '.join(data.stripe_accounts)}")
    if data.bank_accounts:
        parts.append(f"banks {', '.join(each.name for each in data.bank_accounts)}")
    return "; ".join(parts)


def _put_in_force(commands: Sequence[Command], reason: str, key: str, *, as_json: bool) -> None:
    """Ask for one after the other, and show what is in force from where."""
    told: list[Mapping[str, object]] = []
    for book, command in commands:
        under = key or uuid.uuid4().hex
        ((status, answer),) = ask_all([{**command, "reason": reason}], book=book, keys=[under])
        what = f"{str(command['what']).replace('_', ' ')} of book {book}"
        match status:
            case Answer.BOOKED | Answer.REPLAYED:
                told.append({"key": under, **answer})
            case Answer.PENDING:
                raise Problem(
                    f"{what}: sent, and the ledger has not decided on it yet",
                    why=f"no outcome within {AWAIT_SECONDS:g} seconds",
                    fix="start the ledger: it decides on it first of all, and starts with files"
                    " that say the same",
                    code=ExitCode.UNREACHABLE,
                )
            case Answer.REFUSED:
                raise refused(answer, what=f"{what}: refused")
            case Answer.CONFLICT:
                raise Problem(
                    f"{what}: this key was used for another command",
                    why=str(answer.get("reason")),
                    fix="choose another --key; the first command stands",
                    code=ExitCode.REFUSED,
                )
        if not as_json:
            _show_answer(answer, is_again=status is Answer.REPLAYED)
    if as_json:
        print(json.dumps(told, indent=2))


def _show_answer(answer: Mapping[str, object], *, is_again: bool) -> None:
    decided = cast("Mapping[str, JsonValue]", answer.get("decided") or {})
    again = " (asked before under this key)" if is_again else ""
    if ACTIVATION not in decided:
        print(f"{answer.get('reason') or 'done'}{again}")
        return
    record = ActivationRecord.model_validate(decided[ACTIVATION])
    print(f"{_line(record)}{again}")
    for line in _details(record):
        print(f"    {line}")


def _line(record: ActivationRecord) -> str:
    where = "all books" if record.what in OF_ALL_BOOKS else f"book {record.book}"
    said = f"{record.number}  {record.what.replace('_', ' ')} {_value(record)}".rstrip()
    return f"{said}, {where}"


def _value(record: ActivationRecord) -> str:
    match record.what:
        case Activated.RULES_VERSION | Activated.BASIS:
            return str(record.value)
        case Activated.CHART:
            return f"of {len(chart_of(str(record.value)).accounts)} accounts"
        case Activated.BOOK_MAP:
            return f"of {len(BookMap.model_validate(record.value).books)} books"
        case Activated.GENESIS:
            return ""


def _details(record: ActivationRecord) -> list[str]:
    lines = [f"asked for by {record.actor}" + (f": {record.reason}" if record.reason else "")]
    if not record.positions:
        return [*lines, "from the beginning"]
    return (
        lines
        + [
            f"from {each.topic}/{each.partition} at {each.offset}"
            for each in record.positions
            if each.offset
        ]
        + ["elsewhere from the beginning"]
    )


def _as_json(told: Told) -> dict[str, object]:
    return {**told.record.model_dump(mode="json"), "recorded_at": told.recorded_at.isoformat()}


def _positions(since: Sequence[str] | None) -> list[JsonValue]:
    found: list[JsonValue] = []
    for text in since or ():
        told = _POSITION.fullmatch(text)
        if told is None:
            raise Problem(
                f"--from: {text[:80]!r} is no position",
                fix="write it as stripe.events/0=1200; `tallystick status` tells where inputs are",
                code=ExitCode.USAGE,
            )
        topic, partition, offset = told.groups()
        found.append({"topic": topic, "partition": int(partition), "offset": int(offset)})
    return found


def _text(file: Path) -> str:
    try:
        return file.read_text("utf-8")
    except (OSError, ValueError) as error:
        raise Problem(
            f"{file} cannot be read", why=str(error), fix="name another file", code=ExitCode.USAGE
        ) from None


def _first_book() -> str:
    return settings_here().books().books[0].name
