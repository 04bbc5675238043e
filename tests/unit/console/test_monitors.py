"""Thresholds on figures: breached, cleared with hysteresis, withdrawn; and what a file may say."""

from collections.abc import Mapping
from datetime import UTC, datetime
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.console.crossings import Name, crossings
from services.console.monitors import (
    Monitor,
    RatioName,
    Value,
    judged,
    monitors_of,
    of_ratio,
)
from services.console.shell.monitor_watch import days_there
from services.console.statements.balance_sheet import balance_sheet
from services.console.statements.solvency import Solvency, solvency
from shared.contracts.books import BookData, BookMap
from shared.contracts.errors import Unreadable
from shared.contracts.money import currency_of
from shared.contracts.monitors import MonitorCrossed, MonitorState

AT = datetime(2026, 11, 21, tzinfo=UTC)
BREACHED, CLEARED = MonitorState.BREACHED, MonitorState.CLEARED
CASH = """
[[monitor]]
name = "cash is low"
account = "assets:bank"
currency = "usd"
falls_to = "10000.00"
clears_at = "12000.00"
"""


def only(text: str) -> Monitor:
    (found,) = monitors_of(text, ["main"])
    return found


def cents(minor: int) -> Value:
    return Value(Fraction(minor))


@pytest.mark.parametrize(
    ("minor", "before", "after"),
    [
        (1_000_001, CLEARED, CLEARED),
        (1_000_000, CLEARED, BREACHED),
        (999_999, BREACHED, BREACHED),
        (1_199_999, BREACHED, BREACHED),
        (1_200_000, BREACHED, CLEARED),
        (-5, CLEARED, BREACHED),
    ],
)
def test_floor_is_breached_at_its_threshold_and_cleared_where_it_says(
    minor: int, before: MonitorState, after: MonitorState
) -> None:
    assert judged(only(CASH), cents(minor), before) is after


def test_balance_that_reaches_zero_is_told_and_one_cent_clears_it() -> None:
    empty = only(CASH.replace('"10000.00"', "0").replace('clears_at = "12000.00"', ""))
    assert judged(empty, cents(0), CLEARED) is BREACHED
    assert judged(empty, cents(1), BREACHED) is CLEARED


def test_ceiling_is_breached_above_and_cleared_below() -> None:
    owed = only(
        '[[monitor]]\nname = "owed"\naccount = "liabilities:payable"\ncurrency = "jpy"\n'
        "rises_to = 5000\nclears_at = 4000\n"
    )
    # Debit is positive where it is kept; what is owed is a credit.
    assert judged(owed, Value.balance("liabilities:payable", -5000), CLEARED) is BREACHED
    assert judged(owed, Value.balance("liabilities:payable", -4001), BREACHED) is BREACHED
    assert judged(owed, Value.balance("liabilities:payable", -4000), BREACHED) is CLEARED
    assert judged(owed, Value.balance("liabilities:payable", 9000), CLEARED) is CLEARED


def test_credits_that_a_customer_has_are_above_zero() -> None:
    # They are debits, as the chart keeps them; what was issued is their other side.
    wallet = only(
        '[[monitor]]\nname = "wallet"\naccount = "memo:credits"\nkey = "cus_1"\ncurrency = "usd"\n'
        "falls_to = 0\n"
    )
    assert judged(wallet, Value.balance("memo:credits", 100), CLEARED) is CLEARED
    assert judged(wallet, Value.balance("memo:credits", 0), CLEARED) is BREACHED
    assert Value.balance("memo:credits-issued", -100) == Value.balance("memo:credits", 100)


@pytest.mark.parametrize(
    ("ratio", "side", "state"),
    [
        ("current_ratio", "falls_to", CLEARED),
        ("runway_days", "falls_to", CLEARED),
        ("debt_to_equity", "rises_to", BREACHED),
    ],
)
def test_ratio_without_bound_is_as_high_as_can_be(
    ratio: str, side: str, state: MonitorState
) -> None:
    text = f'[[monitor]]\nname = "r"\nratio = "{ratio}"\ncurrency = "eur"\n{side} = "1.5"\n'
    assert judged(only(text), Value(None), CLEARED) is state


def solvency_of(nets: Mapping[str, int]) -> Solvency:
    return solvency(balance_sheet(nets, currency_of("usd")), net_income=0)


