"""Statements over a real journal: every figure as the slow way adds it up, on both axes."""

import random
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction

import asyncpg
import pytest

from services.console.shell import keys_of
from services.console.shell.account_pages import AccountPages
from services.console.shell.figures_of import Figures
from services.console.shell.keys_of import Keys
from services.console.shell.readers import Views
from services.console.shell.reports import report
from services.console.statements.account import Place
from services.console.statements.balance_sheet import BalanceSheet
from services.console.statements.figures import by_currency, rounded
from services.console.statements.groups import GROUPS
from services.console.statements.moments import AsOf, Moment, Period, moment
from services.console.statements.query import Asked
from services.console.statements.report import Kind
from services.console.views import BadRequest
from services.ledger.shell.proof.verify import verify_journal
from shared.contracts.books import BookData
from shared.contracts.money import Currency
from tests.support.commanded import Commanded, commanded, local
from tests.support.statements import EUR, JPY, USD, Leg, turned_over

pytestmark = pytest.mark.stack
BOOK = BookData(time_zone="America/Sao_Paulo", reporting_currency="usd")
FIRST, DAYS = date(2026, 1, 20), 100
SETTLING = "assets:stripe:settling"
ACCOUNTS = (
    *("assets:bank:main", "assets:stripe:settling", "assets:receivable", "liabilities:payable"),
    *("equity:owner", "equity:exchange", "revenue:stripe", "revenue:refunds"),
    *("expenses:compute", "memo:credits"),
)
RATES = (
    ("eur", "usd", "1.10", date(2026, 1, 1)),
    ("eur", "usd", "1.2537", date(2026, 2, 11)),
    ("usd", "jpy", "150.5", date(2026, 1, 1)),
    ("usd", "jpy", "152", date(2026, 3, 1)),
)


@dataclass(frozen=True, slots=True)
class Told:
    """A leg with both its times."""

    effective_at: datetime
    recorded_at: datetime
    leg: Leg
    key: str


@dataclass(frozen=True, slots=True)
class World:
    """What was told, and the journal that was made of it."""

    journal: Commanded
    views: Views
    told: list[Told]

    def legs(self, as_of: AsOf = AsOf()) -> Iterator[Leg]:  # noqa: B008 - frozen
        return (each.leg for each in self.within(as_of))

    def within(self, as_of: AsOf) -> Iterator[Told]:
        for each in self.told:
            if as_of.effective and each.effective_at >= as_of.effective.before:
                continue
            if as_of.recorded and each.recorded_at >= as_of.recorded.before:
                continue
            yield each

    def keys(self, as_of: AsOf, first: date = date.min) -> dict[tuple[str, Currency], list[int]]:
        """Debit and credit of each key of settling, added up the slow way."""
        sums: dict[tuple[str, Currency], list[int]] = {}
        for each in self.within(as_of):
            if each.leg.account == SETTLING and each.leg.on >= first:
                debit_and_credit = sums.setdefault((each.key, each.leg.currency), [0, 0])
                debit_and_credit[each.leg.minor < 0] += abs(each.leg.minor)
        return sums


@pytest.fixture(scope="module")
async def world(fresh_database: Callable[[], str]) -> AsyncGenerator[World]:
    """Books that every test here reads and none changes."""
    async with made(fresh_database()) as found:
        yield found


@asynccontextmanager
async def made(dsn: str) -> AsyncGenerator[World]:
    chance = random.Random(7)
    async with commanded(dsn, BOOK) as journal:
        told: list[Told] = []
        recorded = datetime(2026, 2, 1, tzinfo=UTC)
        for base, quote, rate, on in RATES:
            journal.rate(base, quote, rate, on)
        for number in range(400):
            if number % 100 == 99:
                await journal.book()
            day = FIRST + timedelta(days=chance.randrange(DAYS))
            at = local(BOOK.zone, day, chance.randrange(24 * 60))
            recorded += timedelta(minutes=chance.randrange(400))
            currency = chance.choice((USD, USD, EUR, JPY))
            debited, credited = chance.sample(ACCOUNTS, 2)
            if "memo:credits" in (debited, credited):
                debited, credited = "memo:credits", "memo:credits-issued"
            minor = chance.choice((1, 999, 123_456, 10**24))
            key = f"ch_{len(told) % 7}"
            legs = ((debited, minor), (credited, -minor))
            journal.entry(at, recorded, *legs, currency=currency, key=key)
            day = at.astimezone(BOOK.zone).date()
            told += [
                Told(at, recorded, Leg(day, account, amount, currency), key)
                for account, amount in legs
            ]
        await journal.book()
        views = Views(dsn, "ledger")
        yield World(journal, views, told)
        await views.close()


