"""The reports of reconciliation: rows of both services' views, each in one moment."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from services.console.reconciling import reports
from services.console.reconciling.cash import (
    Cash,
    cash_paper,
    of_account,
    open_then,
    statement_paper,
)
from services.console.reconciling.paper import Clocks, Paper
from services.console.reconciling.reports import PayoutRows
from services.console.shell.certificates import IN_TRANSIT, clocks
from services.console.shell.figures_of import Figures
from services.console.shell.readers import Row, Snapshot
from services.console.statements.moments import AsOf, day_of, end_of, moment
from services.console.views import BadRequest
from shared.contracts.books import BookData
from shared.contracts.envelope import rfc3339

ROWS_MAX: Final = 10_000
STRIPE_BALANCE: Final = "assets:stripe:balance"
_LINE_KINDS: Final = frozenset(
    {
        "unidentified_bank_credit",
        "unidentified_bank_debit",
        "ambiguous_match",
        "duplicate_bank_credit",
    }
)
_ONE_DAY: Final = timedelta(days=1)
_MONTH: Final = timedelta(days=31)


class ReportName(StrEnum):
    """The reports."""

    PAYOUTS = "payouts"
    BANK = "bank"
    AGING = "aging"
    PROOF_OF_CASH = "proof-of-cash"
    POSITION = "position"
    LINES = "lines"
    CUSTODY = "custody"


@dataclass(frozen=True, slots=True)
class Asked:
    """Which days and which bank account a report is asked for.

    ``only`` is the account that was named: what tells of all where none is, keeps to it.
    """

    book: BookData
    first: date
    last: date
    account: str
    now: datetime
    only: str = ""

    @property
    def span(self) -> str:
        """The days in words."""
        return f"{self.first} to {self.last}"


WORDS: Final[Mapping[ReportName, frozenset[str]]] = {
    ReportName.PAYOUTS: frozenset({"from", "to"}),
    ReportName.CUSTODY: frozenset({"from", "to"}),
    ReportName.BANK: frozenset({"to", "account"}),
    ReportName.AGING: frozenset(),
    ReportName.PROOF_OF_CASH: frozenset({"from", "to", "account"}),
    ReportName.POSITION: frozenset({"from", "to", "account"}),
    ReportName.LINES: frozenset({"from", "to", "account"}),
}


def asked(name: ReportName, book: BookData, words: Mapping[str, str], now: datetime) -> Asked:
    """What the words of a request ask for; the last month where they say nothing.

    Raises:
        BadRequest: No day, the last before the first, or a word that the report does not take.
    """
    known = WORDS[name]
    if unknown := words.keys() - known - {"format"}:
        takes = f"it takes {', '.join(sorted(known))}" if known else "it is of now, and of all"
        raise BadRequest(f"{min(unknown)}: not a word of the report {name}; {takes}")
    last = day_of(words["to"], name="to") if words.get("to") else now.astimezone(book.zone).date()
    first = day_of(words["from"], name="from") if words.get("from") else last - _MONTH
    if last < first:
        raise BadRequest("to: not before `from`")
    only = words.get("account", "")
    account = only or next((each.name for each in book.bank_accounts), "")
    return Asked(book, first, last, account, now, only)


async def paper(name: ReportName, told: Asked, ledger: Snapshot, reconciler: Snapshot) -> Paper:
    """A report by its name.

    Raises:
        BadRequest: It is of one bank account, and none is named, or one that is not known.
    """
    views = _Views(told, ledger, reconciler, Figures(ledger, told.book))
    if told.only:
        await views.require_known(told.only)
    match name:
        case ReportName.PAYOUTS:
            return reports.payouts_paper(
                told.book.name, await views.payouts(), await views.clocks(), span=told.span
            )
        case ReportName.CUSTODY:
            return reports.custody_paper(
                told.book.name, await views.payouts(), await views.clocks(), span=told.span
            )
        case ReportName.POSITION:
            return await views.position()
        case ReportName.AGING:
            return reports.aging_paper(
                told.book.name, await views.unresolved(), await views.in_transit(),
                await views.clocks(), now=told.now,
            )  # fmt: skip
        case ReportName.LINES:
            return await views.lines()
        case ReportName.BANK:
            return await views.statement()
        case ReportName.PROOF_OF_CASH:
            return await views.cash()


@dataclass(frozen=True, slots=True)
class _Views:
    """Both views of one moment, and what is asked of them."""

    told: Asked
    ledger: Snapshot
    reconciler: Snapshot
    figures: Figures

    @property
    def account(self) -> str:
        if not self.told.account:
            raise BadRequest("account: name the bank account; the book's data names none")
        return self.told.account

    async def require_known(self, account: str) -> None:
        """A bank account of the book's data, or one that a line or a balance was told of.

        Raises:
            BadRequest: It is neither.
        """
        names = [each.name for each in self.told.book.bank_accounts]
        if account in names:
            return
        book = self.told.book.name
        ever = (book, account, date.min, date.max)
        if await self.reconciler.rows("daily_proofs_of", *ever):
            return
        if await self.reconciler.rows("bank_lines_of", *ever, 1):
            return
        others = f"its data names {', '.join(names)}" if names else "its data names none"
        raise BadRequest(
            f"account: no bank account {account[:60]!r} is known in book {book}; {others}"
        )

    async def clocks(self) -> Clocks:
        return await clocks(self.ledger, self.reconciler, now=self.told.now)

    async def payouts(self) -> PayoutRows:
        book = self.told.book.name
        rows = await self.reconciler.rows(
            "payouts", book, self.told.first, self.told.last, ROWS_MAX
        )
        ids = [row["id"] for row in rows]
        contents: dict[str, list[str]] = {}
        for part in await self.reconciler.rows("contents_of_payouts", book, ids):
            contents.setdefault(part["payout"], []).extend(part["balance_transactions"])
        keys = [f"balance_transaction:{name}" for named in contents.values() for name in named]
        movements = {
            row["id"]: row for row in await self.reconciler.rows("movements_by_key", book, keys)
        }
        stripe = await self._stripe(AsOf())
        currencies = sorted({row["currency"] for row in rows} | stripe.keys())
        unpaid = {
            currency: await self.reconciler.rows("unpaid_movements", book, currency, 100_000)
            for currency in currencies
        }
        settled, off = await self._settled(ids)
        return PayoutRows(rows, contents, movements, settled, unpaid, stripe, off)

    async def _settled(self, ids: Sequence[str]) -> tuple[dict[str, int], dict[str, int]]:
        """What bank lines have paid, and what was written off, by payout."""
        hooks = [f"object:{name}" for name in ids]
        paid: dict[str, int] = {}
        off: dict[str, int] = {}
        matches = {
            row["id"]: row["record"]
            for row in await self.reconciler.rows("matches_of_objects", self.told.book.name, hooks)
        }
        wanted = set(ids)
        for made in matches.values():
            found = {"bank_line": paid, "write_off": off}.get(made["match_kind"])
            if found is None:
                continue
            for cleared in made["clears"]:
                if cleared["account"] == IN_TRANSIT and cleared["key"] in wanted:
                    minor = -int(cleared["amount"]["minor"])
                    found[cleared["key"]] = found.get(cleared["key"], 0) + minor
        return paid, off

    async def _stripe(self, as_of: AsOf) -> dict[str, int]:
        told = await self.figures.turnover(as_of, account=STRIPE_BALANCE)
        return {each.currency.code: each.debit - each.credit for each in told}

    async def unresolved(self) -> list[dict[str, Any]]:  # Any: JSON
        rows = await self.reconciler.rows(
            "discrepancies_in_full", self.told.book.name, [], ROWS_MAX
        )
        return [row["record"] for row in rows]

    async def in_transit(self) -> list[Row]:
        book = self.told.book.name
        return await self.ledger.rows("open_of_account", book, IN_TRANSIT, ROWS_MAX)

    async def position(self) -> Paper:
        told, book = self.told, self.told.book.name
        proofs = await self.reconciler.rows(
            "daily_proofs_of", book, told.only, told.first, told.last
        )
        stripe: list[tuple[Row, int]] = []
        for word in await self.reconciler.rows("stripe_words", book):
            then = moment(rfc3339(word["told_at"]), told.book.zone, name="told_at")
            held = await self._stripe(AsOf(effective=then))
            stripe.append((word, held.get(word["currency"], 0)))
        on_the_way: dict[str, int] = {}
        for item in await self.in_transit():
            on_the_way[item["currency"]] = on_the_way.get(item["currency"], 0) + item["minor"]
        return reports.position_paper(
            book,
            proofs,
            stripe,
            on_the_way,
            await self.clocks(),
            span=told.span,
            ends=end_of(told.last, told.book.zone).before,
        )

    async def lines(self) -> Paper:
        told, book, account = self.told, self.told.book.name, self.account
        rows = await self.reconciler.rows(
            "bank_lines_of", book, account, told.first, told.last, ROWS_MAX
        )
        matched: dict[str, tuple[str, str]] = {}
        for row in await self.reconciler.rows("matches_of_account", book, account):
            settles = " + ".join(each["object"] for each in row["record"]["settles"])
            matched[row["line_id"]] = (settles, row["rule"])
        off = await self._written_off_of([row["id"] for row in rows])
        said = {
            record["subject"]: record["discrepancy"].replace("_", " ")
            for record in await self.unresolved()
            if record["discrepancy"] in _LINE_KINDS
        }
        return reports.lines_paper(
            book, account, rows, matched, said, off=off, clocks=await self.clocks(), span=told.span
        )

    async def _written_off_of(self, lines: Sequence[str]) -> dict[str, reports.LineWrittenOff]:
        """What was written off of lines, by the line."""
        found: dict[str, reports.LineWrittenOff] = {}
        for row in await self.reconciler.rows(
            "write_offs_of_lines", self.told.book.name, list(lines)
        ):
            name, clears = row["line_id"], row["record"]["clears"]
            before = found.get(name, reports.LineWrittenOff())
            found[name] = reports.LineWrittenOff(
                before.minor + sum(int(c["amount"]["minor"]) for c in clears if c["key"] == name),
                before.accounts | {c["account"] for c in clears if c["key"] != name},
            )
        return found

    async def statement(self) -> Paper:
        told, book, account = self.told, self.told.book.name, self.account
        proofs = await self.reconciler.rows("proof_before", book, account, told.last)
        rows = await self.reconciler.rows(
            "bank_lines_of", book, account, date(1970, 1, 1), told.last, ROWS_MAX
        )
        here = {row["id"] for row in rows}
        lines = [
            record
            for record in await self.unresolved()
            if record["discrepancy"] in _LINE_KINDS and record["subject"] in here
        ]
        own, unnamed = await self._on_the_way(proofs[0]["day"] if proofs else told.last)
        return statement_paper(
            book, account, proofs[0] if proofs else None, own, lines,
            clocks=await self.clocks(), day=told.last, unnamed=unnamed,
        )  # fmt: skip

    async def _on_the_way(self, day: date) -> tuple[list[Row], list[Row]]:
        """What was on its way when a day ended: of the account, and of none that is named."""
        told, book = self.told, self.told.book.name
        now = await self.in_transit()
        end = end_of(day, told.book.zone).before
        moved = await self.ledger.rows("moved_since", book, IN_TRANSIT, end, told.book.time_zone)
        keys = {f"expectation:{row['key']}" for row in (*now, *moved)}
        known = await self.reconciler.rows("destinations_of", book, sorted(keys))
        then = open_then(now, moved, {row["id"]: row["created"] for row in known})
        destinations = {row["id"]: row["destination"] or "" for row in known}
        return of_account(then, destinations, told.book, self.account)

    async def cash(self) -> Paper:
        told, book, account = self.told, self.told.book.name, self.account
        before = told.first - _ONE_DAY
        opening = await self.reconciler.rows("proof_before", book, account, before)
        closing = await self.reconciler.rows("proof_before", book, account, told.last)
        rows = await self.reconciler.rows(
            "bank_lines_of", book, account, told.first, told.last, ROWS_MAX
        )
        of_book = [b.currency for b in told.book.bank_accounts if b.name == account]
        seen = [row["currency"] for row in (*closing, *rows)]
        currency = (of_book or seen or ["usd"])[0]
        is_known = bool(opening) and opening[0]["day"] == before
        received = sum(max(row["minor"], 0) for row in rows if row["currency"] == currency)
        spent = sum(max(-row["minor"], 0) for row in rows if row["currency"] == currency)
        # An account that began with its first line held nothing before; another may have.
        is_new = not opening and bool(closing) and closing[0]["bank_minor"] == received - spent
        bank = Cash(
            opening=opening[0]["bank_minor"] if is_known else (0 if is_new else None),
            received=received,
            spent=spent,
            closing=closing[0]["bank_minor"] if closing else None,
        )
        return cash_paper(
            book, account, currency, bank, await self._books(account, currency, before),
            clocks=await self.clocks(), span=told.span,
        )  # fmt: skip

    async def _books(self, account: str, currency: str, before: date) -> Cash:
        """The ledger's side of the proof of cash."""
        name, zone = f"assets:bank:{account}", self.told.book.zone

        async def of(as_of: date, first: date | None = None) -> tuple[int, int]:
            figures = await self.figures.turnover(
                AsOf(effective=end_of(as_of, zone)), first=first, account=name
            )
            here = [f for f in figures if f.currency.code == currency]
            return sum(f.debit for f in here), sum(f.credit for f in here)

        earlier = await of(before)
        within = await of(self.told.last, self.told.first)
        opening = earlier[0] - earlier[1]
        return Cash(opening, *within, opening + within[0] - within[1])
