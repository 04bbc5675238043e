"""Balance sheet and trial balance: what stands on each account, and whether it holds together."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from services.console.statements.figures import (
    Closing,
    Figure,
    MissingRate,
    at_closing,
    at_daily,
    both,
    by_currency,
    root_of,
)
from services.console.statements.sheet import (
    Line,
    RowKind,
    Section,
    Sheet,
    SheetRow,
    section,
    total,
)
from shared.contracts.money import Currency

CONNECT: Final = "liabilities:connect"
RETAINED: Final = "equity:retained"
TRANSLATION: Final = "Translation difference"
EARNED: Final = ("revenue", "expenses")


@dataclass(frozen=True, slots=True)
class BalanceSheet:
    """Assets against liabilities and equity in one currency, each in its own sign.

    ``net_income`` is what was earned less what was spent since the books began; it stands in
    Retained Earnings with what was booked there. ``translation`` is what rates of different days
    leave over, where currencies were translated into one; in a currency by itself it is nought,
    and assets that are not liabilities and equity are a break of the books.
    """

    currency: Currency
    assets: Section
    liabilities: Section
    equity: Section
    net_income: int
    translation: int = 0

    @property
    def liabilities_and_equity(self) -> int:
        """The right-hand side, translation included."""
        return self.liabilities.total + self.equity.total + self.translation

    @property
    def difference(self) -> int:
        """Assets less liabilities and equity: nought, or the books do not hold."""
        return self.assets.total - self.liabilities_and_equity

    @property
    def net_equity(self) -> int:
        """Assets less liabilities."""
        return self.assets.total - self.liabilities.total

    def sheet(self) -> Sheet:
        """The statement in rows."""
        equity = [
            SheetRow(RowKind.LINE, line.account, (line.minor,), line.account)
            for line in self.equity.lines
        ]
        if self.translation:
            equity.append(SheetRow(RowKind.LINE, TRANSLATION, (self.translation,)))
        checked = "assets = liabilities + equity"
        if self.difference:
            checked = "ASSETS ARE NOT LIABILITIES + EQUITY: off by"
        return Sheet(
            "Balance sheet",
            self.currency,
            ("amount",),
            (
                *self.assets.rows(),
                *self.liabilities.rows(),
                SheetRow(RowKind.HEADING, self.equity.name),
                *equity,
                total("Total Equity", self.equity.total + self.translation),
                total("Liabilities and Equity", self.liabilities_and_equity, grand=True),
                SheetRow(RowKind.CHECK, checked, (self.difference,)),
            ),
            is_sound=self.difference == 0,
        )


def balance_sheet(
    nets: Mapping[str, int], currency: Currency, *, is_translated: bool = False
) -> BalanceSheet:
    """The balance sheet of nets by account, debit positive.

    What connected accounts owe us (``liabilities:connect`` in debit) is an advance, an asset.
    """
    assets = {a: net for a, net in nets.items() if root_of(a) == "assets"}
    liabilities = {a: -net for a, net in nets.items() if root_of(a) == "liabilities"}
    if liabilities.get(CONNECT, 0) < 0:
        assets[CONNECT] = -liabilities.pop(CONNECT)
    equity = {a: -net for a, net in nets.items() if root_of(a) == "equity"}
    net_income = -sum(net for a, net in nets.items() if root_of(a) in EARNED)
    equity[RETAINED] = equity.get(RETAINED, 0) + net_income
    made = BalanceSheet(
        currency,
        section("Assets", assets),
        section("Liabilities", liabilities),
        section("Equity", equity),
        net_income,
    )
    if not is_translated:
        return made
    return BalanceSheet(
        made.currency, made.assets, made.liabilities, made.equity, net_income, made.difference
    )


def balance_sheets(figures: Iterable[Figure]) -> list[BalanceSheet]:
    """A balance sheet for each currency by itself."""
    return [balance_sheet(nets, currency) for currency, nets in by_currency(figures).items()]


def translated_balance_sheet(
    figures: Iterable[Figure], closing: Closing
) -> BalanceSheet | tuple[MissingRate, ...]:
    """The balance sheet of all currencies in one, or the rates that are missing for it.

    Assets, liabilities and equity stand at the closing rate, what was earned and spent at the
    rates of its days.
    """
    all_figures = list(figures)
    standing = at_closing((f for f in all_figures if root_of(f.account) not in EARNED), closing)
    earned = at_daily((f for f in all_figures if root_of(f.account) in EARNED), closing.reporting)
    if missing := both(standing, earned):
        return missing
    return balance_sheet({**standing.nets, **earned.nets}, closing.reporting, is_translated=True)


@dataclass(frozen=True, slots=True)
class TrialBalance:
    """Every account that was ever moved with its net debit or credit, in one currency."""

    currency: Currency
    lines: tuple[Line, ...]
    translation: int = 0

    @property
    def debit(self) -> int:
        """The sum of the net debits."""
        return sum(max(line.minor, 0) for line in self.lines) + max(self.translation, 0)

    @property
    def credit(self) -> int:
        """The sum of the net credits."""
        return sum(max(-line.minor, 0) for line in self.lines) + max(-self.translation, 0)

    @property
    def difference(self) -> int:
        """Debits less credits: nought, or the books do not hold."""
        return self.debit - self.credit

    def sheet(self) -> Sheet:
        """The statement in rows."""
        rows = [
            SheetRow(RowKind.LINE, line.account, _sides(line.minor), line.account)
            for line in self.lines
        ]
        if self.translation:
            rows.append(SheetRow(RowKind.LINE, TRANSLATION, _sides(self.translation)))
        checked = "debits = credits"
        if self.difference:
            checked = "DEBITS ARE NOT CREDITS: off by"
        return Sheet(
            "Trial balance",
            self.currency,
            ("debit", "credit"),
            (
                *rows,
                SheetRow(RowKind.GRAND_TOTAL, "Total", (self.debit, self.credit)),
                SheetRow(RowKind.CHECK, checked, (self.difference, None)),
            ),
            is_sound=self.difference == 0,
        )


def trial_balances(figures: Iterable[Figure]) -> list[TrialBalance]:
    """A trial balance for each currency by itself."""
    return [
        TrialBalance(currency, tuple(Line(a, net) for a, net in nets.items()))
        for currency, nets in by_currency(figures).items()
    ]


def translated_trial_balance(
    figures: Iterable[Figure], closing: Closing
) -> TrialBalance | tuple[MissingRate, ...]:
    """The trial balance of all currencies in one, rates as on the balance sheet."""
    all_figures = list(figures)
    standing = at_closing((f for f in all_figures if root_of(f.account) not in EARNED), closing)
    earned = at_daily((f for f in all_figures if root_of(f.account) in EARNED), closing.reporting)
    if missing := both(standing, earned):
        return missing
    nets = sorted({**standing.nets, **earned.nets}.items())
    lines = tuple(Line(account, net) for account, net in nets)
    return TrialBalance(closing.reporting, lines, -sum(line.minor for line in lines))


def _sides(net: int) -> tuple[int | None, int | None]:
    if net == 0:
        return (0, None)
    return (net, None) if net > 0 else (None, -net)
