"""What we publish: entries booked, outcomes, progress, matches, discrepancies, verdicts.

Each is the value of one record. Fields are only ever added, with a default.
"""

from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue, TypeAdapter

from shared.contracts.discrepancies import (
    BreakClass,
    DiscrepancyKind,
    DiscrepancyState,
    ReasonCode,
    Resolution,
    Severity,
)
from shared.contracts.journal import Direction, Entry
from shared.contracts.money import MoneyOnWire
from shared.contracts.times import Moment


class _Message(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class Position(_Message):
    """Where a record stands."""

    topic: str
    partition: int = Field(ge=0)
    offset: int = Field(ge=0)


class PostingOnWire(_Message):
    """One leg of a published entry."""

    account: str
    key: str = ""
    direction: Direction
    amount: MoneyOnWire


class EntryBooked(_Message):
    """A committed entry.

    ``origin`` is ``topic/partition`` of the message that caused it; ``sequence`` counts the
    origin's entries from 1 without gaps, and ``chain`` is the SHA-256 (hex) over the chain value
    before and this entry's content. After a crash a record may repeat: drop sequence ≤ last.
    """

    book: str
    reference: str
    kind: str
    effective_at: AwareDatetime
    recorded_at: AwareDatetime
    postings: tuple[PostingOnWire, ...]
    description: str = ""
    reverses: str | None = None
    rules_version: int
    caused_by: Position
    message_id: str
    origin: str
    sequence: int = Field(ge=1)
    digest: str
    chain: str


class OutcomeKind(StrEnum):
    """What became of a message that was not simply booked."""

    NOTHING_TO_BOOK = "nothing_to_book"
    NOTED = "noted"
    REFUSED = "refused"
    CONFLICT = "conflict"
    ACCEPTED = "accepted"


class Outcome(_Message):
    """What was not booked, and why; or what was booked and asks for a look (``noted``).

    ``reason`` is a word of a closed list: a discrepancy kind where the outcome opens one, else
    ``no_booking``, ``zero_amount``, ``foreign_account``, ``unreadable``, ``command``, ``unfit``
    (the database cannot hold it), ``rule_failed`` (a rule broke on it).
    ``subject`` is the id of the object that it is about. ``decided`` is what a command's decision
    says beside that: a hold's id, a period, what is still open; a JSON object, or nothing.
    """

    kind: Literal["outcome"] = "outcome"
    outcome: OutcomeKind
    reason: str
    book: str
    subject: str
    detail: str = ""
    reference: str | None = None
    amount: MoneyOnWire | None = None
    message_id: str = ""
    caused_by: Position
    recorded_at: AwareDatetime
    decided: dict[str, JsonValue] | None = None


class Progress(_Message):
    """How far an input partition has been booked, and its origin's last sequence by then."""

    kind: Literal["progress"] = "progress"
    origin: str
    topic: str
    partition: int = Field(ge=0)
    next_offset: int = Field(ge=0)
    sequence: int = Field(ge=0)
    recorded_at: AwareDatetime


OutcomeRecord = Annotated[Outcome | Progress, Field(discriminator="kind")]
OUTCOME_RECORD: TypeAdapter[Outcome | Progress] = TypeAdapter(OutcomeRecord)


class MatchKind(StrEnum):
    """What a match lays together."""

    BANK_LINE = "bank_line"
    EXCHANGE = "exchange"
    WRITE_OFF = "write_off"


class MatchedLine(_Message):
    """The bank line of a match, in the form that was matched."""

    account: str
    id: str
    revision: int = Field(ge=1)
    amount: MoneyOnWire


class Clearing(_Message):
    """What a match clears on one clearing account: signed, debit positive."""

    account: str
    key: str
    amount: MoneyOnWire


class Settled(_Message):
    """An object that a bank line settles: its id, its whole amount, and this line's share of it."""

    object: str
    amount: MoneyOnWire
    share: MoneyOnWire


class NamedDifference(_Message):
    """By how much a line differs from what it settles, as the bank signs it, and its name.

    ``account`` is where the match posts it; empty where it stays open, for a person.
    """

    name: str
    amount: MoneyOnWire
    account: str = ""


class RunnerUp(_Message):
    """The next best answer to what a line settles, and why it was not taken."""

    objects: tuple[str, ...]
    score: int = Field(ge=0, le=100)
    reason: str = ""


class MatchMade(_Message):
    """Two halves agree: a fact of record.

    ``clears`` are the postings to make, summing to zero in each currency, or, in an exchange, to
    what ``equity:exchange`` takes. ``revision`` counts the makings of this match from 1.
    ``rules_version`` names the set of rules by which ``rule`` matched; ``score`` says how much
    speaks for it, 100 at most. A match made before these were told has none of them.
    """

    kind: Literal["match_made"] = "match_made"
    id: str
    revision: int = Field(ge=1)
    match_kind: MatchKind
    book: str
    effective_at: Moment
    line: MatchedLine | None = None
    settles: tuple[Settled, ...] = ()
    clears: tuple[Clearing, ...]
    rule: str
    evidence: tuple[str, ...] = ()
    rules_version: str = ""
    score: int | None = Field(default=None, ge=0, le=100)
    difference: NamedDifference | None = None
    runner_up: RunnerUp | None = None


class MatchUndone(_Message):
    """A match no longer holds; carries what it had cleared, so one message tells the reversal."""

    kind: Literal["match_undone"] = "match_undone"
    id: str
    revision: int = Field(ge=1)
    match_kind: MatchKind
    book: str
    effective_at: Moment
    clears: tuple[Clearing, ...]
    reason: str


MatchRecord = Annotated[MatchMade | MatchUndone, Field(discriminator="kind")]
MATCH_RECORD: TypeAdapter[MatchMade | MatchUndone] = TypeAdapter(MatchRecord)


class Comment(_Message):
    """What a person did or said about a discrepancy."""

    at: AwareDatetime
    by: str
    act: str
    text: str = ""


class DiscrepancyReported(_Message):
    """A discrepancy in its full state; the last record of an id is how it stands.

    ``amount`` is the absolute difference, the whole amount where one side is missing. ``since`` is
    the day from which on it is wrong, where the facts tell one; ``age`` is the bucket of days since
    then, or since it was opened; ``cause`` is what those with one probable cause have in common;
    ``sentence`` says all of it: expected, found, difference, probable cause, next step. A record
    of before these were told has none of them.
    """

    id: str
    revision: int = Field(ge=1)
    book: str
    discrepancy: DiscrepancyKind
    state: DiscrepancyState
    subject: str
    amount: MoneyOnWire | None = None
    expected: str = ""
    found: str = ""
    explanation: str = ""
    next_step: str = ""
    opened_at: AwareDatetime
    changed_at: AwareDatetime
    resolved_at: AwareDatetime | None = None
    evidence: tuple[str, ...] = ()
    break_class: BreakClass | None = None
    severity: Severity | None = None
    age: str = ""
    cause: str = ""
    probable_cause: str = ""
    sentence: str = ""
    owner: str = ""
    code: ReasonCode | None = None
    resolution: Resolution | None = None
    comments: tuple[Comment, ...] = ()
    since: date | None = None


class VerdictReason(StrEnum):
    """What the door said of one delivery."""

    ACCEPTED = "accepted"
    MISSING_HEADER = "missing_header"
    MALFORMED_HEADER = "malformed_header"
    BAD_TIMESTAMP = "bad_timestamp"
    OUT_OF_TOLERANCE = "out_of_tolerance"
    BAD_SIGNATURE = "bad_signature"
    BODY_TOO_LARGE = "body_too_large"
    BODY_ENCODED = "body_encoded"
    NOT_JSON = "not_json"
    NOT_AN_EVENT = "not_an_event"
    UNKNOWN_ENDPOINT = "unknown_endpoint"
    WRONG_MODE = "wrong_mode"
    WRONG_PAYLOAD = "wrong_payload"
    UNKNOWN_ACCOUNT = "unknown_account"
    PEER_NOT_ALLOWED = "peer_not_allowed"
    RATE_LIMITED = "rate_limited"
    UNAVAILABLE = "unavailable"


class Verdict(_Message):
    """One delivery at the door and what was said of it; no secret, no personal data.

    Of a flood of refusals only some are written one by one; ``deliveries`` above 1 tells how many
    more there were of one kind since the last such verdict. ``judged_microseconds`` run from the
    request's head to what was said of it, the body's coming included; ``ack_microseconds`` from
    there until Kafka had acknowledged it or was given up, 0 where Kafka was not asked. ``id`` is
    that of the record, and ``book`` its book, so that a line stands for itself.
    """

    endpoint: str
    reason: VerdictReason
    status: int
    received_at: AwareDatetime
    peer: str = ""
    event_id: str = ""
    event_type: str = ""
    body_sha256: str = ""
    body_bytes: int = Field(default=0, ge=0)
    secret_id: str = ""
    detail: str = ""
    deliveries: int = Field(default=1, ge=1)
    judged_microseconds: int = Field(default=0, ge=0)
    ack_microseconds: int = Field(default=0, ge=0)
    id: str = ""
    book: str = ""


class DeadLetter(_Message):
    """Why a record could not be read; the record's bytes are the value, this is its header.

    ``attempt`` counts how often the record had been sent to its topic again before.
    """

    reason: str
    detail: str
    position: Position
    parked_at: AwareDatetime
    attempt: int = Field(default=0, ge=0)


class LetterState(StrEnum):
    """How a dead letter stands."""

    OPEN = "open"
    REDRIVEN = "redriven"
    PARKED = "parked"


class DeadLetterNote(_Message):
    """What a person did about a dead letter: a record behind it, for the letter is not edited.

    ``position`` is that of the record which the letter is of, ``redriven_to`` where the same bytes
    stand once more. The last note of a letter is how it stands.
    """

    position: Position
    state: LetterState
    at: AwareDatetime
    by: str
    note: str = ""
    redriven_to: Position | None = None


def postings_on_wire(entry: Entry) -> tuple[PostingOnWire, ...]:
    """The legs of an entry as they are published, in the entry's order."""
    return tuple(
        PostingOnWire(
            account=p.account, key=p.key, direction=p.direction, amount=MoneyOnWire.of(p.amount)
        )
        for p in entry.postings
    )


def entry_booked(
    entry: Entry,
    *,
    caused_by: Position,
    message_id: str,
    recorded_at: datetime,
    sequence: int,
    chain: str,
) -> EntryBooked:
    """The record that tells of a committed entry."""
    return EntryBooked(
        book=entry.book,
        reference=entry.reference,
        kind=entry.kind,
        effective_at=entry.effective_at,
        recorded_at=recorded_at,
        postings=postings_on_wire(entry),
        description=entry.description,
        reverses=entry.reverses,
        rules_version=entry.rules_version,
        caused_by=caused_by,
        message_id=message_id,
        origin=f"{caused_by.topic}/{caused_by.partition}",
        sequence=sequence,
        digest=entry.digest().hex(),
        chain=chain,
    )
