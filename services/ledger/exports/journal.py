"""What leaves with an export: entries as they stand in the journal, and what they add up to."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Final, NamedTuple, Protocol

from shared.contracts.envelope import rfc3339
from shared.contracts.money import decimal_text
from shared.contracts.tree_heads import TreeHead

FORM: Final = "tallystick.export.v1"

Json = dict[str, object]


class Leg(NamedTuple):
    """One posting; ``minor`` is above zero."""

    account: str
    key: str
    direction: str
    minor: int
    currency: str
    exponent: int

    @property
    def signed(self) -> int:
        """Minor units, debit positive."""
        return self.minor if self.direction == "debit" else -self.minor


class Told(NamedTuple):
    """One entry as it stands in the journal, with its postings in order.

    ``previous`` is the link before it where that entry is not the one exported just before it;
    empty otherwise. With it each entry's own link can be proved in a part of the journal too.
    ``reported_day`` is the day that it counts on where its own was closed when it was recorded.
    """

    origin: str
    sequence: int
    book: str
    reference: str
    kind: str
    effective_at: datetime
    recorded_at: datetime
    topic: str
    partition: int
    offset: int
    message_id: str
    rules_version: int
    description: str
    reverses: str | None
    digest: str
    chain: str
    previous: str
    legs: tuple[Leg, ...]
    reported_day: date | None = None


class Head(NamedTuple):
    """The end of an origin's chain: its last sequence, and the link there."""

    sequence: int
    chain: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which entries leave; what is left out selects nothing. ``until`` is not included.

    On the effective axis an entry has the day that it is reported on, as in statements.
    ``since`` are entries that the reader has: of each origin those after its sequence are told,
    of an origin that is not named all.
    """

    book: str | None = None
    axis: str = "effective"
    begin: datetime | None = None
    until: datetime | None = None
    since: Mapping[str, int] = field(default_factory=dict[str, int])

    @property
    def is_whole(self) -> bool:
        """Whether every entry is told that the reader does not have."""
        return self.book is None and self.begin is None and self.until is None

    @property
    def has_past(self) -> bool:
        """Whether entries from before what is told are left out."""
        return self.begin is not None or bool(self.since)

    def told(self) -> Json:
        """The selection as data."""
        return {
            "book": self.book,
            "axis": self.axis,
            "from": None if self.begin is None else rfc3339(self.begin),
            "to": None if self.until is None else rfc3339(self.until),
            "since": dict(sorted(self.since.items())),
        }


class Opening(NamedTuple):
    """What stood on an account before the entries that are told: minor units, debit positive."""

    account: str
    currency: str
    exponent: int
    minor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What stands at the beginning of an export.

    ``heads`` are those of the whole journal at that moment, ``starts`` those that the reader has;
    ``tree_heads`` the last ones that were published of the books that are told.
    ``opening`` and ``opened_at`` are told where the past was left out and the form needs them.
    """

    made_at: datetime
    selection: Selection
    books: tuple[str, ...]
    heads: Mapping[str, Head]
    starts: Mapping[str, Head]
    tree_heads: tuple[TreeHead, ...] = ()
    opening: tuple[Opening, ...] = ()
    opened_at: datetime | None = None


@dataclass(slots=True)
class Sums:
    """Debits and credits of an account in a currency, in minor units."""

    exponent: int
    debit: int = 0
    credit: int = 0

    @property
    def net(self) -> int:
        """Debit positive."""
        return self.debit - self.credit


@dataclass(slots=True)
class OriginTold:
    """What was told of one origin."""

    first: int
    last: int
    chain: str
    entries: int


@dataclass(slots=True)
class Tally:
    """What the entries told so far add up to; its size goes with accounts, not with entries.

    ``tree_heads`` are what was published of the books; they add up to nothing, and stand at the
    end of a table, which has no place for them at its beginning.
    """

    entries: int = 0
    postings: int = 0
    accounts: dict[tuple[str, str, str], Sums] = field(
        default_factory=dict[tuple[str, str, str], Sums]
    )
    origins: dict[str, OriginTold] = field(default_factory=dict[str, OriginTold])
    tree_heads: tuple[TreeHead, ...] = ()

    def add(self, told: Told) -> None:
        """Count an entry."""
        self.entries += 1
        self.postings += len(told.legs)
        for leg in told.legs:
            place = (told.book, leg.account, leg.currency)
            sums = self.accounts.get(place)
            if sums is None:
                sums = self.accounts[place] = Sums(leg.exponent)
            if leg.direction == "debit":
                sums.debit += leg.minor
            else:
                sums.credit += leg.minor
        origin = self.origins.get(told.origin)
        if origin is None:
            self.origins[told.origin] = OriginTold(told.sequence, told.sequence, told.chain, 1)
        else:
            origin.last, origin.chain = told.sequence, told.chain
            origin.entries += 1

    def currencies(self) -> dict[str, Sums]:
        """Debits and credits by currency, over all books and accounts."""
        found: dict[str, Sums] = {}
        for (_, _, currency), sums in sorted(self.accounts.items()):
            total = found.setdefault(currency, Sums(sums.exponent))
            total.debit += sums.debit
            total.credit += sums.credit
        return dict(sorted(found.items()))

    def trailer(self) -> Json:
        """What stands at the end of an export, as data; amounts are minor units as text."""
        return {
            "entries": self.entries,
            "postings": self.postings,
            "sums": [
                {
                    "currency": currency,
                    "exponent": sums.exponent,
                    "debit": str(sums.debit),
                    "credit": str(sums.credit),
                }
                for currency, sums in self.currencies().items()
            ],
            "trial_balance": [
                {
                    "book": book,
                    "account": account,
                    "currency": currency,
                    "exponent": sums.exponent,
                    "debit": str(sums.debit),
                    "credit": str(sums.credit),
                }
                for (book, account, currency), sums in sorted(self.accounts.items())
            ],
            "origins": {
                name: {
                    "first": told.first,
                    "last": told.last,
                    "entries": told.entries,
                    "chain": told.chain,
                }
                for name, told in sorted(self.origins.items())
            },
        }

    def lines(self) -> Iterator[str]:
        """The same for people, a line each."""
        yield f"{self.entries} entries, {self.postings} postings"
        for currency, sums in self.currencies().items():
            debit = decimal_text(sums.debit, sums.exponent)
            credit = decimal_text(sums.credit, sums.exponent)
            yield f"{currency.upper()}: debits {debit}, credits {credit}"
        for name, told in sorted(self.origins.items()):
            yield f"{name}: entries {told.first} to {told.last}, chain {told.chain}"
        for head in self.tree_heads:
            yield head_line(head)


def head_line(head: TreeHead) -> str:
    """A tree head in a line for people."""
    by = f"signed by key {head.key_id}" if head.signature else "not signed"
    return f"book {head.book}: tree head of {head.size} entries, root {head.root}, {by}"


class Writer(Protocol):
    """A form that an export is written in: text, in the order of these calls."""

    def begin(self, about: About) -> str:
        """What stands before the entries."""
        ...

    def entry(self, told: Told) -> str:
        """One entry, whole."""
        ...

    def end(self, tally: Tally) -> str:
        """What stands behind the entries."""
        ...

    def seal(self, sha256: str) -> str:
        """The last line: the digest of all bytes before it."""
        ...