def moments() -> list[Moment | None]:
    asked = ("2026-01-31", "2026-02-14", "2026-02-28", "2026-03-10T15:30:00Z", "2026-04-30")
    return [None, *(moment(text, BOOK.zone, name="as_of") for text in asked)]


async def test_turnover_is_what_the_journal_sums_to_on_both_axes(world: World) -> None:
    async with world.views.snapshot() as views:
        figures = Figures(views, BOOK)
        for effective in moments():
            for recorded in moments():
                as_of = AsOf(effective, recorded)
                assert await figures.turnover(as_of) == turned_over(world.legs(as_of)), as_of
                first = date(2026, 2, 3)
                assert await figures.turnover(as_of, first=first) == turned_over(
                    world.legs(as_of), first=first
                ), as_of
        one = await figures.turnover(AsOf(moments()[2]), account="equity:owner")
        assert one
        assert {figure.account for figure in one} == {"equity:owner"}


async def test_keys_are_what_the_journal_sums_to_on_both_axes(world: World) -> None:
    first = date(2026, 2, 3)
    for effective in moments():
        for recorded in moments():
            as_of = AsOf(effective, recorded)
            expected = {k: d - c for k, (d, c) in world.keys(as_of).items() if d != c}
            async with world.views.snapshot() as views:
                stood = await Keys(views, Asked(BOOK, as_of), SETTLING).figures()
                assert {(p.key, p.figure.currency): p.figure.net for p in stood} == expected, as_of
                if effective is None or effective.day >= first:
                    asked = Asked(BOOK, as_of, Period(first))
                    moved = await Keys(views, asked, "assets:stripe").figures()
                    assert {
                        (p.key, p.figure.currency): [p.figure.debit, p.figure.credit] for p in moved
                    } == world.keys(as_of, first), as_of
            async with world.journal.database.transaction() as tx:
                await tx.execute("set local role ledger_reader")
                rows = await tx.fetch(
                    "select key, currency, exponent, minor"
                    " from ledger_read.open_items_as_of('main', $1, $2, $3)",
                    SETTLING,
                    effective.before if effective is not None else None,
                    recorded.before if recorded is not None else None,
                )
            assert {
                (r["key"], Currency(r["currency"], r["exponent"])): r["minor"] for r in rows
            } == expected, as_of
    assert len(world.keys(AsOf())) > len(world.keys(AsOf(moments()[1])))
    async with world.journal.database.transaction() as tx:
        assert await tx.fetchval("select count(distinct number) from kept_items") > 2


async def test_keys_that_would_read_too_much_are_refused_with_a_way_out(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keys_of, "POSTINGS_MAX", 9)
    for as_of in (AsOf(), AsOf(moments()[1]), AsOf(None, moments()[2])):
        async with world.views.snapshot() as views:
            with pytest.raises(BadRequest, match="more than 9 postings would have"):
                await Keys(views, Asked(BOOK, as_of), SETTLING).figures()


async def test_daily_rates_are_the_last_on_or_before_each_day(world: World) -> None:
    rates = {
        "eur": {on: Fraction(rate) for base, _, rate, on in RATES if base == "eur"},
        "jpy": {
            on: Fraction(rounded(Fraction(10**40) / Fraction(rate)), 10**40)
            for _, quote, rate, on in RATES
            if quote == "jpy"
        },
    }
    async with world.views.snapshot() as views:
        for effective in moments():
            as_of = AsOf(effective)
            found = await Figures(views, BOOK).at_daily_rates(as_of, USD, roots=None)
            assert found == turned_over(world.legs(as_of), reporting=USD, rates=rates)
        into_yen = await Figures(views, BOOK).at_daily_rates(AsOf(), JPY, roots=None)
        euros = [f for f in into_yen if f.currency == EUR]
        assert all(f.at_daily_rates is None and f.missing_on is not None for f in euros)


