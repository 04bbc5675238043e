"""Holds: amounts set aside, and what is left: available = posted - pending.

A hold is open from its placing until it is settled, released, or over by its own time. It is kept
per (account, key, currency); a sum that is held cannot be held or, where an account has a floor,
spent a second time.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from shared.contracts.money import Money

Name = tuple[str, str, str]
"""Account, key (empty where the account is not kept by one), currency code."""


class HoldState(StrEnum):
    """How a hold stands."""

    OPEN = "open"
    SETTLED = "settled"
    RELEASED = "released"


@dataclass(frozen=True, slots=True)
class Hold:
    """An amount of an account that is set aside under an id."""

    id: str
    account: str
    key: str
    amount: Money
    expires_at: datetime | None = None
    state: HoldState = HoldState.OPEN

    @property
    def name(self) -> Name:
        """What it is a part of."""
        return (self.account, self.key, self.amount.currency.code)

    def is_over(self, at: datetime) -> bool:
        """Whether its own time has come."""
        return self.expires_at is not None and self.expires_at <= at

    def holds_at(self, at: datetime) -> bool:
        """Whether it holds anything at that time."""
        return self.state is HoldState.OPEN and not self.is_over(at)
