"""Figures out of the ledger's published views: sums of whole days, and the rest of a day."""

from collections.abc import Iterable
from datetime import date, datetime
from fractions import Fraction
from typing import Any, Final

from services.console.shell.readers import Row, Snapshot
from services.console.statements.figures import Closing, Figure, Rate, in_minor, merged
from services.console.statements.moments import AsOf, Moment, midnight
from services.console.statements.roll_up import Part, Unit
from shared.contracts.books import BookData
from shared.contracts.money import Currency

EARNED: Final = ("revenue", "expenses")


class Figures:
    """The figures of one book in one moment of the views."""

    def __init__(self, moment: Snapshot, book: BookData) -> None:
        self._views = moment
        self.book = book

    async def turnover(
        self, as_of: AsOf, *, first: date | None = None, account: str | None = None
    ) -> list[Figure]:
        """What each account turned over from a day on, up to a moment on either axis."""
        if first is None and as_of == AsOf() and account is None:
            standing = await self._views.rows("standing", self.book.name)
            return merged(_figure(row) for row in standing)
        rows = await self._views.rows("turnover", self.book.name, first, *_through(as_of), account)
        rest = [
            _figure(row)
            for row in await self._rest(as_of, first)
            if account is None or row["account"] == account
        ]
        return merged([*(_figure(row) for row in rows), *rest])

    async def earned(self, as_of: AsOf, *, first: date) -> list[Figure]:
        """What was earned and spent from a day on, up to a moment on either axis."""
        rows = await self._views.rows(
            "turnover_of_roots", self.book.name, first, *_through(as_of), list(EARNED)
        )
        rest = [
            _figure(row)
            for row in await self._rest(as_of, first)
            if row["account"].partition(":")[0] in EARNED
        ]
        return merged([*(_figure(row) for row in rows), *rest])

    async def at_daily_rates(
        self,
        as_of: AsOf,
        reporting: Currency,
        *,
        first: date | None = None,
        roots: Iterable[str] | None = EARNED,
    ) -> list[Figure]:
        """The same with nets at each day's rate; of certain roots, or of all."""
        wanted = list(roots) if roots is not None else None
        known_before = _before(as_of.recorded)
        rows = await self._views.rows(
            "turnover_at_daily_rates",
            self.book.name,
            reporting.code,
            first,
            *_through(as_of),
            known_before,
            wanted,
        )
        rest: list[Figure] = []
        rates: dict[date, Closing] = {}
        for row in await self._rest(as_of, first):
            if wanted is not None and row["account"].partition(":")[0] not in wanted:
                continue
            day = row["day"]
            if day not in rates:
                rates[day] = await self._rates(reporting, day, known_before)
            rest.append(_at_rate(_figure(row), day, rates[day]))
        return merged([*(_daily(row, reporting) for row in rows), *rest])

    async def closing(self, reporting: Currency, as_of: AsOf, *, on: date | None = None) -> Closing:
        """The last rates that count at a moment, or on an earlier day."""
        effective = as_of.effective
        day = on or (effective.day if effective is not None else None)
        return await self._rates(reporting, day, _before(as_of.recorded))

    async def by_unit(self, as_of: AsOf, unit: Unit, *, first: date | None = None) -> list[Part]:
        """Turnover of whole days by unit of time."""
        rows = await self._views.rows(
            "turnover_by_unit", self.book.name, unit, first, *_through(as_of)
        )
        return [Part(_figure(row), begins=row["begins"]) for row in rows]

    async def accounts(self, under: str = "") -> list[str]:
        """Accounts that ever moved, the named one and those under it."""
        rows = await self._views.rows("accounts_moved", self.book.name, under)
        return [row["account"] for row in rows]

    async def _rates(
        self, reporting: Currency, day: date | None, known_before: datetime | None
    ) -> Closing:
        rows = await self._views.rows("rates_on", self.book.name, reporting.code, day, known_before)
        rates = {
            row["currency"]: Rate(
                Currency(row["currency"], row["exponent"]), Fraction(row["rate"]), row["on_day"]
            )
            for row in rows
        }
        return Closing(reporting, rates, day)

    async def _rest(self, as_of: AsOf, first: date | None) -> list[Row]:
        """What the days before a moment do not have: two strips that share nothing.

        The rest of the effective day, whatever was recorded up to the end; and what was recorded
        in the rest of the recorded day about whole days before.
        """
        zone, effective, recorded = self.book.zone, as_of.effective, as_of.recorded
        begins = midnight(first, zone) if first is not None else None
        found: list[Row] = []
        if effective is not None and effective.rest_from is not None:
            start = max(effective.rest_from, begins) if begins else effective.rest_from
            found += await self._within(start, effective.before, None, _before(recorded))
        if recorded is not None and recorded.rest_from is not None:
            end = effective.midnight if effective is not None else None
            found += await self._within(begins, end, recorded.rest_from, recorded.before)
        return found

    async def _within(self, *bounds: datetime | None) -> list[Row]:
        return await self._views.rows(
            "turnover_within_days", self.book.name, self.book.time_zone, *bounds
        )


def _through(as_of: AsOf) -> tuple[date | None, date | None]:
    return (
        as_of.effective.through if as_of.effective is not None else None,
        as_of.recorded.through if as_of.recorded is not None else None,
    )


def _before(moment: Moment | None) -> datetime | None:
    return moment.before if moment is not None else None


def _figure(row: Row) -> Figure:
    return Figure(
        row["account"],
        Currency(row["currency"], row["exponent"]),
        row["debit_minor"],
        row["credit_minor"],
    )


def _daily(row: Row, reporting: Currency) -> Figure:
    currency = Currency(row["currency"], row["exponent"])
    told: Any = row["at_daily_rates"]  # Any: text or nothing
    return Figure(
        row["account"],
        currency,
        row["debit_minor"],
        row["credit_minor"],
        None if told is None else in_minor(Fraction(told), currency, reporting),
        row["missing_on"],
    )


def _at_rate(figure: Figure, day: date, rates: Closing) -> Figure:
    at_rate = rates.minor(figure)
    exact = at_rate if isinstance(at_rate, Fraction) else None
    return Figure(
        figure.account,
        figure.currency,
        figure.debit,
        figure.credit,
        exact,
        day if exact is None else None,
    )
