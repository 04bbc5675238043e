"""Reports as JSON: amounts as integers of minor units in text, ratios as decimal text."""

from collections.abc import Iterable
from datetime import date
from decimal import Context, Decimal
from fractions import Fraction
from typing import assert_never

from services.console.statements.account import AccountStatement, Place
from services.console.statements.balance_sheet import BalanceSheet, TrialBalance
from services.console.statements.figures import Rate
from services.console.statements.income import CashFlow, IncomeStatement
from services.console.statements.report import Basis, Report, Statement
from services.console.statements.roll_up import RollUpLine
from services.console.statements.sheet import Section
from services.console.statements.solvency import Ratio, Solvency
from services.console.views import Json
from shared.contracts.envelope import rfc3339
from shared.contracts.money import Currency

_EXACT = Context(prec=60)


def money(minor: int, currency: Currency) -> Json:
    """An amount as it stands on every topic; a sum may be past what one posting can be."""
    return {"minor": str(minor), "currency": currency.code, "exponent": currency.exponent}


def basis_json(basis: Basis) -> Json:
    """What an answer holds for."""
    as_of, period = basis.as_of, basis.period
    return {
        "book": basis.book,
        "time_zone": basis.time_zone,
        "effective_as_of": as_of.effective.text if as_of.effective is not None else None,
        "recorded_as_of": as_of.recorded.text if as_of.recorded is not None else None,
        "from": period.first.isoformat() if period.first is not None else None,
        "to": period.last.isoformat() if period.last is not None else None,
        "is_provisional": basis.is_provisional,
        "waiting_for": list(basis.unpassed),
        "read_at": rfc3339(basis.read_at),
        "as_of": [
            {"topic": p.topic, "partition": p.partition, "next_offset": p.next_offset}
            for p in basis.positions
        ],
    }


def report_json(report: Report) -> Json:
    """A report: each currency by itself under ``statements``, all in one under ``reporting``."""
    reporting = None
    if report.reporting is not None:
        reporting = {
            "currency": report.reporting.code,
            "statement": (
                statement_json(report.translated) if report.translated is not None else None
            ),
            "missing_rates": [
                {
                    "base": each.base,
                    "quote": each.quote,
                    "on_or_before": each.on.isoformat() if each.on is not None else None,
                }
                for each in report.missing
            ],
            "closing_rates": [_rate(rate, report.reporting) for rate in report.rates],
        }
    return {
        "statement": report.kind.value,
        **basis_json(report.basis),
        "is_sound": report.is_sound,
        "statements": [statement_json(each) for each in report.statements],
        "reporting": reporting,
    }


def statement_json(statement: Statement) -> Json:
    """One statement in one currency."""
    match statement:
        case TrialBalance():
            told = _trial_balance(statement)
        case BalanceSheet():
            told = _balance_sheet(statement)
        case IncomeStatement():
            told = _income_statement(statement)
        case CashFlow():
            told = _cash_flow(statement)
        case Solvency():
            told = _solvency(statement)
        case _:
            assert_never(statement)
    return {"currency": statement.currency.code, **told}


def account_json(statement: AccountStatement) -> Json:
    """A page of an account's statement; balances are debit positive."""
    return {
        "account": statement.account,
        "opening": [money(minor, currency) for currency, minor in statement.opening.items()],
        "lines": [
            {
                "effective_at": rfc3339(line.movement.effective_at),
                **_reported(line.movement.reported_day),
                "recorded_at": rfc3339(line.movement.recorded_at),
                "reference": line.movement.reference,
                "kind": line.movement.kind,
                "description": line.movement.description,
                "key": line.movement.key,
                "amount": money(line.movement.minor, line.movement.currency),
                "balance": money(line.balance, line.movement.currency),
                "position": {
                    "topic": line.movement.place.topic,
                    "partition": line.movement.place.partition,
                    "sequence": line.movement.place.sequence,
                },
            }
            for line in statement.lines
        ],
        "closing": [money(minor, currency) for currency, minor in statement.closing.items()],
    }


def _reported(day: date | None) -> Json:
    """Only of what is reported on a later day than its own, since that was closed."""
    return {"reported_day": str(day)} if day is not None else {}


