"""Papers of reconciliation on the command line: certificates and reports, in four forms."""

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Final

import typer

from services.console.reconciling.paper import (
    Paper,
    paper_csv,
    paper_html,
    paper_json,
    paper_lines,
)
from services.console.shell.readers import Snapshot, Views
from services.console.shell.reconciling_reports import WORDS, ReportName, asked, paper
from services.console.views import BadRequest
from shared.contracts.books import BookData
from shared.contracts.journal import DEFAULT_BOOK
from shared.runtime import log
from tallystick.cli.ask import require_book
from tallystick.cli.problems import ExitCode, Problem
from tallystick.cli.reach import require_database, settings_here

_STYLES: Final = {"heading": "1", "sound": "32", "wrong": "1;31"}


class Form(StrEnum):
    """How a paper is written."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"
    HTML = "html"


InForm = Annotated[Form, typer.Option("--format", help="How to write it.")]
Book = Annotated[str, typer.Option("--book", help="The book.")]
First = Annotated[str, typer.Option("--from", help="The first day; else a month before the last.")]
Last = Annotated[str, typer.Option("--to", help="The last day; else today.")]
Account = Annotated[str, typer.Option("--account", help="The bank account; else the book's first.")]
Read = Callable[[BookData, Snapshot, Snapshot, datetime], Awaitable[Paper]]

_REPORTS: Final = (
    (ReportName.PAYOUTS, "Payouts of a period: summary by kind, each one, what is unpaid, failed."),
    (ReportName.BANK, "Bank reconciliation statement of an account at a day."),
    (ReportName.AGING, "What is not resolved, by class and days open; what is in transit."),
    (ReportName.PROOF_OF_CASH, "Opening, receipts, disbursements, closing: bank against books."),
    (ReportName.POSITION, "Bank against cash by day, Stripe against the ledger; both clocks."),
    (ReportName.LINES, "Each bank line and what it settles."),
    (ReportName.CUSTODY, "From charge to bank line: each payout's chain."),
)


def add_to(app: typer.Typer) -> None:
    """Add the reports of reconciliation to the verb of reports, each with the words it takes."""
    for name, about in _REPORTS:
        app.command(name.value, help=about)(_COMMANDS[WORDS[name]](name))


def _of_account_and_days(name: ReportName) -> Callable[..., None]:
    def command(
        book: Book = DEFAULT_BOOK,
        first: First = "",
        last: Last = "",
        account: Account = "",
        form: InForm = Form.TABLE,
    ) -> None:
        _report(name, book, {"from": first, "to": last, "account": account}, form)

    return command


def _of_account_at_a_day(name: ReportName) -> Callable[..., None]:
    def command(
        book: Book = DEFAULT_BOOK,
        last: Last = "",
        account: Account = "",
        form: InForm = Form.TABLE,
    ) -> None:
        _report(name, book, {"to": last, "account": account}, form)

    return command


def _of_days(name: ReportName) -> Callable[..., None]:
    def command(
        book: Book = DEFAULT_BOOK, first: First = "", last: Last = "", form: InForm = Form.TABLE
    ) -> None:
        _report(name, book, {"from": first, "to": last}, form)

    return command


def _of_now(name: ReportName) -> Callable[..., None]:
    def command(book: Book = DEFAULT_BOOK, form: InForm = Form.TABLE) -> None:
        _report(name, book, {}, form)

    return command


_COMMANDS: Final[Mapping[frozenset[str], Callable[[ReportName], Callable[..., None]]]] = {
    frozenset({"from", "to", "account"}): _of_account_and_days,
    frozenset({"to", "account"}): _of_account_at_a_day,
    frozenset({"from", "to"}): _of_days,
    frozenset(): _of_now,
}


def _report(name: ReportName, book: str, words: Mapping[str, str], form: Form) -> None:
    async def read(data: BookData, ledger: Snapshot, reconciler: Snapshot, now: datetime) -> Paper:
        told = {word: value for word, value in words.items() if value}
        return await paper(name, asked(name, data, told, now), ledger, reconciler)

    write(book, read, form)


def write(book: str, read: Read, form: Form) -> None:
    """Read a paper out of both services' views, and write it.

    Raises:
        Problem: It cannot be read, or something in it does not hold.
    """
    settings = settings_here()
    log.set_up(level="error")
    data = require_book(settings, book)
    dsn = require_database(settings)

    async def go() -> Paper:
        ledger, reconciler = Views(dsn, "ledger"), Views(dsn, "reconciler")
        try:
            async with ledger.snapshot() as one, reconciler.snapshot() as other:
                return await read(data, one, other, datetime.now(UTC))
        finally:
            await ledger.close()
            await reconciler.close()

    try:
        made = asyncio.run(go())
    except BadRequest as error:
        name, _, rest = str(error).partition(": ")
        raise Problem(f"--{name}: {rest}", code=ExitCode.USAGE) from None
    _print(made, form)
    if made.is_wrong:
        raise Problem(
            f"{made.title}: {made.verdict or 'something does not agree'}",
            fix="see the rows that differ, then `tallystick discrepancies list`",
            code=ExitCode.FOUND_A_PROBLEM,
        )


def _print(made: Paper, form: Form) -> None:
    match form:
        case Form.JSON:
            print(json.dumps(paper_json(made), indent=2))
        case Form.CSV:
            sys.stdout.write(paper_csv(made))
        case Form.HTML:
            sys.stdout.write(paper_html(made))
        case Form.TABLE:
            is_coloured = sys.stdout.isatty() and "NO_COLOR" not in os.environ
            for line in paper_lines(made):
                code = _STYLES.get(line.style, "") if is_coloured else ""
                print(f"\033[{code}m{line.text}\033[0m" if code else line.text)
