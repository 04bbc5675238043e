"""From records to decisions: the core is asked for each, and what it cannot read is set aside."""

from dataclasses import dataclass
from typing import Final

from services.ledger.in_force import InForce
from services.ledger.posting_rules import Decision, Input, decide
from shared.contracts.errors import InvariantBroken, Refused
from shared.contracts.journal import DEFAULT_BOOK, Book
from shared.runtime import log
from shared.runtime.kafka import Record

# A rule that fails on one message has met something odd; one that fails on many in a row is wrong
# itself, and parking the rest of the topic would hide that.
BUGS_IN_A_ROW_MAX: Final = 20

_logger = log.get(__name__)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a record is parked: a word, and a sentence."""

    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class Decided:
    """A record and what the core made of it: a decision, or the reason to park it."""

    record: Record
    message_id: str
    subject: str
    book: Book
    decision: Decision | None
    refusal: Refusal | None

    def parked(self, refusal: Refusal) -> "Decided":
        """The same record, parked: for what only the database found out."""
        return Decided(self.record, self.message_id, self.subject, self.book, None, refusal)


@dataclass(slots=True)
class Decider:
    """The core with what is in force, over records. It never raises for what is in one record.

    Raises:
        InvariantBroken: The rules fail on one message after another.
    """

    in_force: InForce
    _bugs_in_a_row: int = 0

    def decided(self, record: Record) -> Decided:
        """What the core makes of a record."""
        try:
            envelope = record.envelope()
        except Refused as refused:
            why = Refusal(refused.reason, str(refused))
            return Decided(record, record.position, record.position, DEFAULT_BOOK, None, why)
        try:
            decision = decide(Input(record.topic, envelope, record.appended_at), self.in_force)
        except Refused as refused:
            why = Refusal(refused.reason, str(refused))
        except Exception as error:  # noqa: BLE001  # one message must never stop a partition
            why = self._bug(record, error)
        else:
            self._bugs_in_a_row = 0
            return Decided(record, envelope.id, envelope.subject, decision.book, decision, None)
        book = Book(envelope.extension("book") or DEFAULT_BOOK)
        subject = envelope.subject or envelope.id
        return Decided(record, envelope.id, subject, book, None, why)

    def _bug(self, record: Record, error: Exception) -> Refusal:
        self._bugs_in_a_row += 1
        _logger.error("message.rule_failed", position=record.position, exc_info=error)
        if self._bugs_in_a_row > BUGS_IN_A_ROW_MAX:
            raise InvariantBroken(
                f"the rules failed on {self._bugs_in_a_row} messages in a row, "
                f"last on {record.position}: {type(error).__name__}"
            ) from error
        return Refusal("rule_failed", f"{type(error).__name__}: {error}")
