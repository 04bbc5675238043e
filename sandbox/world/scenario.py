"""Scenario files: what happens in a world, and what must come out of it."""

import tomllib
from enum import StrEnum
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

Rate = Annotated[float, Field(ge=0, le=1)]

ACCOUNT: Final = "acct_1SimulatedTallystick"
"""The simulated platform account: the same in every world, so that a book can name it."""

CONNECTED: Final = ("acct_1SimulatedCreatorOne", "acct_1SimulatedCreatorTwo")


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PayoutRhythm(StrEnum):
    """How often an automatic payout is made."""

    NEVER = "never"
    DAILY = "daily"
    WEEKLY = "weekly"


class WorldPart(_Part):
    """How long the world lasts and how much happens in it.

    Payments are made in the first ``payment_days`` of ``days``; the rest is for what they cause.
    After ``payout_days``, if they are given, no automatic payout is made, so that money stays in
    the Stripe balance. ``hours_per_second`` is the default pace: how many simulated hours pass in
    a second of the wall clock.
    """

    name: str
    seed: int = 1
    days: int = Field(default=40, ge=10, le=400)
    payment_days: int = Field(default=30, ge=3, le=380)
    payments: int = Field(default=400, ge=0)
    payout_days: int | None = None
    hours_per_second: int = Field(default=24, ge=1)


class CurrencyPart(_Part):
    """A currency that customers pay in: its share of the payments, and where its money goes."""

    weight: int = Field(ge=0)
    settles_in: str
    amounts: tuple[int, int]
    price_points: tuple[int, ...] = ()


class BankPart(_Part):
    """A bank account: its currency, the Stripe destination that it is, how payouts reach it."""

    currency: str
    destination: str
    rhythm: PayoutRhythm = PayoutRhythm.WEEKLY


class RatesPart(_Part):
    """How often things happen, each in relation to the number of payments."""

    asynchronous_capture: Rate = 0.7
    refund: Rate = 0.0
    partial_refund: Rate = 0.4
    dispute: Rate = 0.0
    dispute_won: Rate = 0.4
    transfer: Rate = 0.0
    reversal: Rate = 0.3
    direct_charge: Rate = 0.0
    unknown_event: Rate = 0.0


class BooksPart(_Part):
    """How the books of this world are kept, where that is otherwise than usual."""

    basis: Literal["cash", "accrual"] = "cash"
    sells_credits: bool = False


class SubscriptionsPart(_Part):
    """Who is billed by invoices, what for, and what becomes of those; and paid checkouts.

    Rates are shares of the invoices; ``tax_basis_points`` is on top of the prices. ``teams`` are
    billed for each of ``seats`` by a line of its own.
    """

    subscribers: int = Field(default=0, ge=0)
    checkouts: int = Field(default=0, ge=0)
    currency: str = "usd"
    prices: tuple[int, ...] = (4_900,)
    tax_basis_points: int = Field(default=0, ge=0, le=10_000)
    void: Rate = 0.0
    uncollectible: Rate = 0.0
    credit_note: Rate = 0.0
    upgrade: Rate = 0.0
    teams: Rate = 0.0
    seats: int = Field(default=1, ge=1)


class DeliveryPart(_Part):
    """What becomes of webhooks on their way: each a share of all events."""

    duplicate: Rate = 0.0
    reorder: Rate = 0.0
    late: Rate = 0.0
    drop: Rate = 0.0


class ReferencePart(_Part):
    """What bank lines tell of the payout that they are: shares; the rest names the payout."""

    trace_only: Rate = 0.0
    none: Rate = 0.0