@pytest.mark.parametrize("kind", list(Kind))
async def test_report_holds_at_any_moment_and_names_the_rate_that_is_missing(
    world: World, kind: Kind
) -> None:
    read_at = datetime(2026, 4, 30, tzinfo=UTC)
    async with world.views.snapshot() as views:
        for effective in moments():
            for recorded in (None, moments()[4]):
                as_of = AsOf(effective, recorded)
                first = date(2026, 2, 3)
                if not kind.is_of_a_period or (effective and effective.day < first):
                    period = Period()
                else:
                    period = Period(first)
                told = await report(views, kind, Asked(BOOK, as_of, period, None, USD), read_at)
                assert told.is_sound, (kind, as_of)
                assert told.missing == ()
                assert told.translated is not None
                assert bool(told.basis.unpassed) <= (recorded is not None)
                assert told.basis.positions
        none = await report(views, kind, Asked(BOOK, reporting=JPY), read_at)
        assert [str(m).partition(" on ")[0] for m in none.missing] == ["no rate of EUR in JPY"]


async def test_statements_for_sql_say_what_the_reports_say(world: World) -> None:
    day = date(2026, 3, 9)
    as_of = AsOf(moment(day.isoformat(), BOOK.zone, name="as_of"))
    async with world.views.snapshot() as views:
        told = await report(views, Kind.BALANCE_SHEET, Asked(BOOK, as_of), datetime.now(UTC))
    async with world.journal.database.transaction() as tx:
        await tx.execute("set local role ledger_reader")
        await tx.execute("set local search_path = ledger_read")
        rows = await tx.fetch("select * from balance_sheet_as_of('main', $1)", day)
        sheets = [s for s in told.statements if isinstance(s, BalanceSheet)]
        assert {
            (section.name.lower(), line.account, sheet.currency.code, line.minor)
            for sheet in sheets
            for section in (sheet.assets, sheet.liabilities, sheet.equity)
            for line in section.lines
        } == {(r["section"], r["account"], r["currency"], r["minor"]) for r in rows}
        moved = turned_over(world.legs(as_of), first=date(2026, 2, 1))
        flows = await tx.fetch(
            "select currency, sum(minor) as minor from cash_flow_between('main', $1, $2) group by 1",
            date(2026, 2, 1),
            day,
        )
        cash = {
            currency.code: nets.get("assets:bank:main", 0)
            for currency, nets in by_currency(moved).items()
        }
        assert {r["currency"]: r["minor"] for r in flows} == cash
        trial = await tx.fetch("select * from trial_balance_as_of('main')")
        assert sum(r["debit_minor"] - r["credit_minor"] for r in trial) == 0
        assert not any(r["account"].startswith("memo") for r in trial)
        solvent = await tx.fetch(
            "select currency, net_equity_minor from solvency_as_of('main', $1)", day
        )
        assert {r["currency"]: r["net_equity_minor"] for r in solvent} == {
            sheet.currency.code: sheet.net_equity for sheet in sheets
        }
        translated = await tx.fetch(
            "select at_closing_rate_minor, missing_on from translated('main', 'usd', 2, null, $1)",
            day,
        )
        assert all(r["missing_on"] is None for r in translated)
        groups = await tx.fetch("select * from account_groups")
        assert {
            r["prefix"]: (r["activity"], r["is_cash"], r["is_quick"], r["is_current"])
            for r in groups
        } == {
            prefix: (group.activity, group.is_cash, group.is_quick, group.is_current)
            for prefix, group in GROUPS.items()
        }


@pytest.mark.parametrize("count", [1, 7, 1000])
async def test_account_statement_runs_the_same_whatever_the_page(world: World, count: int) -> None:
    asked = Asked(BOOK, AsOf(moments()[5], moments()[4]), Period(date(2026, 2, 3)))
    account = "assets:bank:main"
    assert asked.as_of.effective is not None
    found: list[tuple[Place, Currency, int, int]] = []
    async with world.views.snapshot() as views:
        pages = AccountPages(views, asked)
        page = await pages.page(account, after=None, count=count)
        opening = page.opening
        while True:
            found += [
                (n.movement.place, n.movement.currency, n.movement.minor, n.balance)
                for n in page.lines
            ]
            if page.after is None:
                break
            page = await pages.page(account, after=page.after, count=count)
    legs = [leg for leg in world.legs(asked.as_of) if leg.account == account]
    before = turned_over(legs, last=date(2026, 2, 2))
    assert {c: n for c, n in opening.items() if n} == {f.currency: f.net for f in before if f.net}
    running = {f.currency: f.net for f in before}
    for _, currency, minor, balance in found:
        running[currency] = running.get(currency, 0) + minor
        assert balance == running[currency]
    assert len(found) == sum(leg.on >= date(2026, 2, 3) for leg in legs)
    assert [place.effective_at for place, *_ in found] == sorted(p.effective_at for p, *_ in found)


