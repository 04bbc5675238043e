"""What is known about one book: tellings merged into facts, and all the facts together."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Final, TypeVar, cast

from services.reconciler.facts.contents import PayoutContents
from services.reconciler.facts.kinds import (
    Audited,
    BalanceTransaction,
    Booking,
    Concern,
    Fact,
    Line,
    Reading,
    StripeBalance,
    StripeReading,
    Transfer,
)
from services.reconciler.facts.rulings import Ruling
from services.reconciler.rules.expectations import Expectation
from services.reconciler.rules.matching_rules import MatchingRules, default_rules
from shared.contracts.books import BookData
from shared.contracts.messages import MatchMade


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


@dataclass(frozen=True, slots=True)
class StripeProof:
    """One comparison of Stripe's balance with the ledger's, of the same movements.

    ``account`` is the ledger's; ``owner`` the Stripe account, empty where several are one sum.
    """

    owner: str
    account: str
    currency: str
    at: datetime
    stripe_minor: int
    ledger_minor: int

    @property
    def drift_minor(self) -> int:
        """Stripe's balance less the ledger's."""
        return self.stripe_minor - self.ledger_minor


_Kind = TypeVar("_Kind")
_NO_TIMES: Final[Mapping[str, datetime]] = MappingProxyType({})
_NO_SUMS: Final[Mapping[str, int]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Facts:
    """All that is known about one book, or about a part of it that nothing outside can affect.

    ``read_until`` says per bank account how far the bank has been read, by the bank's own time, and
    ``heard_at`` when it was last heard of, by ours. With ``require_readings``
    a payout is overdue only when its bank account was read past the due time, or was not read for
    a day. ``proofs_needed`` consecutive proofs open a drift, ``stripe_proofs`` likewise.
    ``ledger_stripe`` is the ledger's Stripe balance by currency, given only where everything is at
    rest.
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
    stripe_proofs: tuple[StripeProof, ...] = ()
    standing: tuple[MatchMade, ...] = ()
    read_until: Mapping[str, datetime] = field(default_factory=lambda: _NO_TIMES)
    heard_at: Mapping[str, datetime] = field(default_factory=lambda: _NO_TIMES)
    ledger_stripe: Mapping[str, int] = field(default_factory=lambda: _NO_SUMS)
    ledger_stripe_at: Mapping[str, datetime] = field(default_factory=lambda: _NO_TIMES)
    accepted: frozenset[str] = frozenset()
    require_readings: bool = False
    proofs_needed: int = 1
    rules: MatchingRules = field(default_factory=default_rules)

    @classmethod
    def of(cls, known: Iterable[Fact], book: BookData) -> "Facts":
        """Facts that are merged already, each with its kind and in the order given.

        A bank's readings are not among them: they are held against the ledger's cash first, and
        what is known then are ``proofs``.
        """
        by_kind: dict[type[Fact], list[Fact]] = {}
        for fact in known:
            by_kind.setdefault(type(fact), []).append(fact)
        return cls(
            book=book,
            expectations=_only(by_kind, Expectation),
            lines=_only(by_kind, Line),
            bookings=_only(by_kind, Booking),
            transfers=_only(by_kind, Transfer),
            balance_transactions=_only(by_kind, BalanceTransaction),
            concerns=_only(by_kind, Concern),
            audited=_only(by_kind, Audited),
            stripe_balances=_only(by_kind, StripeBalance),
            rulings=_only(by_kind, Ruling),
            contents=_only(by_kind, PayoutContents),
        )


def _only(by_kind: Mapping[type[Fact], Sequence[Fact]], kind: type[_Kind]) -> tuple[_Kind, ...]:
    found = by_kind.get(cast("type[Fact]", kind), ())
    return cast("tuple[_Kind, ...]", tuple(found))


def fold(
    facts: Iterable[Fact], known: Mapping[str, Fact] = MappingProxyType({})
) -> dict[str, Fact]:
    """Facts by key, each key's tellings merged into one; ``known`` is what was there before."""
    merged = dict(known)
    for fact in facts:
        before = merged.get(fact.key)
        merged[fact.key] = fact if before is None else merge(before, fact)
    return merged


def merge(one: Fact, other: Fact) -> Fact:  # noqa: C901, PLR0912  # one case a type
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
        case StripeReading() if isinstance(other, StripeReading):
            return one.merged(other)
        case Audited() if isinstance(other, Audited):
            return one.merged(other)
        case Ruling() if isinstance(other, Ruling):
            return one.merged(other)
        case PayoutContents() if isinstance(other, PayoutContents):
            return one.merged(other)
        case _:
            raise ValueError(f"{one.key} and {other.key} are not tellings of one fact")