class PlantedKind(StrEnum):
    """Special happenings: honest business first, then what must be found."""

    DISPUTE_WON = "dispute_won"
    DISPUTE_LOST = "dispute_lost"
    STRIPE_BILL = "stripe_bill"
    TOPUP = "topup"
    RESERVE = "reserve"
    APPLICATION_FEE = "application_fee"
    INSTANT_PAYOUT = "instant_payout"

    PAYOUT_NEVER_ARRIVES = "payout_never_arrives"
    PAYOUT_SHORT = "payout_short"
    PAYOUT_FAILED = "payout_failed"
    REFUND_FAILED = "refund_failed"
    UNKNOWN_BANK_CREDIT = "unknown_bank_credit"
    UNKNOWN_BANK_DEBIT = "unknown_bank_debit"
    DUPLICATE_BANK_CREDIT = "duplicate_bank_credit"
    UNKNOWN_BALANCE_TRANSACTION = "unknown_balance_transaction"
    TOPUP_NEVER_LEAVES = "topup_never_leaves"
    CHARGE_NEVER_SETTLES = "charge_never_settles"
    BANK_DRIFTS = "bank_drifts"
    BALANCE_BELOW_ZERO = "balance_below_zero"
    EVENT_CONTRADICTED = "event_contradicted"
    CHARGE_CONTRADICTED = "charge_contradicted"
    OTHER_MODE = "other_mode"
    NEGATIVE_AMOUNT = "negative_amount"


class PlantedPart(_Part):
    """One special happening.

    ``ordinal`` counts the payouts of a currency from 1; ``day`` counts the world's days from 1.
    """

    kind: PlantedKind
    currency: str = "usd"
    ordinal: int = Field(default=1, ge=1)
    day: int = Field(default=10, ge=1)
    amount: int = Field(default=0, ge=0)
    text: str = ""


class BalancePart(_Part):
    """A balance that must come out, in signed minor units, debit positive."""

    account: str
    currency: str
    minor: int


class PinnedPart(_Part):
    """The books of one exact world: this seed, these payments, ended on this day."""

    seed: int
    payments: int
    end: str
    balances: tuple[BalancePart, ...]


class ExpectPart(_Part):
    """What must come out: discrepancies by kind, and the books of a pinned world."""

    discrepancies: dict[str, int] = Field(default_factory=dict)
    books: PinnedPart | None = None


class Scenario(_Part):
    """A whole scenario file."""

    world: WorldPart
    currencies: dict[str, CurrencyPart]
    banks: dict[str, BankPart]
    rates: RatesPart = RatesPart()
    delivery: DeliveryPart = DeliveryPart()
    references: ReferencePart = ReferencePart()
    planted: tuple[PlantedPart, ...] = ()
    books: BooksPart = BooksPart()
    subscriptions: SubscriptionsPart = SubscriptionsPart()
    expect: ExpectPart = ExpectPart()

    def bank_of(self, currency: str) -> str | None:
        """The name of the bank account that takes a currency's payouts."""
        for name, bank in self.banks.items():
            if bank.currency == currency:
                return name
        return None


@cache
def scenario_names() -> tuple[str, ...]:
    """The scenarios that come with the sandbox."""
    folder = resources.files("sandbox.scenarios")
    names = (entry.name for entry in folder.iterdir())
    return tuple(sorted(name[:-5] for name in names if name.endswith(".toml")))


def scenario_of(text: str) -> Scenario:
    """A scenario from the text of its file.

    Raises:
        ValueError: Not TOML, or not a scenario.
    """
    return Scenario.model_validate(tomllib.loads(text))


def scenario_named(name: str) -> Scenario:
    """A scenario by its name, or by the path of a file of its own.

    Raises:
        FileNotFoundError: There is none.
        ValueError: Not TOML, or not a scenario.
    """
    if name.endswith(".toml"):
        return scenario_of(Path(name).read_text(encoding="utf-8"))
    if name not in scenario_names():
        raise FileNotFoundError(f"no scenario {name!r}; there are {', '.join(scenario_names())}")
    file = resources.files("sandbox.scenarios") / f"{name}.toml"
    return scenario_of(file.read_text(encoding="utf-8"))
