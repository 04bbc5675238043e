"""`tallystick bank`: statement files imported by hand, and what became of those that came."""

import asyncio
import json
from collections.abc import Coroutine, Iterable
from datetime import UTC
from pathlib import Path
from typing import Annotated, Any, TypeVar, cast

import typer

from services.feeds.config import FeedsSettings, csv_map_from
from services.feeds.shell.file_import import Asked
from services.feeds.shell.file_store import Outcome, Taken
from services.feeds.statements.csv_map import CsvMap
from services.feeds.statements.values import Format, Statement, StatementFile, StatementRefused
from shared.runtime import log
from tallystick.bank_files import PREFIX_CHARACTERS_MIN, BankFiles, read_only
from tallystick.cli.problems import ExitCode, Problem
from tallystick.cli.reach import require_database, variables_here
from tallystick.cli.talk import Talk
from tallystick.events.show import aligned
from tallystick.verdicts import printable

app = typer.Typer(
    help="Bank statement files: camt, MT940, MT942, BAI2, OFX, CSV.", no_args_is_help=True
)
files_app = typer.Typer(help="Files that came, and what became of them.", no_args_is_help=True)
app.add_typer(files_app, name="files")
_Result = TypeVar("_Result")
_SHOWN_DIGEST = 12
_SHOWN_LINES = 5

