"""What a world is made of while it runs: its parties, its time, and what was planted in it."""

from dataclasses import dataclass, field
from datetime import date

from sandbox.bank.core import SimulatedBank
from sandbox.bank.facts import BankAccount
from sandbox.stripe.core import SimulatedStripe
from sandbox.world.calendar import DAY, midnight, text_of
from sandbox.world.deliveries import Delivery
from sandbox.world.dice import Dice
from sandbox.world.scenario import ACCOUNT, Scenario
from sandbox.world.schedule import Agenda


class ScenarioUnmet(Exception):
    """The scenario cannot come about in this world, or came out otherwise than it says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Which world: a scenario, its seed and size, and the day at whose beginning it ends."""

    scenario: Scenario
    seed: int
    payments: int
    end: date
    livemode: bool = False

    @property
    def end_at(self) -> int:
        """The last second of the world."""
        return midnight(self.end)

    @property
    def start_at(self) -> int:
        """The first second of the world."""
        return self.end_at - self.scenario.world.days * DAY

    @property
    def payments_end_at(self) -> int:
        """When the last payment has been made, and the last money was taken back."""
        return self.start_at + self.scenario.world.payment_days * DAY


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A discrepancy that must be found; no amount means that the amount is not fixed."""

    kind: str
    subject: str
    amount: int | None
    currency: str | None


@dataclass(frozen=True, slots=True)
class Share:
    """How much of a bank line settles an object at Stripe: signed like the line."""

    settles: str
    amount: int


@dataclass(frozen=True, slots=True)
class Sending:
    """How the webhook of one event is to be sent: how often, and how long after its time."""

    times: int = 1
    late_seconds: int = 0


@dataclass(slots=True)
class State:
    """A world in the middle of its life."""

    plan: Plan
    dice: Dice
    agenda: Agenda
    stripe: SimulatedStripe
    bank: SimulatedBank
    findings: list[Finding] = field(default_factory=list[Finding])
    shares: dict[str, Share] = field(default_factory=dict[str, Share])
    clean: set[str] = field(default_factory=set[str])
    outbox: list[Delivery] = field(default_factory=list[Delivery])
    sendings: dict[str, Sending] = field(default_factory=dict[str, Sending])
    lost: set[str] = field(default_factory=set[str])
    payouts_made: dict[str, int] = field(default_factory=dict[str, int])
    replies: list[Delivery] = field(default_factory=list[Delivery])

    @classmethod
    def begun(cls, plan: Plan) -> "State":
        """A world at its first second."""
        dice = Dice(plan.seed)
        stripe = SimulatedStripe.opened(account=ACCOUNT, livemode=plan.livemode, dice=dice)
        bank = SimulatedBank(dice)
        for name, part in plan.scenario.banks.items():
            bank.open_account(plan.start_at, name, part.currency)
        return cls(plan, dice, Agenda(plan.start_at), stripe, bank)

    @property
    def scenario(self) -> Scenario:
        """The scenario that is played."""
        return self.plan.scenario

    def bank_account(self, currency: str) -> BankAccount:
        """The bank account that takes a currency's payouts.

        Raises:
            ScenarioUnmet: The scenario has none.
        """
        name = self.scenario.bank_of(currency)
        if name is None:
            raise ScenarioUnmet(f"no bank account in {currency}")
        return self.bank.named(name)

    def settles_in(self, currency: str) -> str:
        """The currency in which a payment's money reaches the balance."""
        part = self.scenario.currencies.get(currency)
        return currency if part is None else part.settles_in

    def can_bear(self, currency: str, amount: int) -> bool:
        """Whether the Stripe balance stays at or above zero when ``amount`` leaves it."""
        return self.stripe.store.balance(currency) >= amount

    def found(self, kind: str, subject: str, amount: int | None, currency: str | None) -> None:
        """Note a discrepancy that must come out."""
        finding = Finding(kind=kind, subject=subject, amount=amount, currency=currency)
        self.findings.append(finding)

    def day_at(self, day: int, *, label: str) -> int:
        """A second in the business hours of the n-th day of the world."""
        start = self.plan.start_at + (day - 1) * DAY
        return start + self.dice.between(f"hour/{label}", 9 * 3_600, 16 * 3_600)

    def time_text(self) -> str:
        """The world's time as text."""
        return text_of(self.agenda.now)
