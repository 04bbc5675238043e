"""A batch on its way through its transaction."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

import msgspec

from services.ledger.periods import Closings
from services.ledger.posting_rules import Remark
from services.ledger.rulings.effects import Effect
from services.ledger.rulings.judging import Recorded
from services.ledger.shell.booking.deciding import Decided
from services.ledger.shell.booking.rows import Head
from shared.contracts.journal import Book, Entry
from shared.runtime.kafka import Partition

Name = tuple[str, str]
Place = tuple[int, int]
Moves = Mapping[Partition, tuple[int, int]]


@dataclass(slots=True)
class Booked:
    """What became of a batch, counted, and the months that it was recorded in."""

    messages: int = 0
    entries: int = 0
    postings: int = 0
    already_booked: int = 0
    repeated: int = 0
    conflicts: int = 0
    parked: int = 0
    outcomes: int = 0
    months: frozenset[date] = frozenset()


class Told(msgspec.Struct, frozen=True, gc=False):
    """One telling of a fact, by one message, for the chain that its entry would go on.

    ``name`` is that of the fact: book and reference.
    """

    by: Decided
    entry: Entry
    digest: bytes
    head: Head
    name: Name

    @property
    def place(self) -> Place:
        """The message that tells it: origin and offset."""
        return (self.head.origin_id, self.by.record.offset)


@dataclass(frozen=True, slots=True)
class Claim:
    """Who may book a reference: the message at this place, with this content."""

    digest: bytes
    place: Place


@dataclass(frozen=True, slots=True)
class Seen:
    """What a message said that was remembered under an identity, and where it stands."""

    digest: bytes
    place: Place


@dataclass(frozen=True, slots=True)
class Caused:
    """What a command changes beside the journal, and the command that does."""

    by: Decided
    effect: Effect


@dataclass(slots=True)
class Batch:
    """A batch on its way through the transaction.

    ``contradicting`` are messages that came behind another of their id; ``closings`` are those of
    its books; ``seen`` is what those messages had said that were remembered before the batch, and
    ``claims`` who had claimed what its facts tell, each ``None`` while that is yet to be asked;
    ``recorded`` are decisions that were made before, by the identity of the message; ``asked`` are
    the commands to judge, ``again`` those that were answered before, with the place of the message
    that was; ``passing_on`` are the messages that say what goes on to where; ``extra`` is what
    one kind of command alone is judged by, by that kind.
    """

    decided: Sequence[Decided]
    heads: Mapping[tuple[str, int], Head]
    contradicting: frozenset[tuple[Partition, int]] = frozenset()
    tellings: list[Told] = field(default_factory=list[Told])
    conflicting: list[Told] = field(default_factory=list[Told])
    remarks: dict[int, list[Remark]] = field(default_factory=dict[int, list[Remark]])
    fresh: dict[Name, Entry] = field(default_factory=dict[Name, Entry])
    booked: Booked = field(default_factory=Booked)
    closings: dict[Book, Closings] = field(default_factory=dict[Book, Closings])
    seen: dict[Name, Seen] | None = None
    claims: dict[Name, Claim] | None = None
    claims_asked: int = 0
    recorded: dict[int, Recorded] = field(default_factory=dict[int, Recorded])
    asked: list[Decided] = field(default_factory=list[Decided])
    passing_on: list[Decided] = field(default_factory=list[Decided])
    again: list[tuple[Decided, Place]] = field(default_factory=list[tuple[Decided, Place]])
    caused: list[Caused] = field(default_factory=list[Caused])
    extra: dict[str, object] = field(default_factory=dict[str, object])

    def head_of(self, each: Decided) -> Head:
        """The chain that a message's entries go on."""
        return self.heads[each.record.topic, each.record.partition]

    def tellings_of(self, each: Decided, entries: Iterable[Entry]) -> list[Told]:
        """The facts that a message tells."""
        head = self.head_of(each)
        return [
            Told(each, entry, entry.digest(), head, (entry.book, entry.reference))
            for entry in entries
        ]

    def remark(self, each: Decided, *remarks: Remark) -> None:
        """Say something of a message beside its entries."""
        self.remarks.setdefault(id(each), []).extend(remarks)
