"""The figures of a statement, read out of each form that it can be had in."""

import csv
import io
from collections.abc import Iterable, Mapping
from typing import Any

from tests.walk.walking import Json

# Currency, then the account or the line's name: signed minor units.
Figures = dict[tuple[str, str], int]
SECTIONS = (
    *("assets", "liabilities", "equity", "revenue", "expenses"),
    *("operating", "investing", "financing"),
)
STATEMENTS = ("trial-balance", "balance-sheet", "income-statement", "cash-flow", "solvency")


def minor(money: Json) -> int:
    """An amount as JSON has it."""
    return int(money["minor"])


def of_currency(told: Json, currency: str) -> Json:
    """The statement of one currency by itself."""
    (found,) = [each for each in told["statements"] if each["currency"] == currency]
    return dict(found)


def lines(section: Json) -> dict[str, int]:
    """What stands beside each account of a section."""
    return {line["account"]: minor(line["amount"]) for line in section["lines"]}


def of_json(told: Json) -> Figures:
    """Accounts with their figures, each currency by itself; a trial balance's debits positive."""
    found: Figures = {}
    for statement in told["statements"]:
        for account, amount in _accounts(statement):
            found[statement["currency"], account] = amount
    return found


def _accounts(statement: Json) -> Iterable[tuple[str, int]]:
    for line in statement.get("accounts", ()):
        yield line["account"], minor(line["debit"]) - minor(line["credit"])
    for name in SECTIONS:
        if name in statement:
            yield from lines(statement[name]).items()


def of_csv(text: str) -> Figures:
    """The same out of CSV."""
    found: Figures = {}
    for row in rows(text):
        if row["scope"] == "alone" and row["row"] == "line" and ":" in row["label"]:
            sign = -1 if row["column"] == "credit" else 1
            place = row["currency"], row["label"]
            found[place] = found.get(place, 0) + sign * int(row["minor"])
    return found


def of_sql(rows_of: Iterable[Mapping[str, Any]]) -> Figures:  # Any: columns of any kind
    """The same out of the rows of a published function."""
    return {
        (row["currency"], row["account"]): int(row["minor"])
        if "minor" in row
        else int(row["debit_minor"]) - int(row["credit_minor"])
        for row in rows_of
    }


def rows(text: str) -> list[dict[str, str]]:
    """The rows of a CSV with its heads."""
    return list(csv.DictReader(io.StringIO(text)))


def written(amount: int, exponent: int) -> str:
    """An amount as a table writes it: thousands in commas, no sign."""
    whole, part = divmod(abs(amount), 10**exponent)
    return f"{whole:,}.{part:0{exponent}d}" if exponent else f"{whole:,}"
