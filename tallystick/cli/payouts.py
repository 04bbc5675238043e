"""`tallystick payouts`: what a payout is made of, and that it arrived."""

from datetime import datetime
from typing import Annotated

import typer

from services.console.reconciling.certificate import paper_of
from services.console.reconciling.paper import Paper
from services.console.shell.certificates import NoSuchPayout, certified
from services.console.shell.readers import Snapshot
from services.console.shell.reconciling_reports import ReportName, asked, paper
from shared.contracts.books import BookData
from shared.contracts.journal import DEFAULT_BOOK
from tallystick.cli.papers import Book, First, Form, InForm, Last, write
from tallystick.cli.problems import ExitCode, Problem

app = typer.Typer(help="Payouts, each with its certificate.", no_args_is_help=True)


@app.command("certificate")
def certificate(
    payout: Annotated[str, typer.Argument(metavar="PAYOUT", help="po_….")],
    book: Book = DEFAULT_BOOK,
    form: InForm = Form.TABLE,
) -> None:
    """Three sums that have to agree: Stripe's movements, the ledger's entries, the bank's lines.

    Exit 1 where they differ. `--format html` writes a page that prints.
    """

    async def read(data: BookData, ledger: Snapshot, reconciler: Snapshot, now: datetime) -> Paper:
        try:
            told = await certified(ledger, reconciler, data.name, payout, now=now)
        except NoSuchPayout as error:
            raise Problem(
                str(error),
                fix="see them with `tallystick payouts list`",
                code=ExitCode.USAGE,
            ) from None
        return paper_of(told)

    write(book, read, form)


@app.command("list")
def listed(
    book: Book = DEFAULT_BOOK, first: First = "", last: Last = "", form: InForm = Form.TABLE
) -> None:
    """Payouts that arrive in a period, each with its chain from charge to bank line."""

    async def read(data: BookData, ledger: Snapshot, reconciler: Snapshot, now: datetime) -> Paper:
        words = {word: value for word, value in (("from", first), ("to", last)) if value}
        name = ReportName.CUSTODY
        return await paper(name, asked(name, data, words, now), ledger, reconciler)

    write(book, read, form)
