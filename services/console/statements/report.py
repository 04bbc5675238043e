"""A report: one statement in every currency by itself and in one, with what it holds for."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TypeAlias

from services.console.statements.balance_sheet import BalanceSheet, TrialBalance
from services.console.statements.figures import Closing, MissingRate, Rate
from services.console.statements.income import CashFlow, IncomeStatement
from services.console.statements.moments import AsOf, Period
from services.console.statements.solvency import Solvency
from shared.contracts.money import Currency

Statement: TypeAlias = TrialBalance | BalanceSheet | IncomeStatement | CashFlow | Solvency


class Kind(StrEnum):
    """The statements that stand in currencies; lists of postings are paged and stand apart."""

    TRIAL_BALANCE = "trial-balance"
    BALANCE_SHEET = "balance-sheet"
    INCOME_STATEMENT = "income-statement"
    CASH_FLOW = "cash-flow"
    SOLVENCY = "solvency"

    @property
    def is_of_a_period(self) -> bool:
        """Whether it tells of a span of days and not of a standing."""
        return self in (Kind.INCOME_STATEMENT, Kind.CASH_FLOW)


@dataclass(frozen=True, slots=True)
class Position:
    """How far an input partition had been booked."""

    topic: str
    partition: int
    next_offset: int


@dataclass(frozen=True, slots=True)
class Basis:
    """What a report holds for: the book, as of when on both axes, and from which positions.

    ``unpassed`` are inputs that have booked nothing yet behind the recorded time that was asked
    for: until they have, more may come that was recorded before it.
    """

    book: str
    time_zone: str
    as_of: AsOf
    period: Period
    read_at: datetime
    positions: tuple[Position, ...]
    unpassed: tuple[str, ...] = ()

    @property
    def is_provisional(self) -> bool:
        """Whether facts recorded before the recorded time may still come."""
        return bool(self.unpassed)


@dataclass(frozen=True, slots=True)
class Report:
    """A statement of a book; ``translated`` is ``None`` where nobody asked or a rate is missing."""

    kind: Kind
    basis: Basis
    statements: tuple[Statement, ...]
    reporting: Currency | None = None
    translated: Statement | None = None
    missing: tuple[MissingRate, ...] = ()
    rates: tuple[Rate, ...] = ()

    @property
    def is_sound(self) -> bool:
        """Whether what must hold of each statement holds."""
        return all(statement.sheet().is_sound for statement in self.all_statements())

    def all_statements(self) -> Sequence[Statement]:
        """Each currency by itself, then all in one."""
        return (*self.statements, *([self.translated] if self.translated is not None else []))


def used_rates(closing: Closing, statements: Sequence[Statement]) -> tuple[Rate, ...]:
    """The closing rates of the currencies that occur."""
    codes = {statement.currency.code for statement in statements}
    return tuple(closing.rates[code] for code in sorted(codes & closing.rates.keys()))
