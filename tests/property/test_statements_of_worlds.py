"""Worlds read message by message: at every position of the log each statement's equation holds."""

import json
import random
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from typing import Final

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.console.statements.balance_sheet import (
    balance_sheets,
    translated_balance_sheet,
    translated_trial_balance,
    trial_balances,
)
from services.console.statements.figures import Figure
from services.console.statements.income import (
    cash_flows,
    income_statements,
    translated_cash_flow,
)
from services.console.statements.roll_up import Part, roll_up
from services.console.statements.solvency import solvency
from services.ledger.activation.in_force import InForce
from services.ledger.posting_rules import Input, decide
from shared.contracts.envelope import Envelope
from shared.contracts.money import CURRENCIES
from tallystick.preview.books import Books
from tests.support.statements import USD, Leg, closing, turned_over
from tests.support.stripe_worlds import Stripe, stripe_worlds

NOW: Final = datetime(2026, 11, 21, tzinfo=UTC)
EVER: Final = date(2000, 1, 1)
# Odd on purpose: what is rounded away anywhere would show.
RATES: Final = {code: {EVER: Fraction(7, 3)} for code in CURRENCIES if code != USD.code}


def assert_each_holds(legs: list[Leg]) -> None:
    """Every equation of every statement, each currency by itself and all in one."""
    figures = turned_over(legs, reporting=USD, rates=RATES)
    trials, sheets = trial_balances(figures), balance_sheets(figures)
    assert not any(trial.difference for trial in trials)
    assert not any(sheet.difference for sheet in sheets)
    earned = {made.currency: made.net_income for made in income_statements(figures)}
    for sheet in sheets:
        assert sheet.net_income == earned.get(sheet.currency, 0)
        assert solvency(sheet, net_income=sheet.net_income).sheet()
    sums: Counter[str] = Counter()
    for line in roll_up([Part(figure) for figure in figures], depth=1):
        sums[line.currency.code] += line.net
    assert not any(sums.values())
    last = max((leg.on for leg in legs), default=EVER)
    assert_flows_hold(legs, figures, last)
    at_close = closing(RATES, USD, last)
    for made in (
        translated_balance_sheet(figures, at_close),
        translated_trial_balance(figures, at_close),
    ):
        assert not isinstance(made, tuple)
        assert made.difference == 0


def assert_flows_hold(legs: list[Leg], figures: list[Figure], last: date) -> None:
    """Opening cash and what flowed on the last day are the cash of its end."""
    day_before = last - timedelta(days=1)
    before = turned_over(legs, last=day_before, reporting=USD, rates=RATES)
    on_the_day = turned_over(legs, first=last, reporting=USD, rates=RATES)
    assert not any(flow.difference for flow in cash_flows(before, on_the_day, figures))
    flow = translated_cash_flow(
        before,
        on_the_day,
        figures,
        opening_rates=closing(RATES, USD, max(day_before, EVER)),
        closing_rates=closing(RATES, USD, last),
    )
    assert not isinstance(flow, tuple)
    assert flow.difference == 0


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.data_too_large])
@given(stripe_worlds(), st.integers())
def test_every_statement_holds_at_every_position_of_a_worlds_log(world: Stripe, seed: int) -> None:
    log = [*world.told, *world.told[: seed % 3]]
    random.Random(seed).shuffle(log)
    books, booked = Books(), 0
    legs: list[Leg] = []
    for topic, value in log:
        message = Input(topic, Envelope("m", "s", "t", NOW, json.dumps(value).encode()), NOW)
        decision = decide(message, InForce())
        known = {each.entry.reference for each in books.entries()}
        books.take(decision, NOW)
        for entry in decision.entries:
            if entry.reference in known:
                continue
            known.add(entry.reference)
            booked += 1
            legs += [
                Leg(entry.effective_at.date(), p.account, p.signed_minor, p.amount.currency)
                for p in entry.postings
            ]
        assert_each_holds(legs)
    assert booked == len(books.entries())
