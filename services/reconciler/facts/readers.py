"""Records become facts: what each topic's message says that reconciliation goes by.

``facts_of`` is a pure function of one record, so that a replay tells the same. What the ledger
refuses or leaves to another account tells no facts here either; the ledger's outcomes say why.
"""

from collections.abc import Callable, Mapping
from datetime import MAXYEAR, MINYEAR, datetime
from types import MappingProxyType
from typing import Final, TypeVar

from pydantic import TypeAdapter, ValidationError

from services.reconciler.facts.kinds import (
    BANK,
    CONNECT,
    IN_TRANSIT,
    SETTLING,
    STRIPE_BALANCE,
    SUSPENSE,
    Audited,
    Booking,
    Concern,
    Fact,
    Leg,
    Line,
    Reading,
)
from services.reconciler.facts.stripe_objects import (
    JsonObject,
    as_object,
    instant,
    json_object,
    told_by,
)
from shared.contracts import topics
from shared.contracts.audits import AuditReport
from shared.contracts.books import BookData, BookMap, Mode
from shared.contracts.discrepancies import DiscrepancyKind
from shared.contracts.envelope import Envelope
from shared.contracts.errors import Unreadable
from shared.contracts.journal import DEFAULT_BOOK, Direction
from shared.contracts.messages import (
    OUTCOME_RECORD,
    EntryBooked,
    Outcome,
    OutcomeKind,
    PostingOnWire,
)
from shared.contracts.observations import BANK_OBSERVATION, BankLine
from shared.contracts.stripe_context import account_named

T = TypeVar("T")
Told = tuple[str, tuple[Fact, ...]]

_ENTRY: Final = TypeAdapter(EntryBooked)
_AUDIT: Final = TypeAdapter(AuditReport)
_WATCHED: Final = frozenset({SETTLING, IN_TRANSIT, SUSPENSE, CONNECT, STRIPE_BALANCE})
_TELLING: Final = frozenset({OutcomeKind.REFUSED, OutcomeKind.CONFLICT, OutcomeKind.NOTED})


def facts_of(topic: str, envelope: Envelope, *, received_at: datetime, books: BookMap) -> Told:
    """The book that a record belongs to, and the facts that it tells.

    A topic that tells none gives no book and no facts.

    Raises:
        Refused: The record cannot be read; the same bytes fail the same way.
    """
    reader = _READERS.get(topic)
    return ("", ()) if reader is None else reader(envelope, received_at, books)


def _event(envelope: Envelope, received_at: datetime, books: BookMap) -> Told:
    del received_at  # The event says itself when it was made.
    event = json_object(envelope.data)
    shown = as_object((as_object(event.get("data")) or {}).get("object"))
    account, context = (_text(event, name) for name in ("account", "context"))
    named = account_named(account, context)
    book = _stripe_book(envelope, books, named, event, shown)
    # A thin event shows nothing: what it names is told by the API.
    if shown is None or not book.is_own(account, context):
        return book.name, ()
    if not _is_of(book, envelope, account, event, shown):
        return book.name, ()
    own = _own(book, named if book.stripe_accounts else account)
    return book.name, told_by(shown, at=instant(event, "created"), account=own)


def _object(envelope: Envelope, received_at: datetime, books: BookMap) -> Told:
    del received_at  # When the API told it is the envelope's time.
    shown = json_object(envelope.data)
    account = envelope.extension("account")
    book = _stripe_book(envelope, books, account, shown)
    if not _is_of(book, envelope, account, shown):
        return book.name, ()
    return book.name, told_by(shown, at=envelope.time, account=_own(book, account))


def _bank(envelope: Envelope, received_at: datetime, books: BookMap) -> Told:
    observed = _read(BANK_OBSERVATION, envelope.data)
    stamped = envelope.extension("book")
    book = books.named(stamped) if stamped else books.of_bank(observed.account)
    if book is None and not stamped:
        raise Unreadable(f"no book names the bank account {observed.account[:80]!r}")
    name = stamped or (book.name if book is not None else DEFAULT_BOOK)
    amount = observed.amount.money()
    if isinstance(observed, BankLine):
        line = Line(
            account=observed.account,
            id=observed.id,
            revision=observed.revision,
            state=observed.state,
            minor=amount.minor,
            currency=amount.currency.code,
            booked_on=observed.booked_on,
            description=observed.description,
            reference=observed.reference,
            counterparty=observed.counterparty,
            replaces=observed.replaces,
        )
        return name, (line,)
    if observed.as_of is not None and not MINYEAR < observed.as_of.year < MAXYEAR:
        raise Unreadable(f"as_of: {observed.as_of} has no day in every time zone")
    reading = Reading(
        account=observed.account,
        minor=amount.minor,
        currency=amount.currency.code,
        as_of=observed.as_of,
        told_at=received_at,
        agreed=observed.agreed,
        reading=observed.reading,
    )
    return name, (reading,)


