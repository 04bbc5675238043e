"""Income statement and cash flow: what a period earned, and where its cash came from and went.

Cash flow is made by the indirect method: net income, then the change of every account that is not
cash. Since each entry balances in each currency, these sum to the change in cash exactly, and all
of it comes from sums by day: no entry is read. The direct method would read every entry that
touched cash, and would still name clearing accounts as counterparts: at Stripe nearly all cash
comes in against them.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from services.console.statements.figures import (
    Closing,
    Figure,
    MissingRate,
    Translated,
    at_closing,
    at_daily,
    both,
    by_currency,
    counted,
    root_of,
)
from services.console.statements.groups import Activity, group_of
from services.console.statements.sheet import RowKind, Section, Sheet, SheetRow, section, total
from shared.contracts.money import Currency

EXCHANGE: Final = "equity:exchange"


@dataclass(frozen=True, slots=True)
class IncomeStatement:
    """Revenue less expenses of a period in one currency.

    ``exchange`` is what was taken in for other currencies, less what was given: a result in one
    currency is read together with it. It stays in its own account of equity.
    """

    currency: Currency
    revenue: Section
    expenses: Section
    exchange: int = 0

    @property
    def net_income(self) -> int:
        """Revenue less expenses."""
        return self.revenue.total - self.expenses.total

    @property
    def result(self) -> int:
        """Net income together with currency trading."""
        return self.net_income + self.exchange

    def sheet(self) -> Sheet:
        """The statement in rows."""
        rows = [
            *self.revenue.rows(),
            *self.expenses.rows(),
            total("Net income", self.net_income, grand=True),
        ]
        if self.exchange:
            rows += [
                SheetRow(RowKind.LINE, EXCHANGE, (self.exchange,), EXCHANGE),
                total("Net income and currency trading", self.result, grand=True),
            ]
        return Sheet("Income statement", self.currency, ("amount",), tuple(rows))


def income_statement(nets: Mapping[str, int], currency: Currency) -> IncomeStatement:
    """The income statement of a period's nets by account, debit positive."""
    return IncomeStatement(
        currency,
        section("Revenue", {a: -net for a, net in nets.items() if root_of(a) == "revenue"}),
        section("Expenses", {a: net for a, net in nets.items() if root_of(a) == "expenses"}),
        -nets.get(EXCHANGE, 0),
    )


def income_statements(moved: Iterable[Figure]) -> list[IncomeStatement]:
    """An income statement for each currency by itself."""
    found = (income_statement(nets, currency) for currency, nets in by_currency(moved).items())
    return [made for made in found if made.revenue.lines or made.expenses.lines or made.exchange]


def translated_income_statement(
    moved: Iterable[Figure], reporting: Currency
) -> IncomeStatement | tuple[MissingRate, ...]:
    """The income statement of all currencies in one, each day at its rate."""
    relevant = [
        f for f in moved if f.account == EXCHANGE or root_of(f.account) in ("revenue", "expenses")
    ]
    translated = at_daily(relevant, reporting)
    if translated.missing:
        return translated.missing
    return income_statement(translated.nets, reporting)


