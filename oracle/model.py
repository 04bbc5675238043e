"""The fold: raw records in, every telling of every fact out. No state but what it returns."""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from oracle import by_request, ours, stripe
from oracle.in_force import BookData, Books, InForce, PutInForce
from oracle.reading import Json, json_object, maybe_object, optional_text, text
from oracle.values import (
    CannotBook,
    CannotRead,
    Fact,
    Model,
    Name,
    PassedOn,
    Position,
    Record,
    Tick,
    Told,
)

STRIPE_EVENTS: Final = "stripe.events"
THIN_EVENT: Final = "v2.core.event"
STRIPE_OBJECTS: Final = "stripe.objects"
BANK_OBSERVATIONS: Final = "bank.observations"
LEDGER_COMMANDS: Final = "ledger.commands"
MATCHES: Final = "reconciliation.matches"
SENT_AGAIN: Final = "redriveattempt"
Attempt = Fact | PassedOn | CannotBook
__all__ = ["INPUTS", "BookData", "Books", "PutInForce", "model_of"]

INPUTS: Final = (STRIPE_EVENTS, STRIPE_OBJECTS, BANK_OBSERVATIONS, LEDGER_COMMANDS, MATCHES)


def model_of(
    records: Iterable[Record],
    files: Books,
    put_in_force: Sequence[PutInForce] = (),
    read_to: Mapping[tuple[str, int], int] | None = None,
) -> Model:
    """Every telling that these records hold, those of each partition in their order.

    ``files`` say what the books are as far as nothing was put in force. A record past ``read_to``
    tells nothing yet, but may be the command of what is in force.

    Raises:
        CannotDecide: What was put in force has no command, or there is no reading of it here.
    """
    told = list(records)
    in_force = InForce.of(files, put_in_force, told)
    model, asked = Model(), _Asked()
    for record in told:
        at = record.position
        if read_to is not None and at.offset >= read_to.get((at.topic, at.partition), 0):
            continue
        model.records[record.position.topic] += 1
        try:
            _read(model, record, in_force.at(record.position), asked)
        except CannotRead as why:
            model.unreadable.append((record.position, str(why)))
    by_request.work_out(model, asked.leaning, asked.by_key)
    return model


@dataclass(slots=True)
class _Asked:
    """Commands by book and key, the first of each; and those that lean on another record."""

    by_key: dict[Name, Json] = field(default_factory=dict[Name, Json])
    leaning: list[by_request.Request] = field(default_factory=list[by_request.Request])

    def take(self, told: Json, book: str, reference: str, record: Record) -> None:
        self.by_key.setdefault(Name(book, text(told, "idempotency_key")), told)
        if by_request.leans(told):
            message_id = record.attributes.get("id", "")
            self.leaning.append(
                by_request.Request(book, reference, told, record.position, message_id)
            )


def _read(model: Model, record: Record, books: Books, asked: _Asked) -> None:
    told = json_object(record.value)
    book = record.attributes.get("book") or "main"
    identity, digest = "", b""
    match record.position.topic:
        case "stripe.events":
            identity, digest = _event_identity(told)
            attempts = _event_attempts(record, books, book, told)
        case "stripe.objects":
            attempts = _object_attempts(record, books, book, told)
        case "bank.observations":
            attempts = _attempts(ours.bank_line(book, told))
        case "ledger.commands":
            book = optional_text(told, "book") or "main"
            identity = ours.command_reference(text(told, "idempotency_key"))
            digest = _digest(told)
            attempts = _attempts(_one(ours.command, told))
            asked.take(told, book, identity, record)
            _note_time(model, told, record.position, book, books)
        case "reconciliation.matches":
            attempts = _attempts(_one(ours.match, told))
        case unknown:
            raise CannotRead(f"{unknown} is no input of the ledger")
    # All are read before any is kept: a message that cannot be read to its end tells nothing.
    found: list[Attempt] = list(attempts)
    if identity:
        positions = model.versions.setdefault((book, identity), {})
        before = positions.setdefault(digest, [])
        if _is_repeated(record, before):
            found = [_unsure(each) for each in found if not isinstance(each, PassedOn)]
        before.append(record.position)
    for attempt in found:
        _keep(model, attempt, record)


def _keep(model: Model, attempt: Attempt, record: Record) -> None:
    position, message_id = record.position, record.attributes.get("id", "")
    match attempt:
        case CannotBook():
            model.refused.append((position, str(attempt)))
        case PassedOn():
            model.passed_on.setdefault(attempt, []).append((position, message_id))
        case Fact():
            is_request = _is_request(position.topic, attempt)
            told = Told(attempt, position, message_id, is_request=is_request)
            model.tellings.setdefault(attempt.name, []).append(told)


