"""The run itself: read, decide, remember, reconcile, book the matches, report."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from services.ledger.activation.in_force import InForce
from services.ledger.decisions import COMMAND, FOREIGN_ACCOUNT, UNREADABLE
from services.ledger.posting_rules import Decision, Input, Remark, decide
from services.reconciler.facts.known import Facts
from shared.contracts import topics
from shared.contracts.books import BookData
from shared.contracts.discrepancies import DiscrepancyKind
from shared.contracts.envelope import Envelope
from shared.contracts.errors import InvariantBroken, Refused
from shared.contracts.journal import DEFAULT_BOOK
from shared.contracts.messages import MatchMade, Outcome, OutcomeKind, Position
from shared.contracts.money import MoneyOnWire
from tallystick.preview.books import Books, putting
from tallystick.preview.foreign import counted
from tallystick.preview.lines import Told, Unread, told_lines
from tallystick.preview.options import (
    Options,
    account_of,
    books_of,
    clock_of,
    in_force_of,
    mode_of,
)
from tallystick.preview.reconciling import Reconciled, Taken, known_of, reconciled, told_by
from tallystick.preview.reconciling import Told as HeardFacts
from tallystick.preview.report import Report

_SOURCE: Final = "tallystick/preview"
# Discrepancies tell of the other refusals; these have no kind of their own.
_SAID_AS_REFUSED: Final = frozenset({UNREADABLE, COMMAND})
_UNHEARD: Final = frozenset(
    {FOREIGN_ACCOUNT, DiscrepancyKind.MODE_MISMATCH, DiscrepancyKind.EVENT_CONFLICT}
)


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of one book, and when."""

    facts: Facts
    at: datetime


@dataclass(slots=True)
class _Run:
    """What has been taken so far."""

    in_force: InForce
    as_of: datetime
    is_configured: bool
    books: Books = field(default_factory=Books)
    outcomes: list[Outcome] = field(default_factory=list[Outcome])
    messages: list[Input] = field(default_factory=list[Input])
    # Messages of which the ledger has already said what is wrong, by identity.
    answered: set[int] = field(default_factory=set[int])
    refused: list[Unread] = field(default_factory=list[Unread])
    # The account of each line that belongs to none of these books.
    foreign: list[str] = field(default_factory=list[str])


def preview(sources: Iterable[tuple[str, Iterable[bytes]]], options: Options) -> Report:
    """What these lines mean: would be booked, would be matched, is wrong, cannot be read.

    ``sources`` are names of files with their lines.
    """
    run, mode, heard = _heard(sources, options)
    named = {book.name: book for book in run.in_force.book_map.books}
    books = [named.get(name) or BookData(name=name) for name in sorted({*named, *heard.facts})]
    found = [reconciled(book, heard.facts.get(book.name, ()), at=run.as_of) for book in books]
    for made in (match for part in found for match in part.made):
        _book_match(run, made)
    return _report(run, mode, tuple(book.name for book in books), found)


def known_in(sources: Iterable[tuple[str, Iterable[bytes]]], options: Options) -> Sequence[Known]:
    """What these lines tell the reconciler, book by book."""
    run, _, heard = _heard(sources, options)
    named = {book.name: book for book in run.in_force.book_map.books}
    return [
        Known(known_of(named.get(name) or BookData(name=name), facts), run.as_of)
        for name, facts in sorted(heard.facts.items())
    ]


def _heard(
    sources: Iterable[tuple[str, Iterable[bytes]]], options: Options
) -> tuple[_Run, str, HeardFacts]:
    """The lines taken one after the other, and the facts that they tell."""
    read = [line for name, lines in sources for line in told_lines(name, lines)]
    told = [line for line in read if isinstance(line, Told)]
    mode = mode_of(options, told)
    run = _Run(
        in_force=in_force_of(options, books_of(options, mode, told)),
        as_of=clock_of(options, told),
        is_configured=options.config is not None,
        refused=[line for line in read if isinstance(line, Unread)],
    )
    run.books.putting = putting(run.in_force)
    for number, line in enumerate(told):
        message = _message(line, run)
        try:
            decision = decide(message, run.books.putting.known.last())
        except Refused as refused:
            run.refused.append(Unread(line.topic, line.id, f"{refused.reason}: {refused}"))
        else:
            _take(run, decision, line, message, number)
    taken = Taken(run.messages, run.books.entries(), run.outcomes)
    heard = told_by(taken, run.in_force.book_map)
    run.refused.extend(
        Unread(message.topic, message.envelope.id, f"{why.reason}: {why}")
        for message, why in heard.unread
        if id(message) not in run.answered
    )
    return run, mode, heard


