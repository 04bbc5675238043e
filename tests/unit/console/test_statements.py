"""The statements of books that were computed by hand."""

from datetime import UTC, date, datetime
from fractions import Fraction

import pytest

from services.console.statements.account import Movement, Place, account_statement
from services.console.statements.balance_sheet import (
    BalanceSheet,
    balance_sheet,
    balance_sheets,
    translated_balance_sheet,
    translated_trial_balance,
    trial_balances,
)
from services.console.statements.figures import Figure, merged, rounded
from services.console.statements.income import (
    CashFlow,
    IncomeStatement,
    cash_flows,
    income_statements,
    translated_cash_flow,
    translated_income_statement,
)
from services.console.statements.query import tags_of
from services.console.statements.roll_up import Part, roll_up
from services.console.statements.sheet import RowKind, Sheet
from services.console.statements.solvency import solvency
from services.console.views import BadRequest
from shared.contracts.money import decimal_text
from tests.support.statements import EUR, JPY, USD, Leg, booked, closing, turned_over

JAN, FEB, MAR = date(2026, 1, 15), date(2026, 2, 15), date(2026, 3, 15)
# 1,000.00 put in by the owner, a sale of 500.00 with a fee of 14.80, of which 485.20 is at Stripe,
# 200.00 paid out, compute for 120.00 on credit, a refund of 50.00.
SHOP = [
    *booked(JAN, "assets:bank:main", "equity:owner", 100_000),
    *booked(FEB, "assets:stripe:settling", "revenue:stripe", 50_000),
    *[
        Leg(FEB, "assets:stripe:balance", 48_520),
        Leg(FEB, "expenses:stripe-fees", 1_480),
        Leg(FEB, "assets:stripe:settling", -50_000),
    ],
    *booked(FEB, "assets:stripe:in-transit", "assets:stripe:balance", 20_000),
    *booked(MAR, "expenses:compute", "liabilities:payable", 12_000),
    *booked(MAR, "revenue:refunds", "assets:stripe:balance", 5_000),
    *booked(MAR, "memo:credits", "memo:credits-issued", 7_000),
]


def written(sheet: Sheet) -> list[str]:
    """A sheet as a bookkeeper reads it."""
    lines: list[str] = []
    for row in sheet.rows:
        if row.kind is RowKind.HEADING:
            lines.append(f"{row.label}:")
            continue
        amounts = [
            "" if a is None else decimal_text(a, sheet.currency.exponent) for a in row.amounts
        ]
        lines.append(" | ".join([row.label, *amounts, row.text]).removesuffix(" | ").rstrip())
    return lines


def test_trial_balance_lists_net_debits_and_credits_and_no_memo_account() -> None:
    (made,) = trial_balances(turned_over(SHOP))
    assert written(made.sheet()) == [
        "assets:bank:main | 1000.00 |",
        "assets:stripe:balance | 235.20 |",
        "assets:stripe:in-transit | 200.00 |",
        "assets:stripe:settling | 0.00 |",
        "equity:owner |  | 1000.00",
        "expenses:compute | 120.00 |",
        "expenses:stripe-fees | 14.80 |",
        "liabilities:payable |  | 120.00",
        "revenue:refunds | 50.00 |",
        "revenue:stripe |  | 500.00",
        "Total | 1620.00 | 1620.00",
        "debits = credits | 0.00 |",
    ]
    assert made.sheet().is_sound


def test_balance_sheet_rolls_net_income_into_retained_earnings() -> None:
    (made,) = balance_sheets(turned_over(SHOP))
    assert written(made.sheet()) == [
        "Assets:",
        "assets:bank:main | 1000.00",
        "assets:stripe:balance | 235.20",
        "assets:stripe:in-transit | 200.00",
        "Total Assets | 1435.20",
        "Liabilities:",
        "liabilities:payable | 120.00",
        "Total Liabilities | 120.00",
        "Equity:",
        "equity:owner | 1000.00",
        "equity:retained | 315.20",
        "Total Equity | 1315.20",
        "Liabilities and Equity | 1435.20",
        "assets = liabilities + equity | 0.00",
    ]
    assert (made.net_income, made.net_equity) == (31_520, 131_520)


