"""The simulated Stripe's memory: objects, events, balances, and double-entry books of its own."""

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Final, TypeVar

from sandbox.stripe.facts import (
    AnyFact,
    BalanceTransaction,
    BalanceType,
    Event,
    Fact,
    Transfer,
)
from sandbox.stripe.settlement import Settlement
from sandbox.stripe.shapes.render import rendered
from sandbox.stripe.shapes.view import View
from sandbox.world.books import Books, Leg
from sandbox.world.dice import Dice
from sandbox.world.jsons import JsonObject

Kind = TypeVar("Kind", bound=Fact)

CARDS: Final = "cards"
BANKS: Final = "banks"
CONNECTED: Final = "connected-accounts"
INCOME: Final = "income"
OTHER: Final = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class Movement:
    """What a balance transaction is to say, beside its id and time.

    ``counterpart`` is whom the money comes from or goes to, in the simulator's own books.
    """

    settlement: Settlement
    type: str
    reporting_category: str
    counterpart: str
    available_on: int
    source: str | None = None
    description: str | None = None
    balance_type: BalanceType = BalanceType.PAYMENTS
    payout: str | None = None


@dataclass(slots=True)
class Store:
    """Every object of one platform account and of the accounts connected to it."""

    account: str
    livemode: bool
    dice: Dice
    books: Books = field(default_factory=Books)
    _facts: dict[str, AnyFact] = field(default_factory=dict[str, AnyFact])
    _by_kind: dict[str, list[str]] = field(
        default_factory=lambda: defaultdict[str, list[str]](list)
    )
    _owners: set[str] = field(default_factory=set[str])
    _sequence: int = 0

    def next_sequence(self) -> int:
        """The place of the next object in the order of making."""
        self._sequence += 1
        return self._sequence

    def new_id(self, prefix: str, sequence: int, *, lead: str = "1") -> str:
        """An id of Stripe's form, a function of the seed and the place in the order."""
        return f"{prefix}_{lead}{self.dice.token(f'id/{prefix}/{sequence}', 23)}"

    def put(self, fact: Kind) -> Kind:
        """Keep an object, new or changed."""
        known: AnyFact = fact  # type: ignore[assignment]  # every kind of Fact is in AnyFact
        if fact.id not in self._facts:
            self._by_kind[type(fact).__name__].append(fact.id)
            self._owners.add(fact.owner)
            if isinstance(fact, Transfer):
                self._owners.add(fact.destination)
        self._facts[fact.id] = known
        return fact

    def find(self, fact_id: str) -> AnyFact:
        """An object by its id.

        Raises:
            KeyError: There is none.
        """
        return self._facts[fact_id]

    def get(self, kind: type[Kind], fact_id: str) -> Kind:
        """An object of a kind by its id.

        Raises:
            KeyError: There is none of this kind.
        """
        found = self._facts.get(fact_id)
        if not isinstance(found, kind):
            raise KeyError(fact_id)
        return found

    def every(self, kind: type[Kind]) -> list[Kind]:
        """All objects of a kind in the order of making."""
        return [self.get(kind, fact_id) for fact_id in self._by_kind[kind.__name__]]

    def events_from(self, count: int) -> list[Event]:
        """The events told after the first ``count`` ones."""
        return [self.get(Event, event_id) for event_id in self._by_kind["Event"][count:]]

    def owners(self) -> set[str]:
        """Every account that owns an object or was sent money, the platform among them."""
        return {self.account} | self._owners

    def view(self, now: int) -> View:
        """How objects look at a second."""
        return View(self.livemode, now, self.find)

    def shown(self, fact: AnyFact, now: int) -> JsonObject:
        """An object as the wire shows it at a second."""
        return rendered(fact, self.view(now))

    def emit(
        self,
        at: int,
        event_type: str,
        subject: AnyFact | JsonObject,
        *,
        previous: JsonObject | None = None,
        owner: str | None = None,
    ) -> Event:
        """Tell of something: an event with the subject's form as it is now."""
        sequence = self.next_sequence()
        data = subject if isinstance(subject, dict) else self.shown(subject, at)
        holder = owner or (self.account if isinstance(subject, dict) else subject.owner)
        return self.put(
            Event(
                id=self.new_id("evt", sequence, lead="3"),
                created=at,
                sequence=sequence,
                owner=holder,
                type=event_type,
                data=data,
                previous=previous,
                request_id=f"req_{self.dice.token(f'request/{sequence}', 14)}",
                livemode=self.livemode,
            )
        )

    def move(self, at: int, movement: Movement, *, owner: str | None = None) -> BalanceTransaction:
        """Move a balance: one balance transaction and one record in the books."""
        sequence = self.next_sequence()
        settled = movement.settlement
        txn = BalanceTransaction(
            id=self.new_id("txn", sequence, lead="3"),
            created=at,
            sequence=sequence,
            owner=owner or self.account,
            amount=settled.amount,
            currency=settled.currency,
            fee=settled.fee,
            net=settled.net,
            type=movement.type,
            reporting_category=movement.reporting_category,
            available_on=movement.available_on,
            description=movement.description,
            source=movement.source,
            balance_type=movement.balance_type,
            fees=settled.fees,
            exchange_rate_micros=settled.exchange_rate_micros,
            payout=movement.payout,
        )
        self.books.record(
            at,
            txn.id,
            movement.type,
            Leg(_owed(txn.owner, txn.balance_type), txn.currency, -txn.net),
            Leg(INCOME, txn.currency, -txn.fee),
            Leg(movement.counterpart, txn.currency, txn.amount),
        )
        return self.put(txn)

    def balance(
        self,
        currency: str,
        *,
        owner: str | None = None,
        balance_type: BalanceType = BalanceType.PAYMENTS,
    ) -> int:
        """What an account has at Stripe in a currency, by the simulator's own books."""
        return -self.books.balance(_owed(owner or self.account, balance_type), currency)


def _owed(owner: str, balance_type: BalanceType) -> str:
    return f"owed:{owner}:{balance_type}"
