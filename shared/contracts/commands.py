"""What a person or a service may ask the ledger for.

A command is asked under a key that is unique in its book; ``command_key`` makes the key of what
an actor asks over HTTP or the command line, so that two actors who choose the same one do not meet.

    books            manual_entry, reverse_entry, book_expense, owner_capital
    rates            exchange_rate
    periods          close_period, lock_period, reopen_period
    accounts         open_account, close_account, rename_account
    holds            place_hold, settle_hold, release_hold
    credits          grant_credits, spend_credits
    time             tick_clock
    what is in force activate
"""

import hashlib
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, TypeAdapter

from shared.contracts.money import MoneyOnWire
from shared.contracts.times import Day, Moment

KEY_LENGTH_MAX: Final = 500
_ESCAPED: Final = {"%": "%25", ":": "%3A"}

Key = Annotated[str, Field(min_length=1, max_length=KEY_LENGTH_MAX)]
Note = Annotated[str, Field(max_length=1000)]
Why = Annotated[str, Field(min_length=1, max_length=1000)]
AccountName = Annotated[str, Field(min_length=1, max_length=300)]
SubKey = Annotated[str, Field(max_length=200)]
Display = Annotated[str, Field(min_length=1, max_length=80)]
HoldId = Key


def command_key(actor: str, idempotency_key: str) -> str:
    """The key of a command in its book, of what its actor calls it: ``ACTOR:KEY``.

    The actor's own colons are escaped, so that no two pairs make one key; a pair that is too long
    for a key is hashed.
    """
    named = "".join(_ESCAPED.get(each, each) for each in actor)
    made = f"{named}:{idempotency_key}"
    if len(made) <= KEY_LENGTH_MAX:
        return made
    return "sha256:" + hashlib.sha256(made.encode()).hexdigest()


class Side(StrEnum):
    """The side of a manual posting."""

    DEBIT = "debit"
    CREDIT = "credit"


class CapitalDirection(StrEnum):
    """Whether an owner puts money in or takes it out."""

    CONTRIBUTE = "contribute"
    WITHDRAW = "withdraw"


class Activated(StrEnum):
    """What of that which changes bookings can be put in force.

    ``genesis`` is what books begin with, all of it; the ledger itself says so, once.
    """

    GENESIS = "genesis"
    RULES_VERSION = "rules_version"
    CHART = "chart"
    BASIS = "basis"
    BOOK_MAP = "book_map"


