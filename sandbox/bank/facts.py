"""What the simulated bank knows: accounts, posted lines, pending lines."""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum


class Rail(StrEnum):
    """The way by which money came or went; the value is the category of the line's source."""

    ACH = "inbound_ach_transfer"
    WIRE = "inbound_wire_transfer"
    FEE = "fee_payment"


@dataclass(frozen=True, slots=True, kw_only=True)
class BankAccount:
    """One account; ``name`` is what its owner calls it."""

    id: str
    name: str
    currency: str
    number_id: str
    created: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """What a line says about its other side.

    ``payer`` is the other party's name, ``entry`` its word for the payment, ``remittance`` its
    text to us, ``trace`` the number under which the banks passed the payment on.
    """

    description: str
    payer: str = ""
    entry: str = ""
    remittance: str | None = None
    trace: str = ""
    rail: Rail = Rail.ACH


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A posted line: signed minor units, above zero is money in.

    ``visible_from`` is when the list first shows it, which a late line's balance does not wait
    for. ``tellings`` above one is the bank's fault of showing a line more than once.
    ``pending_id`` is the announced line that it took the place of.
    """

    id: str
    account_id: str
    amount: int
    currency: str
    created: int
    booked_on: date
    sequence: int
    wording: Wording
    visible_from: int
    tellings: int = 1
    pending_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingLine:
    """Money announced and not yet posted; it lowers or raises nothing but what is available."""

    id: str
    account_id: str
    amount: int
    currency: str
    created: int
    sequence: int
    description: str
    completed: int | None = None

    @property
    def day(self) -> date:
        """The day of its making, in UTC."""
        return datetime.fromtimestamp(self.created, UTC).date()