@pytest.mark.parametrize(
    ("ratio", "nets", "value"),
    [
        # Nothing is booked yet, or what there was has gone: there is no debt to warn of.
        ("debt_to_equity", {}, 0),
        ("debt_to_equity", {"assets:bank:main": 0, "equity:owner": 0}, 0),
        ("debt_to_equity", {"assets:bank:main": 100, "liabilities:payable": -100}, None),
        ("debt_to_equity", {"assets:bank:main": -100, "equity:owner": 100}, None),
        ("current_ratio", {}, None),
        ("current_ratio", {"assets:bank:main": 100, "equity:owner": -100}, None),
        # An overdrawn account pays nothing, though no liability says that anything is owed.
        ("current_ratio", {"assets:bank:main": -100, "equity:owner": 100}, 0),
        ("quick_ratio", {"assets:bank:main": -100, "equity:owner": 100}, 0),
        ("runway_days", {}, None),
    ],
)
def test_ratio_over_nought_warns_where_there_is_something_to_warn_of(
    ratio: str, nets: Mapping[str, int], value: int | None
) -> None:
    assert of_ratio(RatioName(ratio), solvency_of(nets)) == Value(
        None if value is None else Fraction(value)
    )


@given(st.lists(st.integers(-2_000_000, 2_000_000), max_size=60))
def test_states_told_alternate_whatever_the_figure_does(figures: list[int]) -> None:
    stands: dict[Name, MonitorCrossed] = {}
    told: list[MonitorCrossed] = []
    for minor in figures:
        for each in crossings([(only(CASH), cents(minor))], stands, AT, ()):
            stands[each.book, each.monitor] = each
            told.append(each)
    assert [each.revision for each in told] == list(range(1, len(told) + 1))
    assert [each.state for each in told] == [(BREACHED, CLEARED)[n % 2] for n in range(len(told))]


def test_crossing_says_figure_value_and_threshold() -> None:
    (told,) = crossings([(only(CASH), cents(999_950))], {}, AT, ())
    assert told.explanation == (
        "the balance of assets:bank in USD is 9999.50 USD; told when it falls to 10000.00"
    )
    assert told.amount is not None
    assert told.amount.minor == "999950"


def test_balance_past_what_one_amount_can_be_is_told_in_words() -> None:
    (told,) = crossings([(only(CASH), cents(-3 * 10**30))], {}, AT, ())
    assert (told.value, told.amount) == (f"-{3 * 10**28}.00 USD", None)
    (told,) = crossings([(only(CASH), cents(-(10**30)))], {}, AT, ())
    assert told.amount is not None
    assert told.amount.minor == str(-(10**30))


def test_ratios_are_read_again_when_a_day_begins_in_any_book() -> None:
    books = BookMap(books=(BookData(), BookData(name="tokyo", time_zone="Asia/Tokyo")))
    before, after = (
        days_there(books, datetime(2026, 11, 21, hour, minute, tzinfo=UTC))
        for hour, minute in ((14, 59), (15, 0))
    )
    assert [day.day for day in (*before, *after)] == [21, 21, 21, 22]


def test_monitor_that_the_file_has_no_more_is_withdrawn_once() -> None:
    (breached,) = crossings([(only(CASH), cents(0))], {}, AT, ())
    stands: dict[Name, MonitorCrossed] = {("main", "cash is low"): breached}
    (withdrawn,) = crossings([], stands, AT, ())
    assert (withdrawn.state, withdrawn.revision) == (MonitorState.WITHDRAWN, 2)
    assert crossings([], {("main", "cash is low"): withdrawn}, AT, ()) == []
    # Watched again and still low, it is told again.
    (again,) = crossings([(only(CASH), cents(0))], {("main", "cash is low"): withdrawn}, AT, ())
    assert (again.state, again.revision) == (BREACHED, 3)


def test_figure_that_cannot_be_read_leaves_the_monitor_as_it_was() -> None:
    assert crossings([(only(CASH), "no rate of eur")], {}, AT, ()) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (CASH.replace('falls_to = "10000.00"', "falls_to = 10000.5"), "as text"),
        (CASH.replace("10000.00", "10000.005"), "more decimals than usd"),
        (CASH.replace("10000.00", "nan"), "a finite number"),
        (CASH.replace("12000.00", "9000.00"), "sound side"),
        (CASH.replace('account = "assets:bank"', ""), "an account or a ratio"),
        (CASH + 'rises_to = "1"', "falls_to or rises_to"),
        (CASH.replace("assets:bank", "asset:bank"), "asset:bank"),
        (CASH.replace('"usd"', '"usx"'), "usx"),
        (CASH + CASH, "named twice: cash is low"),
        (CASH + 'book = "other"', "there is no book 'other'"),
        ("[[monitor", "not TOML"),
    ],
)
def test_file_that_says_nonsense_is_refused_with_the_reason(text: str, said: str) -> None:
    with pytest.raises(Unreadable, match=said):
        monitors_of(text, ["main"])