class _Command(BaseModel):
    """Every command: who asks, under which idempotency key, in which book."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    idempotency_key: Key
    book: str = "main"
    actor: Note = ""
    reason: Note = ""


class _StrictCommand(_Command):
    """A command whose values are taken as they stand: no number for a text, no text for a flag."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class ManualPosting(BaseModel):
    """One leg that a person asks for; the amount is above zero."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    account: str
    side: Side
    amount: MoneyOnWire
    key: Annotated[str, Field(max_length=200)] = ""


class BookManualEntry(_Command):
    """Book these postings: balanced per currency, or refused.

    With ``floor`` it is refused too where it would take more from an account than is available.
    Effective when the command is recorded, unless it says otherwise; so are the two below.
    """

    kind: Literal["manual_entry"] = "manual_entry"
    effective_at: Moment | None = None
    postings: tuple[ManualPosting, ...]
    description: Note = ""
    floor: bool = False


class ReverseEntry(_StrictCommand):
    """Undo the entry of a reference by a new one that names it; each entry once.

    Effective when the command is recorded, unless it says otherwise.
    """

    kind: Literal["reverse_entry"] = "reverse_entry"
    reference: Annotated[str, Field(min_length=1, max_length=300)]
    effective_at: Moment | None = None
    reason: Why  # pyright: ignore[reportGeneralTypeIssues]  # these two must say why


class BookExpense(_StrictCommand):
    """Book what was bought: the expense account of a category against what it was paid from.

    ``category`` is ``compute``, ``domain``, ``gas``, ``bank-fees``, or the name of any other
    account under ``expenses``. With ``floor`` it is refused where the money is not available.
    """

    kind: Literal["book_expense"] = "book_expense"
    category: Annotated[str, Field(min_length=1, max_length=200)]
    amount: MoneyOnWire
    paid_from: AccountName
    paid_from_key: SubKey = ""
    key: SubKey = ""
    supplier: Annotated[str, Field(max_length=200)] = ""
    effective_at: Moment | None = None
    description: Note = ""
    floor: bool = False


class OwnerCapital(_StrictCommand):
    """Book what an owner puts in or takes out: an account against ``equity:owner``.

    With ``floor`` a withdrawal is refused where the money is not available.
    """

    kind: Literal["owner_capital"] = "owner_capital"
    direction: CapitalDirection
    amount: MoneyOnWire
    account: AccountName
    key: SubKey = ""
    effective_at: Moment | None = None
    description: Note = ""
    floor: bool = False


class SetExchangeRate(_Command):
    """Record that one major unit of ``base`` is worth ``rate`` major units of ``quote`` on a day.

    A rate moves no money; it is kept for statements in a reporting currency.
    """

    kind: Literal["exchange_rate"] = "exchange_rate"
    base: str
    quote: str
    rate: Annotated[Decimal, Field(gt=0, max_digits=38)]
    on: Day


class ClosePeriod(_StrictCommand):
    """Close all days up to and with ``through``: statements of them no longer change.

    What is told of them later keeps its effective time and is reported on the first open day.
    """

    kind: Literal["close_period"] = "close_period"
    through: date


class LockPeriod(_StrictCommand):
    """Close all days up to and with ``through`` for good: they can never be opened again."""

    kind: Literal["lock_period"] = "lock_period"
    through: date


class ReopenPeriod(_StrictCommand):
    """Open the days from ``since`` on again; days that are locked stay closed for ever."""

    kind: Literal["reopen_period"] = "reopen_period"
    since: date
    reason: Why  # pyright: ignore[reportGeneralTypeIssues]  # these two must say why


class OpenAccount(_StrictCommand):
    """Open an account that the chart does not have, or one that was closed.

    ``key`` says what its sub-ledger is kept by, ``normal`` which side makes it grow (else that of
    its root), ``floor`` that it may never stand below zero.
    """

    kind: Literal["open_account"] = "open_account"
    account: AccountName
    display: Display
    key: Annotated[str, Field(max_length=120)] = ""
    normal: Side | None = None
    floor: bool = False


class CloseAccount(_StrictCommand):
    """Close an account; refused while it has a balance, a key that is not at zero, or a hold.

    A closed account takes no command any more; what Stripe and banks tell is booked all the same.
    """

    kind: Literal["close_account"] = "close_account"
    account: AccountName


class RenameAccount(_StrictCommand):
    """Give an account another display name; its own name is what it is found by, and stays."""

    kind: Literal["rename_account"] = "rename_account"
    account: AccountName
    display: Display


class PlaceHold(_StrictCommand):
    """Set an amount of an account aside, as far as it is available; books nothing.

    The hold's id is the command's key. From ``expires_at`` on it holds nothing any more.
    """

    kind: Literal["place_hold"] = "place_hold"
    account: AccountName
    key: SubKey = ""
    amount: MoneyOnWire
    expires_at: Moment | None = None
    description: Note = ""


class SettleHold(_StrictCommand):
    """Take what was set aside: from the held account to ``to``; what is left over is released.

    Without an amount the whole of it; never more.
    """

    kind: Literal["settle_hold"] = "settle_hold"
    hold: HoldId
    to: AccountName
    to_key: SubKey = ""
    amount: MoneyOnWire | None = None
    effective_at: Moment | None = None
    description: Note = ""


class ReleaseHold(_StrictCommand):
    """Set the amount of a hold free again."""

    kind: Literal["release_hold"] = "release_hold"
    hold: HoldId


class GrantCredits(_StrictCommand):
    """Give a customer credits that no charge paid for."""

    kind: Literal["grant_credits"] = "grant_credits"
    customer: Annotated[str, Field(min_length=1, max_length=200)]
    amount: MoneyOnWire
    effective_at: Moment | None = None
    description: Note = ""


class SpendCredits(_StrictCommand):
    """Take from a customer's credits; refused where they do not suffice, unless it is allowed."""

    kind: Literal["spend_credits"] = "spend_credits"
    customer: Annotated[str, Field(min_length=1, max_length=200)]
    amount: MoneyOnWire
    allow_below_zero: bool = False
    effective_at: Moment | None = None
    description: Note = ""


class TickClock(_StrictCommand):
    """Say that it is ``until`` by now: what became due by then is booked, such as revenue served.

    A clock that ticks by command ticks the same in every rebuild.
    """

    kind: Literal["tick_clock"] = "tick_clock"
    until: Moment


class InputPosition(BaseModel):
    """The first offset of an input partition from which something holds."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    topic: Annotated[str, Field(min_length=1, max_length=249)]
    partition: int = Field(ge=0)
    offset: int = Field(ge=0)


class Activate(_StrictCommand):
    """Put a rules version, a chart, a basis or a book map in force, from positions on.

    ``value`` is the version's number, the chart's text, the map's content, or ``cash`` or
    ``accrual``. Without positions it holds from where each input stands when it is decided.
    """

    kind: Literal["activate"] = "activate"
    what: Activated
    value: JsonValue
    positions: tuple[InputPosition, ...] = ()


OF_ALL_BOOKS: Final = frozenset({Activated.GENESIS, Activated.RULES_VERSION, Activated.BOOK_MAP})

Command = (
    BookManualEntry
    | ReverseEntry
    | BookExpense
    | OwnerCapital
    | SetExchangeRate
    | ClosePeriod
    | LockPeriod
    | ReopenPeriod
    | OpenAccount
    | CloseAccount
    | RenameAccount
    | PlaceHold
    | SettleHold
    | ReleaseHold
    | GrantCredits
    | SpendCredits
    | TickClock
    | Activate
)
LedgerCommand = Annotated[Command, Field(discriminator="kind")]
LEDGER_COMMAND: TypeAdapter[Command] = TypeAdapter(LedgerCommand)


def is_of_all_books(command: Command) -> bool:
    """Whether a command changes what holds for every book, whichever it is asked in."""
    return isinstance(command, Activate) and command.what in OF_ALL_BOOKS
