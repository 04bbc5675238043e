"""The books as Postgres has them, and the published entries, as values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from oracle.in_force import PutInForce
from oracle.values import Leg, Name, Position


@dataclass(frozen=True, slots=True)
class Booked:
    """One entry of the journal, or one record of ``ledger.entries``.

    Times are RFC 3339 in UTC; ``digest`` and ``chain`` are hexadecimal.
    """

    name: Name
    kind: str
    legs: tuple[Leg, ...]
    effective_at: str
    recorded_at: str
    rules_version: int
    caused_by: Position
    message_id: str
    sequence: int
    digest: str
    chain: str
    reverses: str = ""
    description: str = ""

    @property
    def origin(self) -> str:
        """The input partition, which entries are numbered and chained by."""
        return self.caused_by.origin


class Place(NamedTuple):
    """A balance's place."""

    book: str
    account: str
    currency: str


class KeyedPlace(NamedTuple):
    """An open item's place."""

    book: str
    account: str
    key: str
    currency: str


class Totals(NamedTuple):
    """A row of the trial balance, in minor units."""

    debit: int
    credit: int
    net: int


@dataclass(frozen=True, slots=True)
class Books:
    """Everything of one snapshot, and the published entries read right after it.

    ``events`` are the messages that the ledger remembers by their id: id → where it stood.
    ``refused``, ``parked`` and ``conflicts`` are the positions of messages that were so judged;
    ``ticked`` says of each accepted clock tick how far the clock stood then.
    """

    entries: tuple[Booked, ...]
    balances: Mapping[Place, int]
    open_items: Mapping[KeyedPlace, int]
    trial_balance: Mapping[Place, Totals]
    positions: Mapping[tuple[str, int], int]
    published: tuple[Booked, ...]
    refused: frozenset[Position] = frozenset()
    parked: frozenset[Position] = frozenset()
    conflicts: frozenset[Position] = frozenset()
    reference_conflicts: frozenset[Name] = frozenset()
    events: Mapping[tuple[str, str], Position] | None = None
    put_in_force: tuple[PutInForce, ...] = ()
    ticked: Mapping[Position, str] = field(default_factory=dict[Position, str])

    @property
    def reach(self) -> dict[tuple[str, int], int]:
        """How far records are needed: what was read, and each command that is in force.

        What the books begin with holds before its own command has been read.
        """
        ends = dict(self.positions)
        for each in self.put_in_force:
            at = (each.command.topic, each.command.partition)
            ends[at] = max(ends.get(at, 0), each.command.offset + 1)
        return ends
