"""What the core is asked and what it answers: a message in, a decision out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

import msgspec
from pydantic import JsonValue

from services.ledger.passed_on import PassedOn
from services.ledger.unearned import UnearnedChange
from shared.contracts import references
from shared.contracts.envelope import Envelope
from shared.contracts.errors import Refused, Unreadable
from shared.contracts.journal import Book, Entry, Reference
from shared.contracts.messages import OutcomeKind
from shared.contracts.money import MINOR_MAX, Currency, Money

if TYPE_CHECKING:
    from services.ledger.rulings.asking import Asked

RULES_VERSION: Final = 2

NO_BOOKING: Final = "no_booking"
ZERO_AMOUNT: Final = "zero_amount"
FOREIGN_ACCOUNT: Final = "foreign_account"
OTHER_MODE: Final = "other_mode"
UNREADABLE: Final = "unreadable"
COMMAND: Final = "command"
REPLAYED: Final = "replayed"


class Input(msgspec.Struct, frozen=True, gc=False):
    """One message as the core sees it: its topic, its envelope, and the broker's append time."""

    topic: str
    envelope: Envelope
    received_at: datetime


@dataclass(frozen=True, slots=True)
class Remark:
    """What was not booked and why, or what was booked and asks for a look.

    ``subject`` is the id of the object that it is about; ``amount`` is never negative. ``decided``
    is what a decision says beside that: JSON.
    """

    outcome: OutcomeKind
    reason: str
    subject: str
    detail: str = ""
    reference: str | None = None
    amount: Money | None = None
    decided: Mapping[str, JsonValue] | None = None


class Decision(msgspec.Struct, frozen=True, gc=False):
    """What a message means for the books.

    ``identity`` is what to remember of the message itself (a Stripe event's id, a command's key)
    and ``identity_digest`` is what it says. Of two messages with one identity and two digests the
    first stands, and nothing of the other is booked. ``unearned`` is what entries, each by its
    reference, change of what clock ticks are to release; ``passed_on`` is where what others book
    goes on to. What is ``asked`` by a command is judged by where its book stands when it is booked,
    see ``judging``.
    """

    book: Book
    identity: str | None
    identity_digest: bytes | None
    entries: tuple[Entry, ...] = ()
    remarks: tuple[Remark, ...] = ()
    unearned: tuple[tuple[Reference, UnearnedChange], ...] = ()
    asked: "Asked | None" = None
    passed_on: tuple[PassedOn, ...] = ()


class Findings:
    """Entries and remarks while a message with several objects in it is gone through."""

    __slots__ = ("entries", "passed_on", "remarks", "unearned")

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.remarks: list[Remark] = []
        self.unearned: list[tuple[Reference, UnearnedChange]] = []
        self.passed_on: list[PassedOn] = []

    def book(self, booked: Entry | None, *, subject: str) -> None:
        """Take an entry, or say that every amount was zero."""
        if booked is None:
            self.nothing(ZERO_AMOUNT, subject, "every amount is zero")
        else:
            self.entries.append(booked)

    def nothing(self, reason: str, subject: str, detail: str) -> None:
        """Say that there was nothing to book."""
        self.remarks.append(Remark(OutcomeKind.NOTHING_TO_BOOK, reason, subject, detail))

    def refuse(self, refusal: Refused, subject: str) -> None:
        """Say that an object can never be booked as it stands."""
        self.remarks.append(Remark(OutcomeKind.REFUSED, refusal.reason, subject, str(refusal)))

    def told(self) -> tuple[tuple[Entry, ...], tuple[Remark, ...]]:
        """Each fact once, and of the remarks those that still matter.

        That one object among several had nothing to book is not worth a word when another had.
        """
        entries = tuple(_each_once(self.entries))
        if not self.remarks:
            return entries, ()
        quiet = OutcomeKind.NOTHING_TO_BOOK
        loud = tuple(r for r in self.remarks if r.outcome is not quiet)
        if entries or loud:
            return entries, loud
        return (), tuple(self.remarks[:1])


def _each_once(entries: Sequence[Entry]) -> Sequence[Entry]:
    if len(entries) < 2:
        return entries
    found: dict[tuple[str, bytes], Entry] = {}
    for told in entries:
        found.setdefault((told.reference, told.digest()), told)
    return list(found.values())


def subject_of(reference: str) -> str:
    """The id of the object that a reference is about: ``ch_1`` of ``stripe:payment:ch_1:failed``.

    A conflict on a reference is published under this subject.

    Raises:
        Unreadable: Not a reference that this house makes.
    """
    if references.passes_on(reference):
        return subject_of(references.followed_by(reference))
    kind, _, rest = reference.partition(":")
    if kind == "stripe":
        return rest.partition(":")[2].partition(":")[0]
    if kind == "bank":
        return rest.partition(":line:")[2].removesuffix(":reversed").rpartition(":r")[0]
    if kind == "release":
        return rest.rpartition(":")[0]
    if kind == "match":
        return rest.removesuffix(":undone").rpartition(":")[0]
    if kind == "command":
        return rest
    raise Unreadable(f"{reference[:80]!r} is not a reference")


def difference(first: Entry, other: Entry) -> Money | None:
    """By how much two tellings of one fact differ: absolute, in the first currency that differs.

    It is what would have to be moved between accounts and keys to get from one to the other, at
    most what money can tell; ``None``, when they say the same.
    """
    apart: dict[tuple[Currency, str, str], int] = {}
    for sign, told in ((1, first), (-1, other)):
        for posting in told.postings:
            at = (posting.amount.currency, posting.account, posting.key)
            apart[at] = apart.get(at, 0) + sign * posting.signed_minor
    moved: dict[Currency, int] = {}
    for (currency, _, _), minor in apart.items():
        if minor > 0:
            moved[currency] = moved.get(currency, 0) + minor
    found = (Money(min(moved[each], MINOR_MAX), each) for each in sorted(moved))
    return next(found, None)
