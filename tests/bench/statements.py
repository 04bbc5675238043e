"""What readings cost over a small journal and over a large one of the same span of time.

``python -m tests.bench.statements`` writes two journals of a year into databases of its own, by
default of a hundred thousand and of ten million postings over the same accounts, days and inputs,
and times each reading over both: as the console's own functions, over its HTTP interface, and as
``tallystick trace``. Only reading is timed: the rows are put there by plain SQL.
"""

import argparse
import asyncio
import statistics
import sys
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import asyncpg
import httpx

from services.console.shell.account_pages import AccountPages
from services.console.shell.api import Desk, application
from services.console.shell.command_desk import CommandDesk
from services.console.shell.readers import Views
from services.console.shell.reports import ACCOUNT, KEY, TAG, basis_of, report, rolled_up
from services.console.statements.account import Place
from services.console.statements.query import Asked, asked_of
from services.console.statements.report import Kind
from services.ledger.shell.reading.export import journal_in
from services.ledger.shell.reading.tracing import Figure, Tracer
from services.ledger.shell.store import open_journal
from shared.contracts.books import BookData, BookMap
from shared.runtime.kafka import Publisher
from shared.runtime.metrics import Health
from shared.runtime.postgres import Database
from tests.bench.statements_journal import fill
from tests.support.stack import running_stack

