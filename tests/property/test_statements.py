"""Laws of the statements for any books: at every position each equation holds, in every currency."""

from datetime import date, timedelta
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from services.console.statements.balance_sheet import (
    balance_sheets,
    translated_balance_sheet,
    translated_trial_balance,
    trial_balances,
)
from services.console.statements.income import (
    cash_flows,
    income_statements,
    translated_cash_flow,
)
from services.console.statements.roll_up import Part, roll_up
from services.console.statements.solvency import solvency
from shared.contracts.money import currency_of
from tests.support.statements import EUR, JPY, USD, Leg, closing, turned_over

FIRST = date(2026, 1, 1)
ETH = currency_of("eth")
ACCOUNTS = (
    *("assets:bank:main", "assets:stripe:balance", "assets:stripe:settling", "assets:receivable"),
    *("assets:fixed:desk", "liabilities:payable", "liabilities:connect", "liabilities:loans:a"),
    *("equity:owner", "equity:exchange", "equity:retained", "revenue:stripe", "revenue:refunds"),
    *("expenses:compute", "expenses:stripe-fees"),
)
DAYS = st.integers(0, 90).map(lambda n: FIRST + timedelta(days=n))
AMOUNTS = st.integers(1, 10**6) | st.integers(1, 10**30)


@st.composite
def entries(draw: st.DrawFn) -> list[Leg]:
    """A balanced entry of two to five legs in one currency, or a memo of customers' credits."""
    on, currency = draw(DAYS), draw(st.sampled_from([USD, EUR, JPY, ETH]))
    if draw(st.integers(0, 9)) == 0:
        minor = draw(AMOUNTS)
        return [
            Leg(on, "memo:credits", minor, currency),
            Leg(on, "memo:credits-issued", -minor, currency),
        ]
    amounts = draw(st.lists(AMOUNTS | AMOUNTS.map(int.__neg__), min_size=1,
                            max_size=4))  # fmt: skip
    names = [draw(st.sampled_from(ACCOUNTS)) for _ in range(len(amounts) + 1)]
    return [
        Leg(on, name, minor, currency)
        for name, minor in zip(names, [*amounts, -sum(amounts)], strict=True)
    ]


RATES = st.fixed_dictionaries(
    {
        code: st.dictionaries(
            DAYS, st.fractions(Fraction(1, 10**6), 10**4, max_denominator=10**9), max_size=4
        ).map(lambda later: {FIRST: Fraction(3, 7)} | later)
        for code in ("eur", "jpy", "eth")
    }
)


@settings(max_examples=80, deadline=None)
@given(st.lists(entries(), max_size=12))
def test_every_equation_holds_at_every_position_in_each_currency(books: list[list[Leg]]) -> None:
    for position in range(len(books) + 1):
        legs = [leg for entry in books[:position] for leg in entry]
        figures = turned_over(legs)
        for trial in trial_balances(figures):
            assert trial.difference == 0
        for sheet in balance_sheets(figures):
            assert sheet.difference == 0
            assert sheet.net_equity == sheet.equity.total
            solvency(sheet, net_income=sheet.net_income).sheet()
        earned = {made.currency: made.net_income for made in income_statements(figures)}
        for sheet in balance_sheets(figures):
            assert sheet.net_income == earned.get(sheet.currency, 0)


@settings(max_examples=80, deadline=None)
@given(st.lists(entries(), max_size=12), DAYS, DAYS)
def test_opening_and_flows_are_closing_for_any_period(
    books: list[list[Leg]], one: date, other: date
) -> None:
    first, last = min(one, other), max(one, other)
    legs = [leg for entry in books for leg in entry]
    before = turned_over(legs, last=first - timedelta(days=1))
    between, after = turned_over(legs, first=first, last=last), turned_over(legs, last=last)
    for made in cash_flows(before, between, after):
        assert made.difference == 0
        assert made.rate_effect == 0
    held = {s.currency: s.net_income for s in balance_sheets(after)}
    had = {s.currency: s.net_income for s in balance_sheets(before)}
    for statement in income_statements(between):
        currency = statement.currency
        assert statement.net_income == held[currency] - had.get(currency, 0)


@settings(max_examples=80, deadline=None)
@given(st.lists(entries(), max_size=12), RATES, DAYS)
def test_translated_statements_hold_and_agree_with_each_other(
    books: list[list[Leg]], rates: dict[str, dict[date, Fraction]], on: date
) -> None:
    legs = [leg for entry in books for leg in entry]
    figures = turned_over(legs, last=on, reporting=USD, rates=rates)
    at_close = closing(rates, USD, on)
    sheet, trial = (
        translated_balance_sheet(figures, at_close),
        translated_trial_balance(figures, at_close),
    )
    assert not isinstance(sheet, tuple)
    assert not isinstance(trial, tuple)
    assert (sheet.difference, trial.difference) == (0, 0)
    assert sheet.translation == -trial.translation
    only_dollars = all(leg.currency == USD for leg in legs)
    if only_dollars:
        assert sheet.translation == 0
    day_before = on - timedelta(days=1)
    earlier = turned_over(legs, last=day_before, reporting=USD, rates=rates)
    flows = translated_cash_flow(
        earlier,
        turned_over(legs, first=on, last=on, reporting=USD, rates=rates),
        figures,
        opening_rates=closing(rates, USD, max(day_before, FIRST)),
        closing_rates=at_close,
    )
    assert not isinstance(flows, tuple)
    assert flows.difference == 0


@settings(max_examples=100, deadline=None)
@given(st.lists(entries(), max_size=12), st.integers(1, 8))
def test_roll_ups_of_any_depth_sum_to_nought(books: list[list[Leg]], depth: int) -> None:
    parts = [Part(figure) for figure in turned_over(leg for entry in books for leg in entry)]
    sums: dict[str, int] = {}
    for line in roll_up(parts, depth=depth):
        sums[line.currency.code] = sums.get(line.currency.code, 0) + line.net
        assert not line.name.startswith("memo")
    assert not any(sums.values())
