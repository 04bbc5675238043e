"""`tallystick report`: the statements as tables that a person signs, as CSV, as JSON."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, Final

import typer

from services.console.shell.account_pages import AccountPages
from services.console.shell.readers import Snapshot, Views
from services.console.shell.reports import ACCOUNT, basis_of, names_of, report, rolled_up
from services.console.statements.account import AccountStatement
from services.console.statements.as_json import (
    account_json,
    basis_json,
    report_json,
    roll_up_json,
)
from services.console.statements.layout import (
    Styled,
    account_csv,
    account_lines,
    report_csv,
    report_lines,
    roll_up_csv,
    roll_up_lines,
)
from services.console.statements.names import AccountNames, Names, with_displays
from services.console.statements.query import (
    OF_A_PERIOD,
    STANDING,
    Asked,
    UnknownAccount,
    asked_of,
    depth_of,
    tags_of,
)
from services.console.statements.report import Kind
from services.console.views import BadRequest
from services.ledger.chart import default_chart
from services.ledger.shell.service import charts_of
from shared.contracts.books import BookData, BookMap
from shared.contracts.journal import DEFAULT_BOOK
from shared.runtime import log
from tallystick.cli.papers import add_to
from tallystick.cli.problems import ExitCode, Problem
from tallystick.cli.reach import require_database, settings_here

LINES_MAX: Final = 100_000
# What is called otherwise here than over HTTP.
_OPTIONS: Final = {"tags": "--tag"}
_STYLES: Final = {"heading": "1", "total": "1", "sound": "32", "wrong": "1;31"}

app = typer.Typer(
    help="Statements as of any time, on the effective and on the recorded axis.",
    no_args_is_help=True,
)


class Format(StrEnum):
    """How a report is written."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"


Book = Annotated[str, typer.Option(help="The book.")]
AsOf = Annotated[
    str, typer.Option(help="A day, or a time with its zone: what took effect later is left out.")
]
Recorded = Annotated[str, typer.Option(help="The same for when facts were recorded.")]
First = Annotated[str, typer.Option("--from", help="The first day.")]
Last = Annotated[str, typer.Option("--to", help="The last day.")]
OneCurrency = Annotated[str, typer.Option(help="Only this currency by itself.")]
Reporting = Annotated[
    str | None,
    typer.Option(help="Translate all into this currency; else into the book's own. '': none."),
]
Written = Annotated[Format, typer.Option("--format", help="How to write it.")]


@dataclass(frozen=True, slots=True)
class Shelf:
    """A book that is open to be read."""

    book: BookData
    named: AccountNames
    chart: Names | None
    views: Snapshot
    now: datetime

    def asked(self, known: frozenset[str], **words: str | None) -> Asked:
        """What the options ask of this book."""
        given = {name.rstrip("_"): value for name, value in words.items() if value is not None}
        return asked_of(self.book, given, known)

    def names(self, asked: Asked) -> Names:
        """What accounts were called at the moment that is asked for."""
        return self.named.at(asked.end, self.chart)


def _standing(kind: Kind) -> Callable[..., None]:
    """The command of a statement of what stands at a moment."""

    def command(
        book: Book = DEFAULT_BOOK,
        as_of: AsOf = "",
        recorded_as_of: Recorded = "",
        currency: OneCurrency = "",
        reporting: Reporting = None,
        written: Written = Format.TABLE,
    ) -> None:
        _statement(
            kind, book, written, as_of=as_of, recorded_as_of=recorded_as_of,
            currency=currency, reporting=reporting,
        )  # fmt: skip

    return command


def _of_a_period(kind: Kind) -> Callable[..., None]:
    """The command of a statement of what happened from one day to another."""

    def command(
        book: Book = DEFAULT_BOOK,
        first: First = "",
        last: Last = "",
        as_of: AsOf = "",
        recorded_as_of: Recorded = "",
        currency: OneCurrency = "",
        reporting: Reporting = None,
        written: Written = Format.TABLE,
    ) -> None:
        _statement(
            kind, book, written, from_=first, to=last, as_of=as_of,
            recorded_as_of=recorded_as_of, currency=currency, reporting=reporting,
        )  # fmt: skip

    return command


