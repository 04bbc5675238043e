"""What is known about one book: small facts that merge in any order, and all of them together.

Every fact has a ``key``. Two tellings with one key are ``merged`` into one fact; merging is
idempotent, commutative and associative, so replays and any order give the same facts. Facts that
share a hook can affect one another (``scope.py``).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from types import MappingProxyType
from typing import Final

from services.reconciler.contents import PayoutContents
from services.reconciler.expectations import Expectation
from services.reconciler.rules import MatchingRules, default_rules
from services.reconciler.rulings import Ruling
from shared.contracts.books import BookData
from shared.contracts.discrepancies import DiscrepancyKind
from shared.contracts.messages import MatchMade
from shared.contracts.money import Money, currency_of
from shared.contracts.observations import LineState

SETTLING: Final = "assets:stripe:settling"
IN_TRANSIT: Final = "assets:stripe:in-transit"
SUSPENSE: Final = "liabilities:suspense"
CONNECT: Final = "liabilities:connect"
STRIPE_BALANCE: Final = "assets:stripe:balance"
BANK: Final = "assets:bank:"

MATCH_KINDS: Final = frozenset({"match", "match_undone"})
BANK_LINE_KINDS: Final = frozenset({"bank_line", "bank_line_reversed"})


@dataclass(frozen=True, slots=True)
class Line:
    """A bank line in its latest form; ``minor`` is signed from our side, above zero is money in."""

    account: str
    id: str
    revision: int
    state: LineState
    minor: int
    currency: str
    booked_on: date
    description: str = ""
    reference: str = ""
    counterparty: str = ""

    @property
    def key(self) -> str:
        """The fact's key."""
        return f"line:{self.account}/{self.id}"

    @property
    def money(self) -> Money:
        """The line's amount."""
        return Money(self.minor, currency_of(self.currency))

    @property
    def place(self) -> tuple[date, str, str]:
        """Where the line stands in the order in which lines are taken."""
        return (self.booked_on, self.id, self.account)

    def merged(self, other: "Line") -> "Line":
        """The later form of the two."""
        return max(self, other, key=_form)


def _form(line: Line) -> tuple[object, ...]:
    states = (LineState.PENDING, LineState.POSTED, LineState.REMOVED)
    content = (line.minor, line.currency, line.booked_on)
    texts = (line.description, line.reference, line.counterparty)
    return (line.revision, states.index(line.state), *content, *texts)


@dataclass(frozen=True, slots=True, order=True)
class Leg:
    """One leg of a booking that matters here: debit positive."""

    account: str
    key: str
    currency: str
    minor: int


@dataclass(frozen=True, slots=True)
class Booking:
    """An entry of the ledger, with those of its legs that reconciliation looks at."""

    reference: str
    kind: str
    effective_at: datetime
    recorded_at: datetime
    legs: tuple[Leg, ...]

    @property
    def key(self) -> str:
        """The fact's key."""
        return f"booking:{self.reference}"

    @property
    def known_at(self) -> datetime:
        """When the entry had both happened and been recorded: what its age is counted from."""
        return max(self.effective_at, self.recorded_at)

    def merged(self, other: "Booking") -> "Booking":
        """The one that was recorded first."""
        return min(self, other, key=lambda b: (b.recorded_at, b.effective_at, b.kind, b.legs))


@dataclass(frozen=True, slots=True)
class Transfer:
    """A transfer to a connected account, and the charge whose money it passes on."""

    id: str
    source_transaction: str

    @property
    def key(self) -> str:
        """The fact's key."""
        return f"transfer:{self.id}"

    def merged(self, other: "Transfer") -> "Transfer":
        """The one that names a charge."""
        return max(self, other, key=lambda t: t.source_transaction)


