"""Pages of account statements and of the general ledger, from the journal by account and time."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final

from services.console.shell.figures_of import Figures
from services.console.shell.readers import Row, Snapshot
from services.console.statements.account import (
    AccountStatement,
    Movement,
    Place,
    account_statement,
)
from services.console.statements.figures import Figure, merged
from services.console.statements.moments import AsOf, end_of
from services.console.statements.query import Asked, UnknownAccount
from shared.contracts.money import Currency

_ONE_DAY: Final = timedelta(days=1)
_NOWHERE: Final = (datetime.min.replace(tzinfo=UTC), 0, 0, 0)


@dataclass(frozen=True, slots=True)
class LedgerPage:
    """Some accounts' statements; ``next`` is the account and place that the next page is after."""

    accounts: tuple[AccountStatement, ...]
    next: tuple[str, Place | None] | None


class AccountPages:
    """Statements of one book's accounts in one moment of the views."""

    def __init__(self, views: Snapshot, asked: Asked) -> None:
        self._views = views
        self._asked = asked
        self._figures = Figures(views, asked.book)
        self._zone = asked.book.zone
        self._origins: dict[tuple[str, int], int] | None = None

    async def page(self, account: str, *, after: Place | None, count: int) -> AccountStatement:
        """At most ``count`` movements of an account behind a place, with its balance before.

        Raises:
            UnknownAccount: Nothing was ever booked on it.
        """
        known = await self._figures.accounts(account)
        if account not in known:
            raise UnknownAccount(account, known)
        return await self._page(account, after=after, count=count)

    async def _page(self, account: str, *, after: Place | None, count: int) -> AccountStatement:
        opening = await self._opening(account, after)
        rows = await self._rows(account, after, count + 1)
        movements = [_movement(row, account) for row in rows[:count]]
        return account_statement(account, opening, movements, is_last=len(rows) <= count)

    async def ledger(
        self, *, under: str, after: tuple[str, Place | None] | None, count: int
    ) -> LedgerPage:
        """Statements of the accounts under a name, each account's postings together."""
        found: list[AccountStatement] = []
        left = count
        names = await self._figures.accounts(under)
        start = after[0] if after is not None else ""
        for account in (name for name in names if name >= start):
            if left == 0:
                return LedgerPage(tuple(found), (account, None))
            place = after[1] if after is not None and account == start else None
            page = await self._page(account, after=place, count=left)
            if page.lines or any(page.opening.values()):
                found.append(page)
            left -= len(page.lines)
            if not page.is_last:
                return LedgerPage(tuple(found), (account, page.after))
        return LedgerPage(tuple(found), None)

    async def _opening(self, account: str, after: Place | None) -> list[Figure]:
        first = self._asked.period.first
        if after is not None:
            first = after.effective_at.astimezone(self._zone).date()
        if first is None:
            return []
        day_before = AsOf(end_of(first - _ONE_DAY, self._zone), self._asked.as_of.recorded)
        before = await self._figures.turnover(day_before, account=account)
        if after is None:
            return before
        rows = await self._views.rows(
            "turnover_of_day_up_to_place",
            self._asked.book.name,
            account,
            self._asked.book.time_zone,
            first,
            self._recorded_before(),
            *await self._numbered(after),
        )
        return merged(
            [
                *before,
                *(
                    Figure(
                        account,
                        Currency(row["currency"], row["exponent"]),
                        row["debit_minor"],
                        row["credit_minor"],
                    )
                    for row in rows
                ),
            ]
        )

    async def _rows(self, account: str, after: Place | None, count: int) -> list[Row]:
        place = await self._numbered(after) if after is not None else _NOWHERE
        end = self._asked.end
        first = self._asked.period.first or date.min
        if after is not None:
            first = max(first, after.effective_at.astimezone(self._zone).date())
        return await self._views.rows(
            "page_of_account",
            self._asked.book.name,
            account,
            self._asked.book.time_zone,
            first,
            end.effective.before if end.effective is not None else None,
            self._recorded_before(),
            *place,
            count,
        )

    def _recorded_before(self) -> datetime | None:
        recorded = self._asked.as_of.recorded
        return recorded.before if recorded is not None else None

    async def _numbered(self, place: Place) -> tuple[datetime, int, int, int]:
        """A place by this database's numbers; one of an unknown input is before all of its time."""
        if self._origins is None:
            self._origins = {
                (row["topic"], row["partition"]): row["origin_id"]
                for row in await self._views.rows("origin_numbers")
            }
        number = self._origins.get((place.topic, place.partition), 0)
        return (place.effective_at, number, place.sequence, place.ordinal)


def _movement(row: Row, account: str) -> Movement:
    is_debit = row["direction"] == "debit"
    return Movement(
        Place(row["effective_at"], row["topic"], row["partition"], row["sequence"], row["ordinal"]),
        row["recorded_at"],
        row["reference"],
        row["kind"],
        row["description"],
        account,
        row["key"],
        Currency(row["currency"], row["exponent"]),
        row["minor"] if is_debit else -row["minor"],
        row["happened_at"],
        row["reported_day"],
    )
