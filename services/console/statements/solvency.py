"""Solvency: whether what is owed can be paid, and how long the money lasts, in one currency."""

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from services.console.statements.balance_sheet import BalanceSheet
from services.console.statements.figures import rounded
from services.console.statements.groups import Group, group_of
from services.console.statements.sheet import Line, RowKind, Sheet, SheetRow
from shared.contracts.money import Currency, decimal_text

RUNWAY_DAYS: Final = 90
DECIMALS: Final = 2


@dataclass(frozen=True, slots=True)
class Ratio:
    """A ratio, exact, or the reason why there is none."""

    value: Fraction | None
    why_none: str = ""

    def __str__(self) -> str:
        if self.value is None:
            return self.why_none
        return decimal_text(rounded(self.value * 10**DECIMALS), DECIMALS)


@dataclass(frozen=True, slots=True)
class Solvency:
    """The figures behind the ratios, in minor units.

    ``net_burn`` is expenses less revenue over the last ``days`` days: what the cash was used up by.
    """

    currency: Currency
    cash: int
    quick_assets: int
    current_assets: int
    current_liabilities: int
    assets: int
    liabilities: int
    net_burn: int
    days: int

    @property
    def net_equity(self) -> int:
        """Assets less liabilities."""
        return self.assets - self.liabilities

    @property
    def current_ratio(self) -> Ratio:
        """Current assets to current liabilities."""
        return _ratio(self.current_assets, self.current_liabilities, "nothing is owed")

    @property
    def quick_ratio(self) -> Ratio:
        """Cash and what is about to be cash, to current liabilities."""
        return _ratio(self.quick_assets, self.current_liabilities, "nothing is owed")

    @property
    def debt_to_equity(self) -> Ratio:
        """Liabilities to net equity."""
        return _ratio(self.liabilities, self.net_equity, "there is no equity")

    @property
    def runway_days(self) -> Ratio:
        """How many days cash lasts at the net burn of the last days."""
        if self.net_burn <= 0:
            return Ratio(None, f"no burn: the last {self.days} days earned what they spent")
        if self.cash <= 0:
            return Ratio(Fraction(0))
        return Ratio(Fraction(self.cash * self.days, self.net_burn))

    def sheet(self) -> Sheet:
        """The statement in rows."""
        figures = (
            ("Cash and equivalents", self.cash),
            ("Quick assets", self.quick_assets),
            ("Current assets", self.current_assets),
            ("Current liabilities", self.current_liabilities),
            ("Total assets", self.assets),
            ("Total liabilities", self.liabilities),
            ("Net equity", self.net_equity),
            (f"Net burn of the last {self.days} days", self.net_burn),
        )
        runway = self.runway_days
        lasts = str(runway) if runway.value is None else f"{runway.value.__floor__()} days"
        ratios = (
            ("Current ratio", str(self.current_ratio)),
            ("Quick ratio", str(self.quick_ratio)),
            ("Debt to equity", str(self.debt_to_equity)),
            ("Runway", lasts),
        )
        return Sheet(
            "Solvency",
            self.currency,
            ("amount",),
            (
                *(SheetRow(RowKind.LINE, label, (minor,)) for label, minor in figures),
                *(SheetRow(RowKind.LINE, label, (None,), text=text) for label, text in ratios),
            ),
        )


def solvency(standing: BalanceSheet, *, net_income: int, days: int = RUNWAY_DAYS) -> Solvency:
    """Solvency of a balance sheet, with the net income of the last ``days`` days."""

    def those(lines: Iterable[Line]) -> list[tuple[Group, int]]:
        return [(group_of(line.account), line.minor) for line in lines]

    assets, liabilities = those(standing.assets.lines), those(standing.liabilities.lines)
    return Solvency(
        standing.currency,
        cash=sum(minor for group, minor in assets if group.is_cash),
        quick_assets=sum(minor for group, minor in assets if group.is_quick),
        current_assets=sum(minor for group, minor in assets if group.is_current),
        current_liabilities=sum(minor for group, minor in liabilities if group.is_current),
        assets=standing.assets.total,
        liabilities=standing.liabilities.total,
        net_burn=-net_income,
        days=days,
    )


def _ratio(part: int, whole: int, why_none: str) -> Ratio:
    return Ratio(Fraction(part, whole)) if whole > 0 else Ratio(None, why_none)