async def test_account_statement_has_what_was_dated_in_an_odd_year(database_dsn: str) -> None:
    account, now = "assets:bank:main", datetime(2026, 5, 1, tzinfo=UTC)
    async with made(database_dsn) as world:
        for number, year in enumerate((206, 1850, 2026, 9500), 1):
            at = datetime(year, 3, 1, 12, tzinfo=UTC)
            world.journal.entry(at, now, (account, number), ("equity:owner", -number), currency=JPY)
        await world.journal.book()
        asked = Asked(BOOK)
        async with world.views.snapshot() as views:
            stands = {
                figure.currency: figure.net
                for figure in await Figures(views, BOOK).turnover(AsOf(), account=account)
            }
            pages = AccountPages(views, asked)
            page = await pages.page(account, after=None, count=1)
            years = [page.lines[0].movement.effective_at.year]
            while page.after is not None:
                page = await pages.page(account, after=page.after, count=1)
                years.append(page.lines[0].movement.effective_at.year)
    assert [year for year in years if year != 2026] == [206, 1850, 9500]
    assert page.closing[JPY] == stands[JPY]


async def test_general_ledger_pages_hold_every_posting_once(world: World) -> None:
    async with world.views.snapshot() as views:
        pages = AccountPages(views, Asked(BOOK))
        found: list[tuple[str, Place]] = []
        after: tuple[str, Place | None] | None = None
        while True:
            page = await pages.ledger(under="", after=after, count=37)
            found += [
                (each.account, line.movement.place) for each in page.accounts for line in each.lines
            ]
            if page.next is None:
                break
            after = page.next
    assert len(found) == len(set(found)) == len(world.told)
    assert [account for account, _ in found] == sorted(account for account, _ in found)


async def test_rate_told_again_later_holds_from_when_it_was_recorded(database_dsn: str) -> None:
    async with made(database_dsn) as world:
        world.journal.rate("eur", "usd", "1.5", date(2026, 4, 1), datetime(2026, 5, 1, tzinfo=UTC))
        world.journal.rate("eur", "usd", "1.6", date(2026, 4, 1), datetime(2026, 5, 4, tzinfo=UTC))
        await world.journal.book()
        async with world.views.snapshot() as views:
            figures = Figures(views, BOOK)
            now = await figures.closing(USD, AsOf())
            assert now.rates["eur"].value == Fraction("1.6")
            then = AsOf(None, moment("2026-05-02", BOOK.zone, name="recorded"))
            assert (await figures.closing(USD, then)).rates["eur"].value == Fraction("1.5")


async def test_days_or_months_that_were_tampered_with_are_named(database_dsn: str) -> None:
    async with made(database_dsn) as world:
        assert (await verify_journal(world.journal.database)).problems == ()
        owner = await asyncpg.connect(database_dsn)
        await owner.execute("alter table ledger.day_buckets disable trigger all")
        await owner.execute(
            "update ledger.day_buckets set debit_minor = debit_minor + 1"
            " where account = 'equity:owner' and effective_day = (select max(effective_day)"
            " from ledger.day_buckets where account = 'equity:owner')"
        )
        await owner.close()
        problems = (await verify_journal(world.journal.database)).problems
    assert any("the days of equity:owner" in problem for problem in problems)
    assert any("is not the sum of its days" in problem for problem in problems)


async def test_open_items_of_a_moment_that_were_tampered_with_are_named(database_dsn: str) -> None:
    async with made(database_dsn) as world:
        assert (await verify_journal(world.journal.database)).problems == ()
        owner = await asyncpg.connect(database_dsn)
        with pytest.raises(asyncpg.PostgresError, match="UPDATE of kept_items is refused"):
            await owner.execute("update ledger.kept_items set minor = minor + 1")
        await owner.execute("alter table ledger.kept_items disable trigger all")
        touched = await owner.fetchrow(
            "update ledger.kept_items set minor = minor + 1 where (number, key) ="
            " (select number, key from ledger.kept_items order by number desc, key limit 1)"
            " returning number, account, key"
        )
        await owner.close()
        problems = (await verify_journal(world.journal.database)).problems
    assert touched is not None
    named = f"{touched['account']}[{touched['key']}] in book main was kept open at moment"
    assert any(p.startswith(f"{named} {touched['number']} with 1 ") for p in problems), problems
