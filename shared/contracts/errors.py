"""The error tree, sorted by what the caller does about it.

TallystickError
├── Refused            park it: dead letter, counted. The same bytes fail the same way
│   ├── Unreadable         the bytes are not what the contract says
│   ├── CurrencyUnknown    no exponent is known for the code
│   ├── AmountOutOfRange   past 10^30 minor units, or not an integer
│   ├── TimeInvalid        the first or the last moment of the calendar, which mean never
│   ├── AccountInvalid     not an account name of the five roots
│   └── EntryUnbalanced    debits and credits differ in some currency
├── Unavailable        wait and try again; the position stays where it is
└── InvariantBroken    stop the process; its state is not to be trusted
"""

from datetime import datetime


class TallystickError(Exception):
    """The root of every error that is ours."""


class Refused(TallystickError):
    """Input that can never be booked as it stands; the reason is its message."""

    reason = "refused"


class Unavailable(TallystickError):
    """Something that we need does not answer now and may answer later."""


class InvariantBroken(TallystickError):
    """A law of the house does not hold. Never raised for what came from outside."""


class Unreadable(Refused):
    """Bytes or fields that are not what the contract says."""

    reason = "unreadable"


class CurrencyUnknown(Refused):
    """A currency or asset whose exponent is not in the registry."""

    reason = "invalid_amount"

    def __init__(self, code: object) -> None:
        self.code = code
        super().__init__(f"unknown currency {code!r}: its number of decimals is not registered")


class AmountOutOfRange(Refused):
    """An amount that is not an integer of minor units within ±10^30."""

    reason = "invalid_amount"

    def __init__(self, value: object, why: str) -> None:
        self.value = value
        super().__init__(f"amount {str(value)[:60]!r} {why}")


class TimeInvalid(Refused):
    """A time that no fact has: an end of the calendar, which a database keeps as infinite."""

    reason = "unreadable"

    def __init__(self, at: datetime) -> None:
        super().__init__(f"{at} is an end of the calendar, which means never, not when it happened")


class AccountInvalid(Refused):
    """An account name that no chart can hold."""

    reason = "unreadable"

    def __init__(self, account: object) -> None:
        self.account = account
        super().__init__(f"{str(account)[:120]!r} is not an account name such as assets:bank:main")


class EntryUnbalanced(Refused):
    """Debits and credits of an entry differ in a currency."""

    reason = "invalid_amount"

    def __init__(self, reference: str, *, currency: str, excess_minor: int) -> None:
        self.reference = reference
        self.currency = currency
        self.excess_minor = excess_minor
        side = "debits exceed credits" if excess_minor > 0 else "credits exceed debits"
        super().__init__(f"{reference}: {side} by {abs(excess_minor)} minor units of {currency}")