def _message(line: Told, run: _Run) -> Input:
    at = line.at or run.as_of
    book = line.book or ("" if run.is_configured else str(DEFAULT_BOOK))
    extensions = {"book": book, "account": line.account}
    return Input(
        topic=line.topic,
        envelope=Envelope(
            id=line.id,
            source=_SOURCE,
            type=line.topic,
            time=at,
            data=line.data,
            subject=line.id,
            extensions={name: value for name, value in extensions.items() if value},
        ),
        received_at=at,
    )


def _take(run: _Run, decision: Decision, line: Told, message: Input, number: int) -> None:
    remarks = run.books.take(decision, message.received_at)
    run.outcomes.extend(_outcome(remark, decision, message, number) for remark in remarks)
    run.refused.extend(
        Unread(line.topic, remark.subject, f"{remark.reason}: {remark.detail}")
        for remark in remarks
        if remark.outcome is OutcomeKind.REFUSED and remark.reason in _SAID_AS_REFUSED
    )
    if any(remark.reason == FOREIGN_ACCOUNT for remark in remarks):
        run.foreign.append(account_of(line))
    if not any(_is_unheard(remark, line.topic) for remark in remarks):
        run.messages.append(message)
    if any(remark.outcome is OutcomeKind.REFUSED for remark in remarks):
        run.answered.add(id(message))


def _is_unheard(remark: Remark, topic: str) -> bool:
    """Whether a message is not of these books, or contradicts one that stands: no evidence.

    A bank line is one fact, so one that contradicts the books is none at all; of a Stripe object
    the rest may hold.
    """
    if topic == topics.BANK_OBSERVATIONS and remark.outcome is OutcomeKind.CONFLICT:
        return True
    return remark.reason in _UNHEARD


def _outcome(remark: Remark, decision: Decision, message: Input, number: int) -> Outcome:
    return Outcome(
        outcome=remark.outcome,
        reason=remark.reason,
        book=decision.book,
        subject=remark.subject,
        detail=remark.detail,
        reference=remark.reference,
        amount=None if remark.amount is None else MoneyOnWire.of(remark.amount),
        message_id=message.envelope.id,
        caused_by=Position(topic=message.topic, partition=0, offset=number),
        recorded_at=message.received_at,
    )


def _book_match(run: _Run, made: MatchMade) -> None:
    envelope = Envelope(
        id=made.id,
        source=_SOURCE,
        type=topics.MATCHES,
        time=made.effective_at,
        data=made.model_dump_json().encode(),
    )
    decision = decide(Input(topics.MATCHES, envelope, run.as_of), run.books.putting.known.last())
    remarks = run.books.take(decision, run.as_of)
    if any(remark.outcome is OutcomeKind.REFUSED for remark in remarks):
        raise InvariantBroken(f"the ledger refuses match {made.id}: {remarks[0].detail}")


def _report(run: _Run, mode: str, books: tuple[str, ...], found: list[Reconciled]) -> Report:
    return Report(
        as_of=run.as_of,
        mode=mode,
        books=books,
        entries=tuple(recorded.entry for recorded in run.books.entries()),
        balances=run.books.balances(),
        matches=tuple(sorted(match for part in found for match in part.matches)),
        discrepancies=tuple(
            sorted((each for part in found for each in part.discrepancies), key=lambda d: d.place)
        ),
        refused=tuple(sorted(run.refused)),
        foreign=counted(run.foreign),
    )