def _entry(envelope: Envelope, received_at: datetime, books: BookMap) -> Told:
    del received_at, books
    booked = _read(_ENTRY, envelope.data)
    booking = Booking(
        reference=booked.reference,
        kind=booked.kind,
        effective_at=booked.effective_at,
        recorded_at=booked.recorded_at,
        legs=tuple(sorted(_leg(p) for p in booked.postings if _is_watched(p.account))),
    )
    return booked.book, (booking,)


def _outcome(envelope: Envelope, received_at: datetime, books: BookMap) -> Told:
    del received_at, books
    told = _read(OUTCOME_RECORD, envelope.data)
    if not isinstance(told, Outcome):
        return "", ()
    if told.outcome not in _TELLING:
        return told.book, ()
    # What the ledger refuses of a match is done with here, and there nothing is cleared: somebody
    # has to be told, whatever the reason is.
    is_match = told.caused_by.topic == topics.MATCHES
    if is_match and told.outcome is OutcomeKind.REFUSED:
        kind = DiscrepancyKind.MATCH_REFUSED
    elif told.reason in set(DiscrepancyKind):
        kind = DiscrepancyKind(told.reason)
    else:
        return told.book, ()
    amount = None if told.amount is None else told.amount.money()
    concern = Concern(
        kind=kind,
        subject=told.subject,
        minor=None if amount is None else abs(amount.minor),
        currency="" if amount is None else amount.currency.code,
        detail=_with_its_rule(told),
        reference=told.reference or "",
    )
    return told.book, (concern,)


def _with_its_rule(told: Outcome) -> str:
    """What an outcome says, and the name of the rule that refused it, where one did."""
    rule = (told.decided or {}).get("rule")
    return f"{rule}: {told.detail}" if isinstance(rule, str) else told.detail


def _audit(envelope: Envelope, received_at: datetime, books: BookMap) -> Told:
    del received_at, books
    told = _read(_AUDIT, envelope.data)
    audited = Audited(
        kind=told.discrepancy,
        subject=told.subject,
        stands=told.stands,
        told_at=told.told_at,
        expected=told.expected,
        found=told.found,
        explanation=told.explanation,
        evidence=told.evidence,
    )
    return told.book, (audited,)


def _stripe_book(
    envelope: Envelope, books: BookMap, account: str, *shown: JsonObject | None
) -> BookData:
    """The book that was stamped at the door, else by account and mode, else the first."""
    stamped = envelope.extension("book")
    if stamped:
        return books.named(stamped) or BookData(name=stamped)
    modes = _modes(*shown)
    if not modes:
        return books.books[0]
    owner = books.of_stripe(account, modes[0]) if account else None
    in_mode = (book for book in books.books if book.mode in (None, modes[0]))
    return owner or next(in_mode, books.books[0])


def _is_of(book: BookData, envelope: Envelope, account: str, *shown: JsonObject | None) -> bool:
    """Whether a message is of one of the book's own accounts, and of its mode alone."""
    if "true" in (envelope.extension("foreign"), envelope.extension("othermode")):
        return False
    if not book.is_own(account):
        return False
    stamped = {"true": Mode.LIVE, "false": Mode.TEST}.get(envelope.extension("livemode"))
    modes = {*_modes(*shown), *(mode for mode in (stamped, book.mode) if mode is not None)}
    return len(modes) < 2


def _text(fields: JsonObject, name: str) -> str:
    found = fields.get(name)
    return found if isinstance(found, str) else ""


def _modes(*shown: JsonObject | None) -> list[Mode]:
    told = (fields.get("livemode") for fields in shown if fields is not None)
    return [Mode.of(livemode=said) for said in told if isinstance(said, bool)]


def _own(book: BookData, account: str) -> str:
    """The Stripe account that is meant where none is named, so that all tellings agree."""
    return account or (book.stripe_accounts[0] if len(book.stripe_accounts) == 1 else "")


def _is_watched(account: str) -> bool:
    return account in _WATCHED or account.startswith(BANK)


def _leg(posting: PostingOnWire) -> Leg:
    amount = posting.amount.money()
    is_debit = posting.direction is Direction.DEBIT
    return Leg(
        account=posting.account,
        key=posting.key,
        currency=amount.currency.code,
        minor=amount.minor if is_debit else -amount.minor,
    )


def _read(adapter: TypeAdapter[T], data: bytes) -> T:
    try:
        return adapter.validate_json(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(step) for step in first["loc"])
        raise Unreadable(f"{where or 'value'}: {first['msg']}") from None


_Reader = Callable[[Envelope, datetime, BookMap], Told]
_READERS: Final[Mapping[str, _Reader]] = MappingProxyType(
    {
        topics.STRIPE_EVENTS: _event,
        topics.STRIPE_OBJECTS: _object,
        topics.BANK_OBSERVATIONS: _bank,
        topics.LEDGER_ENTRIES: _entry,
        topics.LEDGER_OUTCOMES: _outcome,
        topics.INGEST_AUDITS: _audit,
        topics.LEDGER_AUDITS: _audit,
        topics.FEEDS_AUDITS: _audit,
    }
)
