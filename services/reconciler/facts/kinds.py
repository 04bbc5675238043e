"""The kinds of facts about a book: each small, each with a key.

Two tellings with one key are ``merged`` into one fact; merging is idempotent, commutative and
associative, so replays and any order give the same facts. Facts that share a hook can affect one
another (``../scope.py``).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from types import MappingProxyType
from typing import Final

from services.reconciler.facts.contents import PayoutContents
from services.reconciler.facts.rulings import Ruling
from services.reconciler.rules.expectations import Expectation
from shared.contracts.discrepancies import DiscrepancyKind
from shared.contracts.money import Money, currency_of
from shared.contracts.observations import LineState

SETTLING: Final = "assets:stripe:settling"
IN_TRANSIT: Final = "assets:stripe:in-transit"
SUSPENSE: Final = "liabilities:suspense"
CONNECT: Final = "liabilities:connect"
STRIPE_BALANCE: Final = "assets:stripe:balance"
BANK: Final = "assets:bank:"
# Where the ledger keeps what Stripe's own balance shows, by balance type.
STRIPE_BALANCES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "payments": STRIPE_BALANCE,
        "issuing": "assets:stripe:issuing",
        "refund_and_dispute_prefunding": "assets:stripe:refund-and-dispute-prefunding",
    }
)
MOVEMENT: Final = "stripe:balance_transaction:"

MATCH_KINDS: Final = frozenset({"match", "match_undone"})
BANK_LINE_KINDS: Final = frozenset({"bank_line", "bank_line_reversed"})


@dataclass(frozen=True, slots=True)
class Line:
    """A bank line in its latest form; ``minor`` is signed from our side, above zero is money in.

    ``pending_minor`` is what it showed when it was last pending, in ``pending_revision``;
    ``replaces`` the id of the pending line in whose place it has come.
    """

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
    replaces: str = ""
    pending_minor: int | None = None
    pending_revision: int = 0

    def __post_init__(self) -> None:
        if self.state is LineState.PENDING and self.pending_minor is None:
            object.__setattr__(self, "pending_minor", self.minor)
            object.__setattr__(self, "pending_revision", self.revision)

    @property
    def key(self) -> str:
        """The fact's key."""
        return f"line:{self.account}/{self.id}"

    @property
    def money(self) -> Money:
        """The line's amount."""
        return Money(self.minor, currency_of(self.currency))

    @property
    def said(self) -> str:
        """What its texts say, at some length."""
        texts = (self.counterparty, self.description, self.reference)
        return " / ".join(text for text in texts if text)[:200] or "no text"

    @property
    def place(self) -> tuple[date, str, str]:
        """Where the line stands in the order in which lines are taken."""
        return (self.booked_on, self.id, self.account)

    def merged(self, other: "Line") -> "Line":
        """The later form of the two, with what the later pending one showed."""
        latest, pending = max(self, other, key=_form), max(self, other, key=_pending_form)
        if _pending_form(latest) == _pending_form(pending):
            return latest
        return replace(
            latest,
            pending_minor=pending.pending_minor,
            pending_revision=pending.pending_revision,
        )


def _pending_form(line: Line) -> tuple[int, int]:
    return (line.pending_revision, line.pending_minor or 0)


def _form(line: Line) -> tuple[object, ...]:
    states = (LineState.PENDING, LineState.POSTED, LineState.REMOVED)
    content = (line.minor, line.currency, line.booked_on)
    texts = (line.description, line.reference, line.counterparty, line.replaces)
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
class StripeReading:
    """Stripe's balance with what is in it: it stood still while its movements were listed.

    ``totals`` are (ledger's account, currency, minor units); ``shown`` the accounts that the
    balance tells of at all. In it are the movements made before ``created_to``, and of those made
    in that very second the ones in ``last``. ``ends`` is how far each partition of the topic had
    come when all of them had been told.
    """

    owner: str
    told_at: datetime
    totals: tuple[tuple[str, str, int], ...]
    shown: tuple[str, ...]
    created_to: datetime | None
    last: tuple[str, ...] = ()
    ends: tuple[tuple[int, int], ...] = ()

    @property
    def key(self) -> str:
        """The fact's key."""
        return f"stripe_reading:{self.owner}/{self.told_at.isoformat()}"

    def holds(self, movement: str, created: datetime) -> bool:
        """Whether a movement is in the balance that was read."""
        if self.created_to is None or created > self.created_to:
            return False
        return created < self.created_to or movement in self.last

    def merged(self, other: "StripeReading") -> "StripeReading":
        """One reading told twice; of two the one that says more."""
        return max(self, other, key=lambda r: (r.ends, r.totals, r.shown, r.last))


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
    | StripeReading
    | Audited
    | Ruling
    | PayoutContents
)