def test_balance_sheet_of_one_sided_figures_is_off_and_says_so() -> None:
    made = balance_sheet({"assets:bank:main": 100, "equity:owner": -99}, USD)
    assert (made.difference, made.sheet().is_sound) == (1, False)
    assert written(made.sheet())[-1] == "ASSETS ARE NOT LIABILITIES + EQUITY: off by | 0.01"
    (trial,) = trial_balances([Figure("assets:bank:main", USD, 100, 0)])
    assert (trial.difference, trial.sheet().is_sound) == (100, False)


def test_balance_sheet_shows_what_connected_accounts_owe_as_an_advance() -> None:
    nets = {"liabilities:connect": 500, "assets:stripe:balance": -500}
    made = balance_sheet(nets, USD)
    assert [(n.account, n.minor) for n in made.assets.lines] == [
        ("assets:stripe:balance", -500),
        ("liabilities:connect", 500),
    ]
    assert made.liabilities.lines == ()


def test_income_statement_of_a_month_counts_that_month_alone() -> None:
    (march,) = income_statements(turned_over(SHOP, first=date(2026, 3, 1), last=date(2026, 3, 31)))
    assert written(march.sheet()) == [
        "Revenue:",
        "revenue:refunds | -50.00",
        "Total Revenue | -50.00",
        "Expenses:",
        "expenses:compute | 120.00",
        "Total Expenses | 120.00",
        "Net income | -170.00",
    ]
    (all_time,) = income_statements(turned_over(SHOP))
    assert all_time.net_income == 31_520


def test_cash_flow_explains_the_change_in_cash_by_what_is_not_cash() -> None:
    first, last = date(2026, 2, 1), date(2026, 3, 31)
    (made,) = cash_flows(
        turned_over(SHOP, last=date(2026, 1, 31)),
        turned_over(SHOP, first=first, last=last),
        turned_over(SHOP, last=last),
    )
    assert written(made.sheet()) == [
        "Opening cash | 1000.00",
        "Operating activities:",
        "Net income | 315.20",
        "liabilities:payable | 120.00",
        "Cash from operating activities | 435.20",
        "Change in cash | 435.20",
        "Closing cash | 1435.20",
        "opening cash + change = closing cash | 0.00",
    ]


def test_cash_flow_of_the_first_month_is_the_owner_s_capital() -> None:
    (made,) = cash_flows([], turned_over(SHOP, last=JAN), turned_over(SHOP, last=JAN))
    assert (made.financing.total, made.from_operations, made.change) == (100_000, 0, 100_000)


def test_cash_flow_that_misses_a_figure_is_off_and_says_so() -> None:
    (made,) = cash_flows([], [], [Figure("assets:bank:main", USD, 5, 0)])
    assert (made.difference, made.sheet().is_sound) == (5, False)


def test_solvency_sets_what_can_be_paid_against_what_is_owed() -> None:
    (standing,) = balance_sheets(turned_over(SHOP))
    made = solvency(standing, net_income=-17_000, days=90)
    assert written(made.sheet()) == [
        "Cash and equivalents | 1435.20",
        "Quick assets | 1435.20",
        "Current assets | 1435.20",
        "Current liabilities | 120.00",
        "Total assets | 1435.20",
        "Total liabilities | 120.00",
        "Net equity | 1315.20",
        "Net burn of the last 90 days | 170.00",
        "Current ratio |  | 11.96",
        "Quick ratio |  | 11.96",
        "Debt to equity |  | 0.09",
        "Runway |  | 759 days",
    ]
    assert made.current_ratio.value == Fraction(143_520, 12_000)


def test_solvency_without_debt_or_burn_says_why_there_is_no_ratio() -> None:
    made = solvency(balance_sheet({}, USD), net_income=0)
    assert [str(r) for r in (made.current_ratio, made.debt_to_equity, made.runway_days)] == [
        "nothing is owed",
        "there is no equity",
        "no burn: the last 90 days earned what they spent",
    ]