for _kind, _help in (
    (
        Kind.TRIAL_BALANCE,
        "Every account with its net debit or credit; both sides sum to the same.",
    ),
    (
        Kind.BALANCE_SHEET,
        "Assets against liabilities and equity, net income in Retained Earnings.",
    ),
    (Kind.SOLVENCY, "Current ratio, quick ratio, debt to equity, net equity, runway."),
    (Kind.INCOME_STATEMENT, "Revenue less expenses of a period."),
    (
        Kind.CASH_FLOW,
        "Where the cash of a period came from and went, by the indirect method.",
    ),
):
    _made = _of_a_period(_kind) if _kind.is_of_a_period else _standing(_kind)
    app.command(_kind.value, help=_help)(_made)


add_to(app)


@app.command("account")
def account(
    name: Annotated[str, typer.Argument(help="The account, such as assets:bank:main.")],
    book: Book = DEFAULT_BOOK,
    first: First = "",
    last: Last = "",
    as_of: AsOf = "",
    recorded_as_of: Recorded = "",
    written: Written = Format.TABLE,
) -> None:
    """An account's postings by time, with its running balance."""
    _postings(name, book, written, from_=first, to=last, as_of=as_of,
              recorded_as_of=recorded_as_of, is_one=True)  # fmt: skip


@app.command("general-ledger", hidden=True)
@app.command("ledger")
def ledger(
    under: Annotated[str, typer.Argument(help="Only this account and those under it.")] = "",
    book: Book = DEFAULT_BOOK,
    first: First = "",
    last: Last = "",
    as_of: AsOf = "",
    recorded_as_of: Recorded = "",
    written: Written = Format.TABLE,
) -> None:
    """The general ledger: every account's statement, one after the other."""
    _postings(under, book, written, from_=first, to=last, as_of=as_of,
              recorded_as_of=recorded_as_of, is_one=False)  # fmt: skip


@app.command("roll-up")
def roll_up(
    under: Annotated[str, typer.Argument(help="Only this account and those under it.")] = "",
    book: Book = DEFAULT_BOOK,
    by: Annotated[
        str, typer.Option(help="account, key, tag, day, week, month, quarter or year.")
    ] = ACCOUNT,
    tag: Annotated[
        list[str] | None,
        typer.Option(
            "--tag",
            metavar="NAME=ACCOUNT,…",
            help="A slice of accounts, named here; by key also of keys, NAME=ACCOUNT[KEY],….",
        ),
    ] = None,
    depth: Annotated[str, typer.Option(help="How many segments of a name to keep.")] = "",
    first: First = "",
    last: Last = "",
    as_of: AsOf = "",
    recorded_as_of: Recorded = "",
    written: Written = Format.TABLE,
) -> None:
    """Turnover by account prefix, by key, by tag or by span of time.

    By key it is what stood under each key at that moment; with --from, what each turned over.
    """

    async def read(shelf: Shelf) -> None:
        asked = shelf.asked(
            OF_A_PERIOD, from_=first, to=last, as_of=as_of, recorded_as_of=recorded_as_of
        )
        tags = tags_of(";".join(tag or []))
        lines = await rolled_up(
            shelf.views, asked, by=by, under=under, depth=depth_of(depth), tags=tags
        )
        basis, names = await basis_of(shelf.views, asked, shelf.now), shelf.names(asked)
        match written:
            case Format.JSON:
                told = basis_json(basis) | {"by": by, "lines": roll_up_json(lines)}
                _json(with_displays(told, names))
            case Format.CSV:
                _csv(roll_up_csv(lines, names))
            case Format.TABLE:
                _table(roll_up_lines(lines, basis, f"Roll-up by {by}", names))

    _run(book, read)


def _statement(kind: Kind, book: str, written: Format, **words: str | None) -> None:
    async def read(shelf: Shelf) -> None:
        known = OF_A_PERIOD if kind.is_of_a_period else STANDING
        asked = shelf.asked(known, **words)
        made, names = await report(shelf.views, kind, asked, shelf.now), shelf.names(asked)
        match written:
            case Format.JSON:
                _json(with_displays(report_json(made), names))
            case Format.CSV:
                _csv(report_csv(made, names))
            case Format.TABLE:
                _table(report_lines(made, names))
        if made.missing:
            first = made.missing[0]
            on = first.on or shelf.now.date()
            raise Problem(
                f"There is no figure in {first.quote.upper()}: {first}",
                why="no rate is ever guessed; each currency by itself is complete",
                fix=f"record what 1 {first.base.upper()} was on {on} or earlier:"
                f" `tallystick book rate {first.base} {first.quote} RATE --on {on}`",
            )
        if not made.is_sound:
            raise Problem(
                "The books do not hold together",
                why=f"the {kind.value.replace('-', ' ')} has a difference that is not nought",
                fix="keep the data as it is, and look with `tallystick rebuild`",
            )

    _run(book, read)


