"""What a person or a service may ask the ledger for."""

from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter

from shared.contracts.money import MoneyOnWire

Key = Annotated[str, Field(min_length=1, max_length=500)]
Note = Annotated[str, Field(max_length=1000)]


class Side(StrEnum):
    """The side of a manual posting."""

    DEBIT = "debit"
    CREDIT = "credit"


class _Command(BaseModel):
    """Every command: who asks, under which idempotency key, in which book."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    idempotency_key: Key
    book: str = "main"
    actor: Note = ""
    reason: Note = ""


class ManualPosting(BaseModel):
    """One leg that a person asks for; the amount is above zero."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    account: str
    side: Side
    amount: MoneyOnWire
    key: Annotated[str, Field(max_length=200)] = ""


class BookManualEntry(_Command):
    """Book these postings: balanced per currency, or refused."""

    kind: Literal["manual_entry"] = "manual_entry"
    effective_at: AwareDatetime
    postings: tuple[ManualPosting, ...]
    description: Note = ""


class SetExchangeRate(_Command):
    """Record that one major unit of ``base`` is worth ``rate`` major units of ``quote`` on a day.

    A rate moves no money; it is kept for statements in a reporting currency.
    """

    kind: Literal["exchange_rate"] = "exchange_rate"
    base: str
    quote: str
    rate: Annotated[Decimal, Field(gt=0, max_digits=38)]
    on: date


LedgerCommand = Annotated[BookManualEntry | SetExchangeRate, Field(discriminator="kind")]
LEDGER_COMMAND: TypeAdapter[BookManualEntry | SetExchangeRate] = TypeAdapter(LedgerCommand)
