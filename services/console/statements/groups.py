"""What an account is for statements: cash or not, quick, current, and which activity moves it.

The same table is published to SQL as ``ledger_read.account_groups``; a test holds them together.
"""

from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from types import MappingProxyType
from typing import Final


class Activity(StrEnum):
    """What a change of an account is to cash."""

    CASH = "cash"
    INCOME = "income"
    OPERATING = "operating"
    INVESTING = "investing"
    FINANCING = "financing"
    EXCHANGE = "exchange"


@dataclass(frozen=True, slots=True)
class Group:
    """How an account counts. Cash is quick, and what is quick is current."""

    activity: Activity
    is_quick: bool = False
    is_current: bool = False

    @property
    def is_cash(self) -> bool:
        """Whether it counts as cash or its equivalent."""
        return self.activity is Activity.CASH


_CASH: Final = Group(Activity.CASH, is_quick=True, is_current=True)
_RECEIVABLE: Final = Group(Activity.OPERATING, is_quick=True, is_current=True)
_CURRENT: Final = Group(Activity.OPERATING, is_current=True)
_LONG_TERM_ASSET: Final = Group(Activity.INVESTING)
_LONG_TERM_DEBT: Final = Group(Activity.FINANCING)

GROUPS: Final = MappingProxyType(
    {
        "assets": _CURRENT,
        "assets:bank": _CASH,
        "assets:fixed": _LONG_TERM_ASSET,
        "assets:investments": _LONG_TERM_ASSET,
        "assets:receivable": _RECEIVABLE,
        "assets:stripe:balance": _CASH,
        # Money between Stripe and the bank is ours in both: payouts and top-ups move no cash.
        "assets:stripe:in-transit": _CASH,
        "assets:stripe:settling": _RECEIVABLE,
        "assets:vault": _CASH,
        "assets:wallet": _CASH,
        "equity": Group(Activity.FINANCING),
        "equity:exchange": Group(Activity.EXCHANGE),
        "expenses": Group(Activity.INCOME),
        "liabilities": _CURRENT,
        "liabilities:loans": _LONG_TERM_DEBT,
        "liabilities:long-term": _LONG_TERM_DEBT,
        "liabilities:stripe-loans": Group(Activity.FINANCING, is_current=True),
        "revenue": Group(Activity.INCOME),
    }
)


@cache
def group_of(account: str) -> Group:
    """The group of the longest prefix.

    Raises:
        KeyError: An account of no statement.
    """
    name = account
    while name not in GROUPS:
        name, divider, _ = name.rpartition(":")
        if not divider:
            raise KeyError(account)
    return GROUPS[name]