Json = Annotated[bool, typer.Option("--json", help="Data for programs on stdout.")]


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="The statement file.")],
    *,
    form: Annotated[
        Format | None, typer.Option("--format", help="What it is, where it does not say so.")
    ] = None,
    csv_map: Annotated[
        Path | None, typer.Option("--map", help="TOML file that says what a CSV's columns are.")
    ] = None,
    account: Annotated[
        str, typer.Option("--account", help="Our name of the account that the file tells of.")
    ] = "",
    is_dry: Annotated[
        bool, typer.Option("--dry-run", help="Say what it holds and what is new; take nothing.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Take a statement file: its lines and balances go to the books and the reconciler.

    The file is checked whole first: sums, dates, amounts, whose account it is. What is wrong is
    said, and nothing of it is taken. Lines that another file told already are not told again, so
    that a file may overlap others, or be imported twice.
    """
    log.set_up(level="critical")
    settings = FeedsSettings.load(variables_here())
    asked = Asked(form=form, csv_map=_map(csv_map), account=account, is_dry=is_dry)
    is_alone = not settings.postgres_dsn.get_secret_value()
    try:
        if is_dry or is_alone:
            # Without a database too, what is wrong with the file itself is said first.
            _look(file, asked, settings, as_json=as_json)
            if is_dry and is_alone:
                Talk().done("no database here: what of it is new cannot be said")
                return
        files = BankFiles(settings, require_database(settings))
        taken = asyncio.run(files.take(file, asked))
    except StatementRefused as refused:
        raise _refused(file.name, refused.why, refused.fix) from None
    except OSError as error:
        raise Problem(
            f"{printable(str(file))} cannot be read",
            why=error.strerror or str(error),
            fix="check the name, and that you may read it",
            code=ExitCode.USAGE,
        ) from None
    if as_json and not (is_dry and taken.outcome is Outcome.REFUSED):
        print(json.dumps(_told(taken)))
    if taken.outcome is Outcome.REFUSED:
        raise _refused(file.name, taken.reason, taken.fix)
    _say(taken, is_dry=is_dry)


def _look(file: Path, asked: Asked, settings: FeedsSettings, *, as_json: bool) -> None:
    """Read a file, and show what it holds where that is all that is asked for.

    What it holds ends here: a large one is not kept while it is read again.
    """
    found = read_only(file, asked, settings)
    if asked.is_dry:
        _show_contents(found, as_json=as_json)


@files_app.command("list")
def list_(
    *,
    refused: Annotated[bool, typer.Option("--refused", help="Only those that were refused.")] = (
        False
    ),
    limit: Annotated[int, typer.Option("--limit", min=1, help="The newest so many.")] = 50,
    as_json: Json = False,
) -> None:
    """Show the files that came, the newest first."""
    found = _run(_files().newest(Outcome.REFUSED.value if refused else "", limit))
    if as_json:
        for taken in found:
            print(json.dumps(_told(taken)))
    elif found:
        print("\n".join(aligned([_HEAD, *map(_row, found)])))
    else:
        Talk().done("no file was refused" if refused else "no file has come yet")


@files_app.command("show")
def show(
    digest: Annotated[str, typer.Argument(help="The beginning of the file's SHA-256.")],
    *,
    as_json: Json = False,
) -> None:
    """Show a file: what became of it, and of one that was refused why and what to do."""
    if len(digest) < PREFIX_CHARACTERS_MIN:
        raise typer.BadParameter(f"say at least {PREFIX_CHARACTERS_MIN} characters of the digest")
    found = _run(_files().like(digest.lower()))
    if len(found) != 1:
        raise Problem(
            f"{'No file' if not found else 'More than one file'} begins with {printable(digest)}",
            fix="`tallystick bank files list` shows them",
            code=ExitCode.USAGE,
        )
    if as_json:
        print(json.dumps(_told(found[0])))
        return
    for name, value in _told(found[0]).items():
        texts = cast("list[object]", value) if isinstance(value, list) else [value]
        for text in texts:
            print(f"{name:12} {printable(str(text))}")


_HEAD = ["came, UTC", "outcome", "lines", "new", "accounts", "digest", "file"]


def _row(taken: Taken) -> list[str]:
    cells = (
        f"{taken.taken_at.astimezone(UTC):%y-%m-%d %H:%M}",
        taken.outcome.value,
        str(taken.lines),
        str(taken.fresh),
        ",".join(taken.accounts),
        taken.sha256[:_SHOWN_DIGEST],
        taken.name,
    )
    return [printable(cell) for cell in cells]


def _told(taken: Taken) -> dict[str, object]:
    told: dict[str, object] = {
        "file": taken.name,
        "sha256": taken.sha256,
        "outcome": taken.outcome.value,
        "format": taken.format,
        "bytes": taken.size_bytes,
        "taken_at": taken.taken_at.isoformat(),
        "accounts": list(taken.accounts),
        "lines": taken.lines,
        "new": taken.fresh,
    }
    if taken.remarks:
        told["remarks"] = list(taken.remarks)
    if taken.reason:
        told |= {"why": taken.reason, "do": taken.fix}
    return told


def _say(taken: Taken, *, is_dry: bool) -> None:
    talk = Talk()
    for remark in taken.remarks:
        talk.done(f"note: {printable(remark)}")
    if taken.outcome is Outcome.KNOWN:
        at = f"{taken.taken_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
        whose = f" as {', '.join(taken.accounts)}" if taken.accounts else ""
        talk.done(f"this file was taken before, on {at}{whose}; nothing is new")
        return
    verb = "would take" if is_dry else "took"
    talk.done(
        f"{verb} {_count(taken.lines, 'line')} of {', '.join(taken.accounts)}: {how_new(taken)}"
    )


def how_new(taken: Taken) -> str:
    """How many of a file's lines were not told before."""
    known = taken.lines - taken.fresh
    if not known:
        return "all new" if taken.lines else "it has none"
    return f"{taken.fresh} new, {known} known before" if taken.fresh else "none is new"


def _show_contents(found: StatementFile, *, as_json: bool) -> None:
    for statement in found.statements:
        if as_json:
            print(json.dumps(_statement(statement)))
            continue
        print(f"{printable(statement.name)} ({found.format.value})")
        print("\n".join(f"  {row}" for row in _summary(statement)))


def _statement(statement: Statement) -> dict[str, object]:
    opening, closing = statement.opening, statement.closing
    return {
        "account": statement.account,
        "currency": statement.currency.code,
        "number": statement.number,
        "interim": statement.is_interim,
        "opening": None if opening is None else str(opening.amount),
        "closing": None if closing is None else str(closing.amount),
        "lines": len(statement.lines),
        "pending": len(statement.lines) - len(statement.booked),
    }


def _summary(statement: Statement) -> Iterable[str]:
    for name, balance in (("opening", statement.opening), ("closing", statement.closing)):
        if balance is not None:
            yield f"{name} {balance.on} {balance.amount}"
    for line in statement.lines[:_SHOWN_LINES]:
        text = line_text(line.counterparty, line.description, line.reference)
        pending = " (pending)" if line.is_pending else ""
        yield f"{line.booked_on} {line.amount!s:>16}{pending} {printable(text)[:80]}"
    if len(statement.lines) > _SHOWN_LINES:
        yield f"… {len(statement.lines) - _SHOWN_LINES} lines more"


def line_text(*parts: str) -> str:
    """What a line says, each thing once: a reference is often taken from the description."""
    told: list[str] = []
    for part in filter(None, parts):
        if not any(part in each for each in told):
            told = [*(each for each in told if each not in part), part]
    return " ".join(told)


def _refused(name: str, why: str, fix: str) -> Problem:
    return Problem(
        f"{printable(name)} was refused, and nothing of it was taken",
        why=printable(why),
        fix=printable(fix),
        code=ExitCode.REFUSED,
    )


def _map(path: Path | None) -> CsvMap | None:
    if path is None:
        return None
    try:
        return csv_map_from(path)
    except (OSError, ValueError) as error:
        raise Problem(
            f"The map {printable(str(path))} cannot be used",
            why=str(error),
            fix="see docs/howto/import-bank-statements.md for the form of a map",
            code=ExitCode.USAGE,
        ) from None


def _files() -> BankFiles:
    log.set_up(level="critical")
    settings = FeedsSettings.load(variables_here())
    return BankFiles(settings, require_database(settings))


def _run(work: Coroutine[Any, Any, _Result]) -> _Result:  # Any: what a coroutine yields
    return asyncio.run(work)


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
