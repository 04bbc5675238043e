"""What one record tells: facts of a book, an entry of the ledger, or how far the ledger is."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from pydantic import ValidationError

from services.reconciler.facts.kinds import (
    BANK,
    BANK_LINE_KINDS,
    STRIPE_BALANCES,
    Fact,
    Reading,
    StripeReading,
)
from services.reconciler.facts.readers import facts_of
from services.reconciler.shell.keeping.fact_json import storable
from shared.contracts.acts import RECONCILER_ACT, Act
from shared.contracts.books import BookMap
from shared.contracts.errors import InvariantBroken, Unreadable
from shared.contracts.journal import Direction
from shared.contracts.messages import OUTCOME_RECORD, EntryBooked, PostingOnWire, Progress
from shared.contracts.topics import LEDGER_ENTRIES, LEDGER_OUTCOMES, RECONCILIATION_COMMANDS
from shared.runtime.kafka import Partition, Record

_NUL: Final = "\0"
_AT_STRIPE: Final = frozenset(STRIPE_BALANCES.values())


@dataclass(frozen=True, slots=True)
class CashMove:
    """A leg on an account whose balance is compared, with the record that caused it."""

    book: str
    account: str
    currency: str
    is_line: bool
    effective_at: datetime
    reference: str
    caused_by: Partition
    caused_offset: int
    minor: int


@dataclass(frozen=True, slots=True)
class BookedEntry:
    """Where an entry stands among its origin's, and what it moves on compared balances."""

    origin: str
    sequence: int
    cash: tuple[CashMove, ...]
    balances: tuple[tuple[str, str, int], ...]
    effective_at: datetime | None = None
    reference: str = ""


@dataclass(frozen=True, slots=True)
class Told:
    """What one record tells. ``readings`` are balances of banks, which are proven later.

    So are ``stripe_readings``, of Stripe's.

    ``act`` is what a person asks for, decided when its book is judged.
    """

    record: Record
    book: str = ""
    facts: tuple[Fact, ...] = ()
    readings: tuple[Reading, ...] = ()
    entry: BookedEntry | None = None
    progress: Progress | None = None
    act: Act | None = None
    stripe_readings: tuple[StripeReading, ...] = ()


def told_by(record: Record, books: BookMap) -> Told:
    """What a record tells.

    Raises:
        Refused: It cannot be read; the same bytes fail the same way.
    """
    envelope = record.envelope()
    if record.topic == LEDGER_OUTCOMES and (progress := _progress(record)):
        return Told(record, progress=progress)
    if record.topic == RECONCILIATION_COMMANDS:
        act = _act(record, books)
        return Told(record, act.book, act=act)
    book, facts = facts_of(record.topic, envelope, received_at=record.appended_at, books=books)
    entry = None
    if record.topic == LEDGER_ENTRIES:
        booked = _parsed_entry(record)
        book, entry = booked.book, _entry(booked)
    if _NUL in book:
        raise Unreadable("the book's name has a NUL in it")
    clean = tuple(storable(fact) for fact in facts)
    return Told(
        record,
        book,
        tuple(fact for fact in clean if not isinstance(fact, Reading | StripeReading)),
        tuple(fact for fact in clean if isinstance(fact, Reading)),
        entry,
        stripe_readings=tuple(fact for fact in clean if isinstance(fact, StripeReading)),
    )


def _progress(record: Record) -> Progress | None:
    try:
        told = OUTCOME_RECORD.validate_json(record.value)
    except ValidationError as error:
        raise Unreadable(f"not an outcome: {error.error_count()} fields do not fit") from error
    return told if isinstance(told, Progress) else None


def _act(record: Record, books: BookMap) -> Act:
    try:
        act = RECONCILER_ACT.validate_json(record.value)
    except ValidationError as error:
        raise Unreadable(f"not an act: {error.error_count()} fields do not fit") from error
    if books.named(act.book) is None:
        raise Unreadable(f"there is no book {act.book[:80]!r}")
    if _NUL in record.value.decode() or "\\u0000" in record.value.decode():
        raise Unreadable("it has a NUL in it")
    return act


def _parsed_entry(record: Record) -> EntryBooked:
    try:
        return EntryBooked.model_validate_json(record.value)
    except ValidationError as error:
        raise Unreadable(f"not an entry: {error.error_count()} fields do not fit") from error


def sequence_of(record: Record) -> BookedEntry | None:
    """Where the entry of a record stands among its origin's, and nothing else of it."""
    if record.topic != LEDGER_ENTRIES:
        return None
    try:
        booked = _parsed_entry(record)
    except Unreadable:
        return None
    return BookedEntry(booked.origin, booked.sequence, (), ())


def _entry(booked: EntryBooked) -> BookedEntry:
    is_line = booked.kind in BANK_LINE_KINDS
    caused = Partition(booked.caused_by.topic, booked.caused_by.partition)
    cash: dict[tuple[str, str], int] = {}
    balances: dict[tuple[str, str], int] = {}
    for posting in booked.postings:
        at = (posting.account, posting.amount.currency)
        if posting.account.startswith(BANK):
            cash[at] = cash.get(at, 0) + _signed(posting)
        elif posting.account in _AT_STRIPE:
            balances[at] = balances.get(at, 0) + _signed(posting)
    return BookedEntry(
        origin=booked.origin,
        sequence=booked.sequence,
        cash=tuple(
            CashMove(
                book=booked.book,
                account=account.removeprefix(BANK),
                currency=currency,
                is_line=is_line,
                effective_at=booked.effective_at,
                reference=booked.reference,
                caused_by=caused,
                caused_offset=booked.caused_by.offset,
                minor=minor,
            )
            for (account, currency), minor in sorted(cash.items())
        ),
        balances=tuple((*at, minor) for at, minor in sorted(balances.items())),
        effective_at=booked.effective_at,
        reference=booked.reference,
    )


def _signed(posting: PostingOnWire) -> int:
    minor = posting.amount.money().minor
    return minor if posting.direction is Direction.DEBIT else -minor


def fresh_only(told: Iterable[Told], last: dict[str, int]) -> list[Told]:
    """The records that tell something new; repeated entries are left out and ``last`` is moved.

    Raises:
        InvariantBroken: An origin's sequence has a hole: entries are missing from the topic.
    """
    fresh: list[Told] = []
    for one in told:
        if one.entry is not None:
            before = last.get(one.entry.origin, 0)
            if one.entry.sequence <= before:
                continue
            if one.entry.sequence != before + 1:
                raise InvariantBroken(
                    f"{one.record.position}: entry {one.entry.sequence} of {one.entry.origin}"
                    f" follows {before}; the entries between are not on the topic"
                )
            last[one.entry.origin] = one.entry.sequence
        fresh.append(one)
    return fresh
