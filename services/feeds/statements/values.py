"""What every format of statement file comes down to: statements, their lines, their balances."""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Final

from shared.contracts.errors import Refused
from shared.contracts.money import Currency, Money

# No bank tells of days outside of these: a century was left out, or a day made up.
_DAYS: Final = (date(1970, 1, 1), date(2199, 12, 31))


class Format(StrEnum):
    """How a statement file is written."""

    CAMT = "camt"
    MT940 = "mt940"
    BAI2 = "bai2"
    OFX = "ofx"
    CSV = "csv"


class StatementRefused(Refused):
    """A statement file that is not taken; ``fix`` says what a person does about it."""

    reason = "statement_refused"

    def __init__(self, why: str, *, fix: str = "ask the bank for the file again, whole") -> None:
        self.why = why
        self.fix = fix
        super().__init__(why)


@dataclass(frozen=True, slots=True)
class Balance:
    """What a statement says that an account held at the end, or the beginning, of a day."""

    amount: Money
    on: date


@dataclass(frozen=True, slots=True)
class StatementLine:
    """One line as the file tells it; above zero is money in.

    ``bank_id`` is the bank's own id of the line, empty where it gives none.
    """

    amount: Money
    booked_on: date
    value_on: date | None = None
    is_pending: bool = False
    bank_id: str = ""
    description: str = ""
    reference: str = ""
    counterparty: str = ""
    source_sha256: str = ""


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement of one account, as the file tells it; ``account`` is the bank's name for it.

    An interim report (camt.052, camt.054, MT942) tells what may still change. Without an opening
    balance its sums prove nothing by themselves.
    """

    account: str
    currency: Currency
    number: str = ""
    is_interim: bool = False
    opening: Balance | None = None
    closing: Balance | None = None
    available: Money | None = None
    lines: tuple[StatementLine, ...] = ()

    @property
    def name(self) -> str:
        """How messages call it."""
        number = f" {self.number}" if self.number else ""
        return f"statement{number} of {self.account or 'an account without a name'}"

    @property
    def booked(self) -> tuple[StatementLine, ...]:
        """The lines that move the balance."""
        return tuple(line for line in self.lines if not line.is_pending)


@dataclass(frozen=True, slots=True)
class StatementFile:
    """All statements of one file, in its order; ``left_out`` counts lines that only inform."""

    format: Format
    statements: tuple[Statement, ...]
    left_out: int = 0


def checked(statement: Statement) -> Statement:
    """The statement, if it can be right.

    Raises:
        StatementRefused: Opening and lines do not give closing, or currencies are mixed.
    """
    if not statement.account:
        raise StatementRefused(f"{statement.name}: it names no account")
    balances = [b.amount for b in (statement.opening, statement.closing) if b is not None]
    amounts = [line.amount for line in statement.lines]
    for amount in (*balances, *amounts):
        if amount.currency != statement.currency:
            raise StatementRefused(
                f"{statement.name} is in {statement.currency}, and holds an amount in"
                f" {amount.currency}"
            )
    for line in statement.lines:
        if not _DAYS[0] <= line.booked_on <= _DAYS[1]:
            raise StatementRefused(
                f"{statement.name} has a line that was booked on {line.booked_on}"
            )
    opening, closing = statement.opening, statement.closing
    if opening is None or closing is None:
        return statement
    if closing.on < opening.on:
        raise StatementRefused(
            f"{statement.name} closes on {closing.on}, before it opens on {opening.on}"
        )
    total = Money(sum(line.amount.minor for line in statement.booked), statement.currency)
    if opening.amount + total != closing.amount:
        off = closing.amount - opening.amount - total
        raise StatementRefused(
            f"{statement.name} does not add up: opening {opening.amount} and {_count(statement)}"
            f" of {total} together give {opening.amount + total},"
            f" and it closes with {closing.amount}: {off} apart"
        )
    return statement


def _count(statement: Statement) -> str:
    count = len(statement.booked)
    return f"{count} line" if count == 1 else f"{count} lines"
