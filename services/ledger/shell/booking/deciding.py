"""From records to decisions: the core is asked for each, and what it cannot read is set aside."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import msgspec

from services.ledger.activation.activations import Activation, Activations, Timeline
from services.ledger.activation.in_force import InForce
from services.ledger.activation.rule_versions import RULES, Rules
from services.ledger.posting_rules import Decision, Input, decide
from shared.contracts.envelope import Envelope
from shared.contracts.errors import InvariantBroken, Refused
from shared.contracts.journal import DEFAULT_BOOK, Book
from shared.runtime import log
from shared.runtime.kafka import Partition, Record

# A rule that fails on one message has met something odd; one that fails on many in a row is wrong
# itself, and parking the rest of the topic would hide that.
BUGS_IN_A_ROW_MAX: Final = 20

_logger = log.get(__name__)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a record is parked: a word, and a sentence."""

    reason: str
    detail: str


class Decided(msgspec.Struct, frozen=True, gc=False):
    """A record and what the core made of it: a decision, or the reason to park it.

    ``under`` is the number of the last activation that was known when it was decided; ``retold``
    decides it once more by what is in force elsewhere.
    """

    record: Record
    message_id: str
    subject: str
    book: Book
    decision: Decision | None
    refusal: Refusal | None
    under: int = 0
    retold: Callable[[Record, Partition, int], Decision | None] | None = None

    def told_at(self, where: Partition, offset: int) -> Decision | None:
        """What the message would have meant elsewhere; ``None``: the same is in force there."""
        return self.retold(self.record, where, offset) if self.retold is not None else None

    def parked(self, refusal: Refusal) -> "Decided":
        """The same record, parked: for what only the database found out."""
        return msgspec.structs.replace(self, decision=None, refusal=refusal)


@dataclass(slots=True)
class Decider:
    """The core with what is in force, over records. It never raises for what is in one record.

    ``in_force`` is what the books begin with, before any activation is known.

    Raises:
        InvariantBroken: The rules fail on one message after another.
    """

    in_force: InForce
    rules: Rules = field(default_factory=lambda: RULES)
    made: tuple[Activation, ...] = ()
    _along: dict[tuple[str, int], Timeline] = field(default_factory=dict[tuple[str, int], Timeline])
    _under: int = 0
    _bugs_in_a_row: int = 0

    def activations(self) -> Activations:
        """What is known to have been put in force."""
        return Activations(self.in_force, self.made)

    def learn(self, made: tuple[Activation, ...]) -> None:
        """Decide by these activations from now on.

        Raises:
            InvariantBroken: A rules version was put in force that this program does not have.
        """
        unknown = sorted(Activations(self.in_force, made).rules_versions() - self.rules.keys())
        if unknown:
            raise InvariantBroken(
                f"rules version {unknown[0]} was put in force, and this program knows"
                f" {', '.join(map(str, sorted(self.rules)))}: it is older than the books"
            )
        self.made = made
        self._under = self.activations().number
        self._along.clear()

    def decided(self, record: Record) -> Decided:
        """What the core makes of a record."""
        try:
            envelope = record.envelope()
        except Refused as refused:
            why = Refusal(refused.reason, str(refused))
            return self._refused(record, record.position, record.position, DEFAULT_BOOK, why)
        try:
            decision = self._decision(record, envelope)
        except Refused as refused:
            why = Refusal(refused.reason, str(refused))
        except InvariantBroken:
            raise
        except Exception as error:  # noqa: BLE001  # one message must never stop a partition
            why = self._bug(record, error)
        else:
            self._bugs_in_a_row = 0
            told, subject = envelope.id, envelope.subject
            book, under = decision.book, self._under
            return Decided(record, told, subject, book, decision, None, under, self._retold)
        book = Book(envelope.extension("book") or DEFAULT_BOOK)
        return self._refused(record, envelope.id, envelope.subject or envelope.id, book, why)

    def _refused(
        self, record: Record, message_id: str, subject: str, book: Book, why: Refusal
    ) -> Decided:
        return Decided(record, message_id, subject, book, None, why, self._under, self._retold)

    def _decision(self, record: Record, envelope: Envelope) -> Decision:
        in_force = self._in_force((record.topic, record.partition), record.offset)
        return decide(Input(record.topic, envelope, record.appended_at), in_force, self.rules)

    def _in_force(self, place: tuple[str, int], offset: int) -> InForce:
        along = self._along.get(place)
        if along is None:
            along = self._along[place] = self.activations().along(*place)
        return along.at(offset)

    def _retold(self, record: Record, where: Partition, offset: int) -> Decision | None:
        here = self._in_force((record.topic, record.partition), record.offset)
        there = self._in_force(where, offset)
        if here == there:
            return None
        try:
            told = Input(record.topic, record.envelope(), record.appended_at)
            return decide(told, there, self.rules)
        except Refused:
            return None

    def _bug(self, record: Record, error: Exception) -> Refusal:
        self._bugs_in_a_row += 1
        _logger.error("message.rule_failed", position=record.position, exc_info=error)
        if self._bugs_in_a_row > BUGS_IN_A_ROW_MAX:
            raise InvariantBroken(
                f"the rules failed on {self._bugs_in_a_row} messages in a row, "
                f"last on {record.position}: {type(error).__name__}"
            ) from error
        return Refusal("rule_failed", f"{type(error).__name__}: {error}")