@dataclass(frozen=True, slots=True)
class BalanceTransaction:
    """What kind of movement a balance transaction is, which its entry does not tell.

    ``net_minor`` is amount less fee as Stripe tells it; a telling of before amounts were kept has
    no currency.
    """

    id: str
    type: str
    category: str
    source: str = ""
    amount_minor: int = 0
    fee_minor: int = 0
    net_minor: int = 0
    currency: str = ""
    created: datetime | None = None
    available_on: date | None = None
    balance_type: str = ""

    @property
    def key(self) -> str:
        """The fact's key."""
        return f"balance_transaction:{self.id}"

    def merged(self, other: "BalanceTransaction") -> "BalanceTransaction":
        """Stripe never changes either; of two the greater, so that the order does not matter."""
        return max(self, other, key=_movement)


def _movement(b: BalanceTransaction) -> tuple[object, ...]:
    amounts = (b.currency, b.amount_minor, b.fee_minor, b.net_minor)
    times = (b.created is not None and b.created.timestamp(), str(b.available_on or ""))
    return (bool(b.currency), b.category, b.type, b.source, *amounts, *times, b.balance_type)


@dataclass(frozen=True, slots=True)
class Concern:
    """Something that one message alone shows to be wrong.

    ``authority`` ranks tellings: the object's own words before what is inferred.
    """

    kind: DiscrepancyKind
    subject: str
    minor: int | None = None
    currency: str = ""
    detail: str = ""
    reference: str = ""
    authority: int = 1

    @property
    def key(self) -> str:
        """The fact's key."""
        return f"concern:{self.kind}/{self.subject}"

    def merged(self, other: "Concern") -> "Concern":
        """The telling with more authority, then the one that says more."""
        return max(self, other, key=_weight)


def _weight(c: Concern) -> tuple[object, ...]:
    amount = (c.minor is not None, c.minor or 0, c.currency)
    return (c.authority, *amount, c.detail, c.reference)


@dataclass(frozen=True, slots=True)
class Reading:
    """A bank balance as the bank told it.

    ``as_of`` is the bank's own time, if it said one; ``told_at`` is when it reached us.
    """

    account: str
    minor: int
    currency: str
    as_of: datetime | None
    told_at: datetime
    agreed: bool = True
    reading: str = ""

    @property
    def key(self) -> str:
        """The fact's key."""
        return f"reading:{self.account}/{self.currency}/{self.at.isoformat()}/{self.reading}"

    @property
    def at(self) -> datetime:
        """The time that the balance is of."""
        return self.as_of or self.told_at

    def merged(self, other: "Reading") -> "Reading":
        """The later telling of the two."""
        return max(self, other, key=lambda r: (r.told_at, r.agreed, r.minor))


@dataclass(frozen=True, slots=True)
class StripeBalance:
    """Stripe's own word on a balance, per currency: available and pending together."""

    account: str
    currency: str
    minor: int
    told_at: datetime

    @property
    def key(self) -> str:
        """The fact's key."""
        return f"stripe_balance:{self.account}/{self.currency}"

    def merged(self, other: "StripeBalance") -> "StripeBalance":
        """The later word of the two."""
        return max(self, other, key=lambda b: (b.told_at, b.minor))


@dataclass(frozen=True, slots=True)
class Audited:
    """What a look at Stripe from outside found: it stands until it is told that it does not."""

    kind: DiscrepancyKind
    subject: str
    stands: bool
    told_at: datetime
    expected: str = ""
    found: str = ""
    explanation: str = ""
    evidence: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """The fact's key."""
        return f"audited:{self.kind}/{self.subject}"

    def merged(self, other: "Audited") -> "Audited":
        """The later telling of the two; of one moment the one that it stands."""
        return max(self, other, key=_telling)


def _telling(a: Audited) -> tuple[object, ...]:
    return (a.told_at, a.stands, a.expected, a.found, a.explanation, a.evidence)


Fact = (
    Expectation
    | Line
    | Booking
    | Transfer
    | BalanceTransaction
    | Concern
    | Reading
    | StripeBalance
    | Audited
    | Ruling
    | PayoutContents
)