def _postings(name: str, book: str, written: Format, *, is_one: bool, **words: str | None) -> None:
    async def read(shelf: Shelf) -> None:
        asked = shelf.asked(OF_A_PERIOD, **words)
        basis, names = await basis_of(shelf.views, asked, shelf.now), shelf.names(asked)
        found = await _all_pages(AccountPages(shelf.views, asked), name, is_one=is_one)
        match written:
            case Format.JSON:
                told = [account_json(each) for each in found]
                _json(with_displays(basis_json(basis) | {"accounts": told}, names))
            case Format.CSV:
                _csv(account_csv(found, names))
            case Format.TABLE:
                _table(account_lines(found, basis, names))

    _run(book, read)


async def _all_pages(pages: AccountPages, name: str, *, is_one: bool) -> list[AccountStatement]:
    """Every page, each account's put together; so many that a person can still read them."""
    if is_one:
        made = await pages.page(name, after=None, count=LINES_MAX)
        _require_end(is_end=made.is_last)
        return [made]
    page = await pages.ledger(under=name, after=None, count=LINES_MAX)
    _require_end(is_end=page.next is None)
    return list(page.accounts)


def _require_end(*, is_end: bool) -> None:
    if not is_end:
        raise Problem(
            f"There are more than {LINES_MAX:,} postings",
            why="a report is read by a person and held in memory",
            fix="ask for a shorter span with --from and --to, or page over the HTTP API",
            code=ExitCode.USAGE,
        )


def _run(book: str, read: Callable[[Shelf], Coroutine[Any, Any, None]]) -> None:  # Any: a coroutine
    settings = settings_here()
    log.set_up(level="error")
    books = settings.books()
    named = _book(books, book)
    dsn = require_database(settings)

    async def go() -> None:
        async with _open(dsn) as views:
            names = await names_of(views, named.book)
            chart = _chart(books, named, names)
            await read(Shelf(named, names, chart, views, datetime.now(UTC)))

    try:
        asyncio.run(go())
    except UnknownAccount as error:
        raise Problem(
            str(error),
            why=f"in book {book}, as far as it was read",
            fix="see the accounts with `tallystick report trial-balance`",
            code=ExitCode.USAGE,
        ) from None
    except BadRequest as error:
        name, _, rest = str(error).partition(": ")
        option = _OPTIONS.get(name, f"--{name.replace('_', '-')}")
        raise Problem(f"{option}: {rest}", code=ExitCode.USAGE) from None


@asynccontextmanager
async def _open(dsn: str) -> AsyncGenerator[Snapshot]:
    views = Views(dsn, "ledger")
    try:
        async with views.snapshot() as moment:
            yield moment
    finally:
        await views.close()


def _book(books: BookMap, name: str) -> BookData:
    found = books.named(name)
    if found is None:
        raise Problem(
            f"There is no book {name!r}",
            why=f"the books are {', '.join(sorted(b.name for b in books.books))}",
            fix="name one of them with --book",
            code=ExitCode.USAGE,
        )
    return found


def _chart(books: BookMap, book: BookData, names: AccountNames) -> Names | None:
    """The chart that the books file names, which has the last word; ``None``: those in force.

    Where nothing has begun, what the books begin with is all there is.
    """
    chart = charts_of(books).get(book.book) or (None if names.charts else default_chart())
    return None if chart is None else chart.display


def _json(told: object) -> None:
    print(json.dumps(told, indent=2))


def _csv(text: str) -> None:
    sys.stdout.write(text)


def _table(lines: Sequence[Styled]) -> None:
    is_coloured = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    for line in lines:
        code = _STYLES.get(line.style, "") if is_coloured else ""
        print(f"\033[{code}m{line.text}\033[0m" if code else line.text)
