"""What the outside world is seen to say: bank lines and bank balances.

A line is told in revisions. Each telling has the full amount of the line as it stands now and,
from the second posted form on, the full amount of the form before, so that the ledger can undo
the old form and book the new one from one message alone.
"""

from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter

from shared.contracts.money import MoneyOnWire
from shared.contracts.times import Day

Name = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.\-]*$")]
LineId = Annotated[str, Field(min_length=1, max_length=200)]


def _said(text: object) -> object:
    """Banks leave a text out by saying null; nothing is said either way."""
    return "" if text is None else text


Text = Annotated[str, Field(max_length=4000), BeforeValidator(_said)]


class LineState(StrEnum):
    """How far a bank line has come; only posted lines are booked."""

    PENDING = "pending"
    POSTED = "posted"
    REMOVED = "removed"


class _Observation(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class BankLine(_Observation):
    """One line of a bank account.

    ``id`` names it among the lines of all accounts: what nothing explains yet is kept by it alone.
    ``amount`` is signed from our side: above zero is money in. ``booked_on`` is the bank's date.
    ``previous`` is the amount of the form that this one replaces, when that form was posted.
    ``replaces`` is the id of a pending line in whose place this one has come, where the bank says
    so; that line is told as removed.
    """

    kind: Literal["line"] = "line"
    account: Name
    id: LineId
    revision: int = Field(default=1, ge=1)
    state: LineState = LineState.POSTED
    amount: MoneyOnWire
    previous: MoneyOnWire | None = None
    previous_booked_on: Day | None = None
    booked_on: Day
    value_on: date | None = None
    description: Text = ""
    reference: Text = ""
    counterparty: Text = ""
    replaces: Annotated[str, Field(max_length=200)] = ""
    observed_at: AwareDatetime | None = None
    provider: str = ""
    source_sha256: str = ""


class BankBalance(_Observation):
    """What a bank says an account holds: the ledger (booked) balance, signed from our side.

    ``agreed`` tells that the balance was the same before and after the lines were read; a
    reading that did not agree proves nothing.
    """

    kind: Literal["balance"] = "balance"
    account: Name
    amount: MoneyOnWire
    available: MoneyOnWire | None = None
    as_of: AwareDatetime | None = None
    agreed: bool = True
    reading: str = ""
    provider: str = ""
    source_sha256: str = ""


BankObservation = Annotated[BankLine | BankBalance, Field(discriminator="kind")]
BANK_OBSERVATION: TypeAdapter[BankLine | BankBalance] = TypeAdapter(BankObservation)


def day_start(day: date) -> datetime:
    """The instant at which a bank's date begins, in UTC."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
