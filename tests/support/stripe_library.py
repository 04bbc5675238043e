"""What the installed ``stripe`` library lists: types, balances and categories of movements."""

import re
from typing import get_args

import stripe
from stripe.params.reporting._report_run_create_params import ReportRunCreateParamsParameters


def balance_transaction_types() -> frozenset[str]:
    """Every ``type`` of a balance transaction that this version of the library knows."""
    return _literal(stripe.BalanceTransaction.__annotations__["type"])


def balance_types() -> frozenset[str]:
    """Every balance that a balance transaction may move."""
    return _literal(stripe.BalanceTransaction.__annotations__["balance_type"])


def reporting_categories() -> frozenset[str]:
    """Every reporting category that a report can be asked for; the field itself is open."""
    told = str(ReportRunCreateParamsParameters.__annotations__["reporting_category"])
    return frozenset(re.findall(r"'([a-z_]+)'", told))


def _literal(annotation: object) -> frozenset[str]:
    return frozenset(str(word) for word in get_args(get_args(annotation)[0]))