@dataclass(frozen=True, slots=True)
class CashFlow:
    """The change in cash of a period in one currency; an inflow is positive.

    ``rate_effect`` is what other rates made of the cash that was held, where currencies were
    translated into one; in a currency by itself it is nought.
    """

    currency: Currency
    opening: int
    net_income: int
    operating: Section
    investing: Section
    financing: Section
    exchange: int
    closing: int
    rate_effect: int = 0

    @property
    def from_operations(self) -> int:
        """Net income and the changes in what operations owe and are owed."""
        return self.net_income + self.operating.total

    @property
    def change(self) -> int:
        """All flows."""
        return (
            self.from_operations
            + self.investing.total
            + self.financing.total
            + self.exchange
            + self.rate_effect
        )

    @property
    def difference(self) -> int:
        """Closing cash less opening cash and all flows: nought, or the books do not hold."""
        return self.closing - self.opening - self.change

    def sheet(self) -> Sheet:
        """The statement in rows."""
        checked = "opening cash + change = closing cash"
        if self.difference:
            checked = "OPENING CASH AND CHANGE ARE NOT CLOSING CASH: off by"
        rows = [
            SheetRow(RowKind.LINE, "Opening cash", (self.opening,)),
            SheetRow(RowKind.HEADING, "Operating activities"),
            SheetRow(RowKind.LINE, "Net income", (self.net_income,)),
            *self.operating.rows()[1:-1],
            total("Cash from operating activities", self.from_operations),
        ]
        for part in (self.investing, self.financing):
            if part.lines:
                rows += [*part.rows()[:-1], total(f"Cash from {part.name.lower()}", part.total)]
        if self.exchange:
            rows.append(SheetRow(RowKind.LINE, EXCHANGE, (self.exchange,), EXCHANGE))
        if self.rate_effect:
            rows.append(SheetRow(RowKind.LINE, "Effect of exchange rates", (self.rate_effect,)))
        return Sheet(
            "Cash flow",
            self.currency,
            ("amount",),
            (
                *rows,
                total("Change in cash", self.change, grand=True),
                total("Closing cash", self.closing, grand=True),
                SheetRow(RowKind.CHECK, checked, (self.difference,)),
            ),
            is_sound=self.difference == 0,
        )


def cash_flow(
    opening: Mapping[str, int],
    moved: Mapping[str, int],
    closing: Mapping[str, int],
    currency: Currency,
    *,
    is_translated: bool = False,
) -> CashFlow:
    """The cash flow between two standings, from what every other account did; debit positive."""

    def flows(activity: Activity) -> dict[str, int]:
        return {a: -net for a, net in moved.items() if group_of(a).activity is activity}

    made = CashFlow(
        currency,
        opening=_cash(opening),
        net_income=sum(flows(Activity.INCOME).values()),
        operating=section("Operating activities", flows(Activity.OPERATING)),
        investing=section("Investing activities", flows(Activity.INVESTING)),
        financing=section("Financing activities", flows(Activity.FINANCING)),
        exchange=sum(flows(Activity.EXCHANGE).values()),
        closing=_cash(closing),
    )
    if not is_translated:
        return made
    return CashFlow(
        made.currency, made.opening, made.net_income, made.operating, made.investing,
        made.financing, made.exchange, made.closing, made.difference,
    )  # fmt: skip


def cash_flows(
    opening: Iterable[Figure], moved: Iterable[Figure], closing: Iterable[Figure]
) -> list[CashFlow]:
    """A cash flow for each currency by itself."""
    before, between, after = by_currency(opening), by_currency(moved), by_currency(closing)
    return [
        cash_flow(before.get(each, {}), between.get(each, {}), after.get(each, {}), each)
        for each in sorted(after.keys() | between.keys())
    ]


def translated_cash_flow(
    opening: Iterable[Figure],
    moved: Iterable[Figure],
    closing: Iterable[Figure],
    *,
    opening_rates: Closing,
    closing_rates: Closing,
) -> CashFlow | tuple[MissingRate, ...]:
    """The cash flow of all currencies in one.

    Cash held at the rates of the day before and of the last day, flows at the rates of their days.
    """
    before = _held(opening, opening_rates)
    between = at_daily(
        (f for f in counted(moved) if not group_of(f.account).is_cash), closing_rates.reporting
    )
    after = _held(closing, closing_rates)
    if missing := both(before, between, after):
        return missing
    return cash_flow(
        before.nets, between.nets, after.nets, closing_rates.reporting, is_translated=True
    )


def _held(figures: Iterable[Figure], rates: Closing) -> Translated:
    return at_closing((f for f in counted(figures) if group_of(f.account).is_cash), rates)


def _cash(nets: Mapping[str, int]) -> int:
    return sum(net for account, net in nets.items() if group_of(account).is_cash)