def roll_up_json(lines: Iterable[RollUpLine]) -> list[Json]:
    """Lines of a roll-up; nets are debit positive."""
    return [
        {
            "account": line.name or None,
            "tag": line.tag or None,
            "begins": line.begins.isoformat() if line.begins is not None else None,
            "key": line.key or None,
            "debit": money(line.debit, line.currency),
            "credit": money(line.credit, line.currency),
            "net": money(line.net, line.currency),
        }
        for line in lines
    ]


def place_parts(place: Place | None) -> tuple[str, str, int, int, int]:
    """A place as the parts of a cursor; nowhere has an empty time."""
    if place is None:
        return ("", "", 0, 0, 0)
    at = rfc3339(place.effective_at)
    return (at, place.topic, place.partition, place.sequence, place.ordinal)


def _trial_balance(made: TrialBalance) -> Json:
    return {
        "accounts": [
            {
                "account": line.account,
                "debit": money(max(line.minor, 0), made.currency),
                "credit": money(max(-line.minor, 0), made.currency),
            }
            for line in made.lines
        ],
        "translation_difference": money(made.translation, made.currency),
        "total_debit": money(made.debit, made.currency),
        "total_credit": money(made.credit, made.currency),
        "difference": money(made.difference, made.currency),
        "is_balanced": made.difference == 0,
    }


def _balance_sheet(made: BalanceSheet) -> Json:
    return {
        "assets": _section(made.assets, made.currency),
        "liabilities": _section(made.liabilities, made.currency),
        "equity": _section(made.equity, made.currency),
        "translation_difference": money(made.translation, made.currency),
        "net_income": money(made.net_income, made.currency),
        "liabilities_and_equity": money(made.liabilities_and_equity, made.currency),
        "difference": money(made.difference, made.currency),
        "is_balanced": made.difference == 0,
    }


def _income_statement(made: IncomeStatement) -> Json:
    return {
        "revenue": _section(made.revenue, made.currency),
        "expenses": _section(made.expenses, made.currency),
        "net_income": money(made.net_income, made.currency),
        "currency_trading": money(made.exchange, made.currency),
        "result": money(made.result, made.currency),
    }


def _cash_flow(made: CashFlow) -> Json:
    return {
        "opening_cash": money(made.opening, made.currency),
        "net_income": money(made.net_income, made.currency),
        "operating": _section(made.operating, made.currency),
        "from_operations": money(made.from_operations, made.currency),
        "investing": _section(made.investing, made.currency),
        "financing": _section(made.financing, made.currency),
        "currency_trading": money(made.exchange, made.currency),
        "rate_effect": money(made.rate_effect, made.currency),
        "change": money(made.change, made.currency),
        "closing_cash": money(made.closing, made.currency),
        "difference": money(made.difference, made.currency),
        "is_balanced": made.difference == 0,
    }


def _solvency(made: Solvency) -> Json:
    runway = made.runway_days
    return {
        "cash": money(made.cash, made.currency),
        "quick_assets": money(made.quick_assets, made.currency),
        "current_assets": money(made.current_assets, made.currency),
        "current_liabilities": money(made.current_liabilities, made.currency),
        "assets": money(made.assets, made.currency),
        "liabilities": money(made.liabilities, made.currency),
        "net_equity": money(made.net_equity, made.currency),
        "net_burn": money(made.net_burn, made.currency),
        "net_burn_days": made.days,
        "current_ratio": _ratio(made.current_ratio),
        "quick_ratio": _ratio(made.quick_ratio),
        "debt_to_equity": _ratio(made.debt_to_equity),
        "runway_days": {
            "value": None if runway.value is None else str(runway.value.__floor__()),
            "why_none": runway.why_none or None,
        },
    }


def _ratio(ratio: Ratio) -> Json:
    value = None if ratio.value is None else str(ratio)
    return {"value": value, "why_none": ratio.why_none or None}


def _section(section: Section, currency: Currency) -> Json:
    return {
        "lines": [
            {"account": line.account, "amount": money(line.minor, currency)}
            for line in section.lines
        ],
        "total": money(section.total, currency),
    }


def _rate(rate: Rate, reporting: Currency) -> Json:
    return {
        "base": rate.base.code,
        "quote": reporting.code,
        "on": rate.on.isoformat(),
        "rate": rate_text(rate.value),
    }


def rate_text(value: Fraction) -> str:
    """A rate as a decimal; every rate here has one, of at most some 40 decimals."""
    quotient = _EXACT.divide(Decimal(value.numerator), Decimal(value.denominator))
    return f"{quotient.normalize(_EXACT):f}"