@dataclass(frozen=True, slots=True)
class Proof:
    """One comparison of a bank's balance with the ledger's cash at the same point."""

    account: str
    currency: str
    at: datetime
    bank_minor: int
    ledger_minor: int
    reading: str = ""

    @property
    def drift_minor(self) -> int:
        """The bank's balance less the ledger's cash."""
        return self.bank_minor - self.ledger_minor


_NO_TIMES: Final[Mapping[str, datetime]] = MappingProxyType({})
_NO_SUMS: Final[Mapping[str, int]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Facts:
    """All that is known about one book, or about a part of it that nothing outside can affect.

    ``read_until`` says per bank account how far the bank has been read, by the bank's own time, and
    ``heard_at`` when it was last heard of, by ours. With ``require_readings``
    a payout is overdue only when its bank account was read past the due time, or was not read for
    a day. ``proofs_needed`` consecutive proofs open a drift. ``ledger_stripe`` is the ledger's
    Stripe balance by currency, given only where everything is at rest.
    ``ledger_stripe_at`` is when its last movement took effect. ``accepted`` are discrepancies that
    a person closed for good.
    ``standing`` are the matches that stand now; one whose window has closed is kept. ``rules`` say
    how lines are matched.
    """

    book: BookData
    expectations: tuple[Expectation, ...] = ()
    lines: tuple[Line, ...] = ()
    bookings: tuple[Booking, ...] = ()
    transfers: tuple[Transfer, ...] = ()
    balance_transactions: tuple[BalanceTransaction, ...] = ()
    concerns: tuple[Concern, ...] = ()
    audited: tuple[Audited, ...] = ()
    stripe_balances: tuple[StripeBalance, ...] = ()
    rulings: tuple[Ruling, ...] = ()
    contents: tuple[PayoutContents, ...] = ()
    proofs: tuple[Proof, ...] = ()
    standing: tuple[MatchMade, ...] = ()
    read_until: Mapping[str, datetime] = field(default_factory=lambda: _NO_TIMES)
    heard_at: Mapping[str, datetime] = field(default_factory=lambda: _NO_TIMES)
    ledger_stripe: Mapping[str, int] = field(default_factory=lambda: _NO_SUMS)
    ledger_stripe_at: Mapping[str, datetime] = field(default_factory=lambda: _NO_TIMES)
    accepted: frozenset[str] = frozenset()
    require_readings: bool = False
    proofs_needed: int = 1
    rules: MatchingRules = field(default_factory=default_rules)


def fold(
    facts: Iterable[Fact], known: Mapping[str, Fact] = MappingProxyType({})
) -> dict[str, Fact]:
    """Facts by key, each key's tellings merged into one; ``known`` is what was there before."""
    merged = dict(known)
    for fact in facts:
        before = merged.get(fact.key)
        merged[fact.key] = fact if before is None else merge(before, fact)
    return merged


def merge(one: Fact, other: Fact) -> Fact:  # noqa: C901  # one case a type
    """Two tellings with one key in one.

    Raises:
        ValueError: The two are not tellings of one fact.
    """
    # Not both at once: of so many pairs a type checker loses sight.
    match one:
        case Expectation() if isinstance(other, Expectation):
            return one.merged(other)
        case Line() if isinstance(other, Line):
            return one.merged(other)
        case Booking() if isinstance(other, Booking):
            return one.merged(other)
        case Transfer() if isinstance(other, Transfer):
            return one.merged(other)
        case BalanceTransaction() if isinstance(other, BalanceTransaction):
            return one.merged(other)
        case Concern() if isinstance(other, Concern):
            return one.merged(other)
        case Reading() if isinstance(other, Reading):
            return one.merged(other)
        case StripeBalance() if isinstance(other, StripeBalance):
            return one.merged(other)
        case Audited() if isinstance(other, Audited):
            return one.merged(other)
        case Ruling() if isinstance(other, Ruling):
            return one.merged(other)
        case PayoutContents() if isinstance(other, PayoutContents):
            return one.merged(other)
        case _:
            raise ValueError(f"{one.key} and {other.key} are not tellings of one fact")