BOOK: Final = BookData()
NOW: Final = datetime(2026, 12, 31, 12, tzinfo=UTC)
TAGS: Final = {"cloud": ("expenses:compute", "expenses:bank-fees"), "stripe": ("assets:stripe",)}
SETTLING: Final = "assets:stripe:settling"
BALANCE: Final = "assets:stripe:balance"
SELDOM: Final = "expenses:domain"
MIDDLE: Final = datetime(2026, 7, 15, 12, tzinfo=UTC)
Json = dict[str, Any]  # Any: JSON
Reading = Callable[["Reader"], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Reader:
    """Everything that reads one journal."""

    views: Views
    http: httpx.AsyncClient
    journal: Database
    middle: Place
    last: Place
    reference: str
    tag: str

    async def get(self, path: str, headers: Mapping[str, str] | None = None, **words: str) -> Json:
        """An answer over HTTP, taken apart; nothing, where nothing has changed."""
        answer = await self.http.get(f"/v1/books/main/{path}", params=words, headers=headers)
        if answer.status_code == 304:
            return {}
        told: Json = answer.raise_for_status().json()
        return told


def asked(**words: str) -> Asked:
    """What words ask of the book."""
    known = {"as_of", "recorded_as_of", "from", "to", "currency", "reporting"}
    return asked_of(BOOK, {name.rstrip("_"): value for name, value in words.items()}, known)


def of(kind: Kind, **words: str) -> Reading:
    """A statement."""

    async def read(reader: Reader) -> None:
        async with reader.views.snapshot() as moment:
            await report(moment, kind, asked(**words), NOW)

    return read


def rolled(by: str, under: str = "", depth: int = 8, **words: str) -> Reading:
    """A roll-up."""

    async def read(reader: Reader) -> None:
        async with reader.views.snapshot() as moment:
            tags = TAGS if by == TAG else {}
            await rolled_up(moment, asked(**words), by=by, under=under, depth=depth, tags=tags)

    return read


def _beginning(_: Reader) -> Place | None:
    return None


def page(
    after: Callable[[Reader], Place | None] = _beginning, account: str = BALANCE, **words: str
) -> Reading:
    """A page of an account's statement, a hundred lines with their balance."""

    async def read(reader: Reader) -> None:
        async with reader.views.snapshot() as moment:
            pages = AccountPages(moment, asked(**words))
            await pages.page(account, after=after(reader), count=100)

    return read


def ledger_page(after: Callable[[Reader], tuple[str, Place | None] | None]) -> Reading:
    """A page of the general ledger."""

    async def read(reader: Reader) -> None:
        async with reader.views.snapshot() as moment:
            await AccountPages(moment, asked()).ledger(under="", after=after(reader), count=100)

    return read


def traced(figure: Figure | None = None) -> Reading:
    """The entry of a reference, or those behind a figure, as ``tallystick trace`` finds them."""

    async def read(reader: Reader) -> None:
        async with reader.journal.transaction("repeatable_read") as tx:
            tracer = Tracer(tx, await journal_in(tx))
            if figure is None:
                found = await tracer.of_reference(reader.reference, tracer.books)
            else:
                await tracer.amounts("main", figure)
                found = await tracer.of_figure("main", figure, 5)
            if not found:
                raise LookupError(figure)

    return read


async def _position(reader: Reader) -> None:
    async with reader.views.snapshot() as moment:
        await basis_of(moment, asked(), NOW)


def standing() -> dict[str, Reading]:
    """Readings of how things stand now."""
    return {
        "position alone": _position,
        "trial balance": of(Kind.TRIAL_BALANCE),
        "balance sheet": of(Kind.BALANCE_SHEET),
        "balance sheet in usd": of(Kind.BALANCE_SHEET, reporting="usd"),
        "solvency": of(Kind.SOLVENCY),
        "solvency in usd": of(Kind.SOLVENCY, reporting="usd"),
        "income statement of a month": of(
            Kind.INCOME_STATEMENT, from_="2026-04-01", to="2026-04-30"
        ),
        "income statement of a quarter": of(
            Kind.INCOME_STATEMENT, from_="2026-04-01", to="2026-06-30"
        ),
        "income statement of a month in usd": of(
            Kind.INCOME_STATEMENT, from_="2026-04-01", to="2026-04-30", reporting="usd"
        ),
        "cash flow of a month": of(Kind.CASH_FLOW, from_="2026-04-01", to="2026-04-30"),
        "cash flow of a quarter in usd": of(
            Kind.CASH_FLOW, from_="2026-04-01", to="2026-06-30", reporting="usd"
        ),
        "roll-up by prefix": rolled(ACCOUNT, depth=2),
        "roll-up by tag": rolled(TAG),
        "roll-up by month": rolled("month", depth=1),
        "roll-up by key": rolled(KEY, SETTLING),
        "account statement, first page": page(),
        "account statement, a page in the middle": page(lambda reader: reader.middle),
        "account statement, last page": page(lambda reader: reader.last),
        "account statement from a day": page(from_="2026-07-15"),
        "statement of a seldom account": page(account=SELDOM),
        "general ledger, first page": ledger_page(lambda _: None),
        "general ledger, a page in the middle": ledger_page(lambda r: (BALANCE, r.middle)),
        "balances": lambda reader: reader.get("balances"),
        "open items, a page": lambda reader: reader.get("open-items"),
        "entries, a page": lambda reader: reader.get("entries"),
        "customers' credits, a page": lambda reader: reader.get("credits"),
        "one customer's credits": lambda reader: reader.get("credits/cus_1"),
        "balance sheet unchanged, by its tag": lambda reader: reader.get(
            "statements/balance-sheet", {"If-None-Match": reader.tag}
        ),
        "trace of a reference": traced(),
        "trace of a key": traced(Figure(SETTLING, "ch_32", None)),
        "trace of a seldom account": traced(Figure(SELDOM, None, None)),
        "trace of an account": traced(Figure("expenses:compute", None, "usd")),
    }


def as_of() -> dict[str, Reading]:
    """Readings as of a time."""
    both = {"as_of": "2026-07-15", "recorded_as_of": "2026-07-15"}
    within = {"as_of": "2026-07-15T12:00:00Z"}
    return {
        "balance sheet, end of a day": of(Kind.BALANCE_SHEET, as_of="2026-07-15"),
        "balance sheet, both axes": of(Kind.BALANCE_SHEET, **both),
        "balance sheet, within a day": of(Kind.BALANCE_SHEET, **within),
        "balance sheet, recorded within a day": of(
            Kind.BALANCE_SHEET, recorded_as_of="2026-07-15T12:00:00Z"
        ),
        "balance sheet within a day, in usd": of(Kind.BALANCE_SHEET, reporting="usd", **within),
        "trial balance, both axes": of(Kind.TRIAL_BALANCE, **both),
        "roll-up by prefix, both axes": rolled(ACCOUNT, "", 2, **both),
        "roll-up by tag, both axes": rolled(TAG, "", 8, **both),
        "roll-up by month, both axes": rolled("month", "", 1, **both),
        "roll-up by key, as of last week": rolled(KEY, SETTLING, as_of="2026-12-22"),
        "roll-up by key, as of half a year ago": rolled(KEY, SETTLING, as_of="2026-07-15"),
        "roll-up by key, both axes": rolled(KEY, SETTLING, 8, **both),
        "roll-up by key, of a month": rolled(
            KEY, "assets:receivable", from_="2026-04-01", to="2026-04-30"
        ),
        "account statement, both axes": page(_beginning, BALANCE, from_="2026-07-01", **both),
        "account statement, recorded long ago": page(recorded_as_of="2026-07-15"),
    }


_PLACE: Final = """
select effective_at, topic, partition, sequence, ordinal::integer
from ledger_read.movements
where book = 'main' and account = $1 and effective_at <= $2
order by effective_at desc, origin_id desc, sequence desc, ordinal desc
offset $3 limit 1
"""


@asynccontextmanager
async def reader_of(dsn: str) -> AsyncGenerator[Reader]:
    """What reads a journal, closed at the end."""
    views, reconciler, journal = Views(dsn, "ledger"), Views(dsn, "reconciler"), None
    desk = Desk(
        books=BookMap(books=(BOOK,)),
        tokens=(),
        ledger=views,
        reconciler=reconciler,
        commands=CommandDesk(Publisher("127.0.0.1:1"), views, await_seconds=0, clock=lambda: NOW),
        body_bytes_max=1,
        hosts_allowed=("console.bench",),
        clock=lambda: NOW,
    )
    transport = httpx.ASGITransport(app=application(desk, Health()))
    try:
        journal = await open_journal(dsn, connections_max=2)
        owner = await asyncpg.connect(dsn)
        try:
            middle = await owner.fetchrow(_PLACE, BALANCE, MIDDLE, 0)
            last = await owner.fetchrow(_PLACE, BALANCE, NOW, 50)
            count = await owner.fetchval("select count(*) from ledger.claims")
        finally:
            await owner.close()
        if middle is None or last is None:
            raise LookupError(BALANCE)
        async with httpx.AsyncClient(transport=transport, base_url="http://console.bench") as http:
            told = await http.get("/v1/books/main/statements/balance-sheet")
            yield Reader(
                views, http, journal, Place(*middle), Place(*last), f"r:{count // 2 // 10 * 10}",
                told.headers["ETag"],
            )  # fmt: skip
    finally:
        await views.close()
        if journal is not None:
            await journal.close()


async def measure(
    dsns: Mapping[int, str], rounds: int, readings: Mapping[str, Reading]
) -> list[str]:
    """Time readings over journals of each size, by turns; the lines of a table.

    By turns, since what else the machine does comes and goes: the ratio is of the same minutes.
    """
    head = "".join(f"{size:>22,}" for size in dsns)
    lines = [f"{'median (worst) ms, postings:':42}{head}{'ratio':>8}"]
    async with AsyncExitStack() as opened:
        readers = [await opened.enter_async_context(reader_of(dsn)) for dsn in dsns.values()]
        for name, read in readings.items():
            took: list[list[float]] = [[] for _ in readers]
            for _ in range(rounds + 2):
                for reader, found in zip(readers, took, strict=True):
                    begun = time.perf_counter()
                    await read(reader)
                    found.append((time.perf_counter() - begun) * 1000)
            medians = [statistics.median(found[2:]) for found in took]
            cells = "".join(
                f"{median:>12.1f} ({max(found[2:]):>6.1f})"
                for median, found in zip(medians, took, strict=True)
            )
            lines.append(f"{name:42}{cells}{medians[-1] / medians[0]:>8.2f}")
    return lines


async def write_and_measure(
    fresh: Callable[[], str], sizes: list[int], rounds: int, only: str
) -> None:
    """Write a journal of each size, time what is asked for, and print tables."""
    dsns: dict[int, str] = {}
    for size in sizes:
        dsns[size] = fresh()
        sys.stdout.write(f"{size:,} postings written in {await fill(dsns[size], size):.0f} s\n")
    for title, readings in (("now", standing()), ("as of a time", as_of())):
        wanted = {name: read for name, read in readings.items() if only in name}
        if wanted:
            lines = await measure(dsns, rounds, wanted)
            sys.stdout.write("\n".join([f"--- {title}", *lines, ""]))


def main() -> None:
    """Measure on this machine."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--postings", type=int, nargs="+", default=[100_000, 10_000_000])
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--only", default="", help="readings whose name has this in it")
    given = parser.parse_args()
    with running_stack(on_disk=True) as stack:
        made: list[str] = []

        def fresh() -> str:
            made.append(stack.fresh_database("bench"))
            return made[-1]

        try:
            asyncio.run(write_and_measure(fresh, given.postings, given.rounds, given.only))
        finally:
            for dsn in made:
                stack.drop_database(dsn)


if __name__ == "__main__":
    main()
