"""Statements of closed periods: the same for ever, and late facts where they are reported."""

import random
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import asyncpg
import pytest

from services.console.shell.account_pages import AccountPages
from services.console.shell.figures_of import Figures
from services.console.shell.keys_of import Keys
from services.console.shell.readers import Views
from services.console.statements.account import Place
from services.console.statements.as_json import account_json
from services.console.statements.moments import AsOf, Period, moment
from services.console.statements.query import Asked
from services.ledger.exports.beancount import Beancount
from services.ledger.exports.csv_form import Csv
from services.ledger.exports.hledger import Hledger
from services.ledger.exports.journal import Selection, Tally, Told, Writer
from services.ledger.exports.json_lines import JsonLines
from services.ledger.exports.periods import Periods
from services.ledger.periods import midnight
from services.ledger.shell.reading.export import Journal, journal_in
from shared.contracts.books import BookData
from tests.support.judged_journal import InputLog, judged_journal

pytestmark = pytest.mark.stack
BOOK = BookData(time_zone="America/Sao_Paulo")
BANK, SUSPENSE = "assets:bank:main", "liabilities:suspense"
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


async def sum_of_keys(views: Views, day: date) -> int:
    """What stands under all keys of suspense at a day's end."""
    async with views.snapshot() as seen:
        as_of = AsOf(moment(str(day), BOOK.zone, name="as_of"))
        keys = await Keys(seen, Asked(BOOK, as_of), SUSPENSE).figures()
        return sum(part.figure.net for part in keys)


def nets(told: list[Told]) -> dict[str, int]:
    tally = Tally()
    for each in told:
        tally.add(each)
    return {account: sums.net for (_, account, _), sums in tally.accounts.items() if sums.net}


async def exported(journal: Journal, begin: date | None, until: date | None) -> list[Told]:
    """The entries of an export from one day up to another."""
    zone = BOOK.zone
    selection = Selection(
        begin=None if begin is None else midnight(begin, zone),
        until=None if until is None else midnight(until, zone),
    )
    return [each async for stretch in journal.entries(selection) for each in stretch]


async def test_exports_of_any_period_sum_to_its_statements_whatever_came_too_late(
    fresh_database: Callable[[], str],
) -> None:
    dice = random.Random(20_240_601)
    log = InputLog(now=datetime(2024, 1, 1, 8, tzinfo=UTC))
    dsn = fresh_database()
    months = [date(2024, month, 1) for month in range(1, 8)]
    async with judged_journal(dsn, zone=BOOK.time_zone) as journal:
        records = [log.line("first", 10_000, "2024-01-01")]
        for month in months[1:]:
            log.now = datetime(month.year, month.month, 5, 8, tzinfo=UTC)
            for n in range(12):
                day = date(2024, 1, 1) + timedelta(days=dice.randrange((month - months[0]).days))
                records.append(
                    log.line(f"l{month.month}_{n}", dice.randint(-900, 900) or 1, f"{day}")
                )
            through = month - timedelta(days=1)
            if dice.random() < 0.7:
                records.append(log.ask("close_period", through=str(through)))
        log.now = datetime(2024, 7, 20, 8, tzinfo=UTC)
        records += [log.line(f"late_{n}", 7 + n, "2024-02-03") for n in range(4)]
        for begin in range(0, len(records), 9):
            await journal.book(records[begin : begin + 9])
        views = Views(dsn, "ledger")
        stands = {
            day: {
                account: net for account, net in (await statement(views, str(day))).items() if net
            }
            for day in (month - timedelta(days=1) for month in months[1:])
        }
        keys = {day: await sum_of_keys(views, day) for day in stands}
        assert keys == {day: expected.get(SUSPENSE, 0) for day, expected in stands.items()}
        await views.close()
        async with journal.database.transaction("repeatable_read") as tx:
            told = await journal_in(tx)
            whole = await exported(told, None, None)
            late = [each for each in whole if each.reported_day is not None]
            assert len(late) >= 4
            for day, expected in stands.items():
                after = day + timedelta(days=1)
                assert nets(await exported(told, None, after)) == expected
                before = nets(await exported(told, None, day.replace(day=1)))
                of_month = nets(await exported(told, day.replace(day=1), after))
                moved = {a: expected.get(a, 0) - before.get(a, 0) for a in {*expected, *before}}
                assert of_month == {account: net for account, net in moved.items() if net}
            # What plain-text books assert at the end of each month is what its statement says.
            periods = Periods(BOOK.zone)
            for each in whole:
                periods.add(each)
            for standing in periods.standings():
                if standing.day in stands:
                    expected = stands[standing.day]
                    assert standing.minor == expected.get(standing.account, 0), standing
    one = late[0]
    forms: dict[Writer, str] = {
        Beancount("main", BOOK.zone): f"{one.reported_day} * ",
        Hledger("main", BOOK.zone): f"    ; reported: {one.reported_day}\n",
        JsonLines(): f'"reported_day":"{one.reported_day}"',
        Csv(): f",{one.reported_day},",
    }
    for form, said in forms.items():
        assert said in form.entry(one)
        assert said not in form.entry(one._replace(reported_day=None))