# 100.00 EUR earned in January at 1.10 and held; in March a euro is 1.20.
EUROS = [*booked(JAN, "assets:bank:eur", "revenue:stripe", 10_000, EUR)]
RATES = {"eur": {date(2026, 1, 1): Fraction(11, 10), date(2026, 3, 1): Fraction(12, 10)}}


def test_translation_shows_what_rates_made_of_the_books_in_a_line_of_its_own() -> None:
    figures = turned_over([*SHOP, *EUROS], reporting=USD, rates=RATES)
    made = translated_balance_sheet(figures, closing(RATES, USD, MAR))
    assert isinstance(made, BalanceSheet)
    assert written(made.sheet())[1] == "assets:bank:eur | 120.00"
    assert "Translation difference | 10.00" in written(made.sheet())
    assert made.net_income == 31_520 + 11_000
    assert made.translation == 1_000
    trial = translated_trial_balance(figures, closing(RATES, USD, MAR))
    assert not isinstance(trial, tuple)
    assert (trial.translation, trial.difference) == (-1_000, 0)
    earned = translated_income_statement(figures, USD)
    assert isinstance(earned, IncomeStatement)
    assert earned.net_income == made.net_income


def test_translation_of_cash_flow_shows_the_effect_of_rates_on_cash_held() -> None:
    before = turned_over(EUROS, last=JAN, reporting=USD, rates=RATES)
    made = translated_cash_flow(
        before, [], before,
        opening_rates=closing(RATES, USD, JAN), closing_rates=closing(RATES, USD, MAR),
    )  # fmt: skip
    assert isinstance(made, CashFlow)
    assert (made.opening, made.closing, made.rate_effect, made.difference) == (
        11_000, 12_000, 1_000, 0,
    )  # fmt: skip


def test_translation_without_a_rate_gives_no_number_and_names_the_rate() -> None:
    early = {"eur": {date(2026, 2, 1): Fraction(1)}}
    figures = turned_over(EUROS, reporting=USD, rates=early)
    missing = translated_balance_sheet(figures, closing(early, USD, MAR))
    assert isinstance(missing, tuple)
    assert [str(m) for m in missing] == ["no rate of EUR in USD on or before 2026-01-15"]
    none = translated_trial_balance(figures, closing({}, USD, MAR))
    assert isinstance(none, tuple)
    assert {m.base for m in none} == {"eur"}


def test_translation_of_what_stands_at_nought_waits_for_no_rate() -> None:
    # Euros came to the bank and were passed on before anybody told a rate.
    passed_on = [
        *booked(JAN, "assets:bank:eur", "liabilities:payable", 70_000, EUR),
        *booked(FEB, "liabilities:payable", "assets:bank:eur", 70_000, EUR),
        *SHOP,
    ]
    figures, alone = turned_over(passed_on, reporting=USD), turned_over(SHOP, reporting=USD)
    nothing = closing({}, USD, MAR)
    for translate in (translated_balance_sheet, translated_trial_balance):
        made = translate(figures, nothing)
        assert not isinstance(made, tuple)
        assert made.difference == 0
    whole = translated_balance_sheet(figures, nothing)
    assert whole == translated_balance_sheet(alone, nothing)
    # While they are held, their rate is missing.
    held = turned_over(passed_on, last=JAN, reporting=USD)
    assert isinstance(translated_balance_sheet(held, nothing), tuple)


def test_translation_between_exponents_moves_the_point() -> None:
    yen = [*booked(JAN, "assets:bank:jpy", "equity:owner", 15_050, JPY)]
    rates = {"jpy": {JAN: Fraction("0.0066445183")}}
    made = translated_balance_sheet(
        turned_over(yen, reporting=USD, rates=rates), closing(rates, USD, JAN)
    )
    assert isinstance(made, BalanceSheet)
    assert made.assets.total == 10_000  # 15,050 yen are 100.00000… dollars


@pytest.mark.parametrize(
    ("exact", "whole"),
    [("0.5", 1), ("-0.5", -1), ("0.4999", 0), ("1.5", 2), ("-2.5", -3), ("0", 0), ("7", 7)],
)
def test_rounding_takes_half_a_minor_unit_away_from_zero(exact: str, whole: int) -> None:
    assert rounded(Fraction(exact)) == whole