def _is_repeated(record: Record, before: Sequence[Position]) -> bool:
    """Whether an event says what it had said before, and nobody has sent it again to be booked.

    It is not looked at a second time, whatever has been put in force since.
    """
    return (
        record.position.topic == STRIPE_EVENTS
        and SENT_AGAIN not in record.attributes
        and any(position.origin == record.position.origin for position in before)
    )


def _unsure(attempt: Fact | CannotBook) -> Fact | CannotBook:
    return replace(attempt, is_sure=False) if isinstance(attempt, Fact) else attempt


def _is_request(topic: str, told: Fact) -> bool:
    """Whether it may have been refused by where the books stood: a command, or a match like one."""
    return topic == LEDGER_COMMANDS or (topic == MATCHES and ours.names_a_chosen_account(told))


def _note_time(model: Model, told: Json, at: Position, book: str, books: Books) -> None:
    """Remember the commands that say how late it is, and which days are over."""
    if told.get("kind") == "tick_clock":
        zone = books.by_name.get(book, BookData()).time_zone
        model.ticks[at] = Tick(book, text(told, "until"), zone)
    elif told.get("kind") in ("close_period", "lock_period"):
        model.closings[at] = (book, optional_text(told, "through"))


def _one(rule: Callable[[Json], Fact | None], told: Json) -> Iterator[Fact | None]:
    yield rule(told)


def _attempts(facts: Iterator[Fact | None]) -> Iterator[Fact | CannotBook]:
    """The facts that are there, and why the others are no money."""
    while True:
        try:
            told = next(facts)
        except StopIteration:
            return
        except CannotBook as why:
            yield why
            return
        if told is not None:
            yield told


def _event_identity(told: Json) -> tuple[str, bytes]:
    """The event's id, and a digest of what it says; how it was delivered is no part of that."""
    if told.get("object") not in ("event", THIN_EVENT):
        raise CannotRead("not an event")
    matter = "related_object" if told["object"] == THIN_EVENT else "data"
    said = {name: told.get(name) for name in ("id", "type", "account", "created", matter)}
    return text(told, "id"), _digest(said | {"context": told.get("context") or None})


def _digest(told: Json) -> bytes:
    canonical = json.dumps(told, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode()).digest()


def _event_attempts(record: Record, books: Books, book: str, told: Json) -> Iterator[Attempt]:
    """The facts of the object inside an event, unless it is another account's."""
    if told["object"] == THIN_EVENT:
        return
    data = maybe_object(told.get("data"))
    if data is None:
        raise CannotRead("an event without data")
    inner = maybe_object(data.get("object"))
    said = record.attributes.get("foreign", "")
    account = optional_text(told, "account")
    own = books.by_name.get(book, BookData()).stripe_accounts
    # The last account of a context is whose event it is; told alone, it may be our own account.
    last = optional_text(told, "context").rstrip("/").rsplit("/", 1)[-1]
    named = {account, last} - {""} if account or own else set[str]()
    if said == "true" or (not said and named - set(own)) or inner is None:
        return
    if record.attributes.get("othermode") == "true":
        return
    yield from _of_our_mode(record, books, book, told, inner)


def _object_attempts(record: Record, books: Books, book: str, told: Json) -> Iterator[Attempt]:
    """The facts of an object that the API told, unless it is another account's."""
    account = record.attributes.get("account", "")
    if account and account not in books.by_name.get(book, BookData()).stripe_accounts:
        return
    yield from _of_our_mode(record, books, book, told, told)


def _of_our_mode(
    record: Record, books: Books, book: str, told: Json, inner: Json
) -> Iterator[Attempt]:
    """The facts of an object, when everything that names a mode names that of the book."""
    text(inner, "object")
    mode, said = books.by_name.get(book, BookData()).mode, record.attributes.get("livemode", "")
    named = {livemode for o in (told, inner) if isinstance(livemode := o.get("livemode"), bool)}
    named |= {mode == "live"} if mode and named else set()
    named |= {said == "true"} if said and named else set()
    if len(named) > 1:
        yield CannotBook("a test object for live books, or the other way")
        return
    wants = books.by_name.get(book, BookData()).wants
    for attempt in stripe.facts_of(book, inner, wants):
        if attempt is not None:
            yield attempt
