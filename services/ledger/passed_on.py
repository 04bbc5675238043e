"""What posts to one key goes on to another: told by one message, and followed by what others book.

    an invoice was given up      what posts to its receivable goes on to bad debt
    a payment's customer named   the credits that it bought go on to the customer

Which of the two is told first does not matter: each entry on the key has another that passes it on.
"""

from dataclasses import dataclass
from datetime import datetime

from shared.contracts.journal import Account, Direction, Entry, Posting


@dataclass(frozen=True, slots=True)
class PassedOn:
    """That what posts to ``account`` under ``key`` goes on ``to`` another, from a time on."""

    account: Account
    key: str
    to: Account
    to_key: str
    at: datetime
    rules_version: int

    def effective_at(self, booked: Entry) -> datetime:
        """When an entry is passed on: with itself, and not before this holds."""
        return max(booked.effective_at, self.at)

    def legs(self, booked: Entry) -> tuple[Posting, ...]:
        """What an entry posts there, on the other account, and taken from the first."""
        found: list[Posting] = []
        for leg in booked.postings:
            if leg.account == self.account and leg.key == self.key:
                other = Direction.CREDIT if leg.direction is Direction.DEBIT else Direction.DEBIT
                found.append(Posting(self.to, self.to_key, leg.direction, leg.amount))
                found.append(Posting(leg.account, leg.key, other, leg.amount))
        return tuple(found)