def test_amounts_past_2_to_the_63_stay_exact() -> None:
    huge = 10**30
    (made,) = balance_sheets(turned_over(booked(JAN, "assets:bank:a", "equity:owner", huge)))
    assert made.assets.total == huge
    assert made.difference == 0


def movement(ordinal: int, minor: int) -> Movement:
    when = datetime(2026, 1, 15, tzinfo=UTC)
    return Movement(
        Place(when, "stripe.events", 0, 1, ordinal), when, "r", "k", "", "assets:bank:main", "",
        USD, minor,
    )  # fmt: skip


def test_account_statement_runs_from_the_opening_to_the_closing_balance() -> None:
    opening = [Figure("assets:bank:main", USD, 500, 200)]
    made = account_statement("assets:bank:main", opening, [movement(1, 50), movement(2, -400)])
    assert [line.balance for line in made.lines] == [350, -50]
    assert (made.opening, made.closing, made.after) == ({USD: 300}, {USD: -50}, None)
    page = account_statement("assets:bank:main", opening, [movement(1, 50)], is_last=False)
    assert page.after == page.lines[0].movement.place


def test_roll_up_cuts_names_and_keeps_what_is_under_the_prefix() -> None:
    parts = [Part(figure) for figure in turned_over(SHOP)]
    made = roll_up(parts, prefix="assets", depth=2)
    assert [(line.name, line.net) for line in made] == [
        ("assets:bank", 100_000),
        ("assets:stripe", 43_520),
    ]
    assert [line.name for line in roll_up(parts, depth=1)] == [
        "assets", "equity", "expenses", "liabilities", "revenue",
    ]  # fmt: skip
    assert roll_up(parts, prefix="asset") == []


def test_roll_up_by_tag_sums_what_each_names_and_tells_what_none_does() -> None:
    parts = [Part(figure) for figure in turned_over(SHOP)]
    tags = tags_of("cash = assets:bank, assets:stripe; bank=assets:bank")
    made = roll_up(parts, prefix="assets", tags={**tags, "nothing": ("assets:none",)})
    # What two tags name counts in both.
    assert [(line.tag, line.name, line.net) for line in made] == [
        ("bank", "", 100_000),
        ("cash", "", 143_520),
    ]
    assert [line.tag for line in roll_up(parts, tags=tags)] == ["(untagged)", "bank", "cash"]
    rest = next(line for line in roll_up(parts, tags=tags) if line.tag == "(untagged)")
    assert rest.net == -143_520


def test_roll_up_by_key_sums_the_keys_that_a_tag_names() -> None:
    owed = "liabilities:connect"
    parts = [
        Part(Figure(owed, USD, 0, minor), key=key)
        for key, minor in (("acct_1", 700), ("acct_2", 50), ("acct_3", 5))
    ]
    tags = tags_of(f"berlin={owed}[acct_1],{owed}[acct_2];all={owed}")
    made = roll_up(parts, prefix="liabilities", tags=tags)
    assert [(line.tag, line.key, line.net) for line in made] == [
        ("all", "", -755),
        ("berlin", "", -750),
    ]
    rest = roll_up(parts, tags={"berlin": (f"{owed}[acct_1]",)})
    assert [(line.tag, line.net) for line in rest] == [("(untagged)", -55), ("berlin", -700)]


@pytest.mark.parametrize("text", ["cloud", "=a:b", "cloud=", "cloud= , ", "a=x:y;a=x:z"])
def test_tags_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(BadRequest, match="tags"):
        tags_of(text)


def test_parts_of_a_span_add_up_and_a_missing_rate_stays_missing() -> None:
    one = Figure("a:b", USD, 5, 1, Fraction(4))
    other = Figure("a:b", USD, 1, 2, None, JAN)
    assert merged([one, other]) == [Figure("a:b", USD, 6, 3, None, JAN)]
    assert merged([one, one])[0].at_daily_rates == 8
