"""What the oracle reckons with: legs, facts, tellings. Integers only."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

MINOR_MAX = 10**30


class CannotRead(Exception):
    """A whole message that no reader can make sense of: it must have been parked."""


class CannotBook(Exception):
    """One fact of a message that is no valid money: it must have been refused."""


class CannotDecide(Exception):
    """The oracle does not have what it needs to say yes or no. Never green."""


class Leg(NamedTuple):
    """One leg: debit positive, in minor units."""

    account: str
    key: str
    currency: str
    minor: int


class Position(NamedTuple):
    """Where a record stands."""

    topic: str
    partition: int
    offset: int

    @property
    def origin(self) -> str:
        """The input partition."""
        return f"{self.topic}/{self.partition}"


class Name(NamedTuple):
    """What a fact is known by: unique in its book."""

    book: str
    reference: str


@dataclass(frozen=True, slots=True)
class Record:
    """One raw record of a topic; ``attributes`` are its CloudEvents headers without ``ce_``."""

    position: Position
    attributes: Mapping[str, str]
    value: bytes


class Service(NamedTuple):
    """A line that is served over time: what it earns from when to when, in seconds since 1970."""

    line: str
    currency: str
    net: int
    since: int
    until: int


class Taken(NamedTuple):
    """What was taken back of a line, and when; below zero where that was undone.

    A void takes all of it, as if it had never been.
    """

    line: str
    minor: int
    at: int
    is_void: bool = False


@dataclass(frozen=True, slots=True)
class Fact:
    """One balanced fact: its name, its legs in a fixed order, what it reverses.

    One that is not sure may have been booked from this telling, or not. ``serves`` and ``takes``
    are what it says to the clock.
    """

    name: Name
    legs: tuple[Leg, ...]
    reverses: str = ""
    is_sure: bool = True
    serves: Service | None = None
    takes: tuple[Taken, ...] = ()


class PassedOn(NamedTuple):
    """That what moves one key of an account goes on to another account or key."""

    book: str
    account: str
    key: str
    to_account: str
    to_key: str


class Tick(NamedTuple):
    """A clock tick as it was asked for; ``zone`` is its book's."""

    book: str
    until: str
    zone: str


@dataclass(frozen=True, slots=True)
class Told:
    """A fact as one message tells it. A command may be refused for a reason of state."""

    fact: Fact
    position: Position
    message_id: str
    is_request: bool = False


@dataclass(slots=True)
class Model:
    """All tellings, in the order of each partition; and the versions of each event.

    ``closings`` are the commands that close a book, with the book and the day through which.
    ``reversals`` are those of entries that no record tells, as releases are: what each reverses.
    ``passed_on`` is what goes on from one key to another, with the messages that say so.
    """

    tellings: dict[Name, list[Told]] = field(default_factory=dict[Name, list[Told]])
    versions: dict[tuple[str, str], dict[bytes, list[Position]]] = field(
        default_factory=dict[tuple[str, str], dict[bytes, list[Position]]]
    )
    records: Counter[str] = field(default_factory=Counter[str])
    unreadable: list[tuple[Position, str]] = field(default_factory=list[tuple[Position, str]])
    refused: list[tuple[Position, str]] = field(default_factory=list[tuple[Position, str]])
    ticks: dict[Position, Tick] = field(default_factory=dict[Position, Tick])
    closings: dict[Position, tuple[str, str]] = field(
        default_factory=dict[Position, tuple[str, str]]
    )
    reversals: dict[Name, Name] = field(default_factory=dict[Name, Name])
    passed_on: dict[PassedOn, list[tuple[Position, str]]] = field(
        default_factory=dict[PassedOn, list[tuple[Position, str]]]
    )


def fact(book: str, reference: str, legs: Iterable[Leg], reverses: str = "") -> Fact | None:
    """The fact of these legs without the zero ones, or ``None`` when nothing is left.

    Raises:
        CannotBook: The legs of a currency do not sum to zero.
    """
    kept = tuple(sorted(leg for leg in legs if leg.minor))
    sums: Counter[str] = Counter()
    for leg in kept:
        sums[leg.currency] += leg.minor
    for currency, excess in sums.items():
        if excess:
            raise CannotBook(f"{reference}: off balance by {excess} {currency}")
    return Fact(Name(book, reference), kept, reverses) if kept else None


def reversed_legs(legs: Iterable[Leg]) -> list[Leg]:
    """The same legs on the other side."""
    return [leg._replace(minor=-leg.minor) for leg in legs]


def reference(*parts: str) -> str:
    """The natural key of a fact.

    Raises:
        CannotRead: A part is empty, or the whole is too long or not printable.
    """
    text = ":".join(parts)
    if not all(parts) or len(text) > 300 or not text.isprintable():
        raise CannotRead(f"no reference can be made of {text[:60]!r}")
    return text
