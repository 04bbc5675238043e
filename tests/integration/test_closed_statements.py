"""Statements of closed periods: the same for ever, and late facts where they are reported."""

from collections.abc import Callable
from datetime import UTC, date, datetime

import asyncpg
import pytest

from services.console.shell.account_pages import AccountPages
from services.console.shell.figures_of import Figures
from services.console.shell.readers import Views
from services.console.statements.account import Place
from services.console.statements.as_json import account_json
from services.console.statements.moments import AsOf, Period, moment
from services.console.statements.query import Asked
from shared.contracts.books import BookData
from tests.support.judged_journal import InputLog, judged_journal

pytestmark = pytest.mark.stack
BOOK = BookData(time_zone="America/Sao_Paulo")
BANK = "assets:bank:main"
MAY = Period(date(2024, 5, 1), date(2024, 5, 31))


async def statement(views: Views, through: str = "2024-05-31") -> dict[str, int]:
    """The balances of a book at a day's end."""
    async with views.snapshot() as seen:
        as_of = AsOf(moment(through, BOOK.zone, name="as_of"))
        return {f.account: f.net for f in await Figures(seen, BOOK).turnover(as_of)}


async def test_statement_of_a_closed_period_stays_and_the_late_fact_is_in_the_first_open_day(
    fresh_database: Callable[[], str],
) -> None:
    log = InputLog(now=datetime(2024, 6, 10, 8, tzinfo=UTC))
    dsn = fresh_database()
    async with judged_journal(dsn, zone=BOOK.time_zone) as journal:
        await journal.book([log.line("l1", 500, "2024-05-30"), log.line("l2", 9, "2024-06-01")])
        views = Views(dsn, "ledger")
        await journal.book([log.ask("close_period", through="2024-05-31")])
        closed = await statement(views)
        assert closed == {BANK: 500, "liabilities:suspense": -500}
        await journal.book([log.line("l3", 70, "2024-05-30"), log.line("l4", 1, "2024-06-02")])
        assert await statement(views) == closed
        assert (await statement(views, "2024-06-01"))[BANK] == 579
        assert (await statement(views, "2024-06-02"))[BANK] == 580
        # Lines stand at the beginning of their day, and so does what is late.
        assert (await statement(views, "2024-06-01T03:00:01Z"))[BANK] == 579
        async with views.snapshot() as seen:
            pages = AccountPages(seen, Asked(BOOK, period=MAY))
            may = await pages.page(BANK, after=None, count=10)
            assert [line.movement.reference for line in may.lines] == ["bank:main:line:l1:r1"]
            june = Period(date(2024, 6, 1))
            pages = AccountPages(seen, Asked(BOOK, period=june))
            whole = await pages.page(BANK, after=None, count=10)
            told = account_json(whole)["lines"]
            assert {line["reference"]: line.get("reported_day") for line in told} == {
                "bank:main:line:l2:r1": None,
                "bank:main:line:l3:r1": "2024-06-01",
                "bank:main:line:l4:r1": None,
            }
            late = next(line for line in told if "reported_day" in line)
            assert late["effective_at"].startswith("2024-05-30")
            assert whole.closing == dict.fromkeys(whole.closing, 580)
            paged: list[str] = []
            after: Place | None = None
            while True:
                page = await pages.page(BANK, after=after, count=1)
                paged += [line.movement.reference for line in page.lines]
                after = page.after
                if after is None:
                    break
            assert paged == [line["reference"] for line in told]
        owner = await asyncpg.connect(dsn)
        rows = await owner.fetch("select reference, reported_day from ledger_read.late_entries")
        await owner.close()
        assert [(r["reference"], r["reported_day"]) for r in rows] == [
            ("bank:main:line:l3:r1", date(2024, 6, 1))
        ]
        await views.close()
