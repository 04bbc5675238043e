"""Messages told again: looked at as what is in force books them now, sent, and awaited.

    look    the facts that are not booked yet; their messages are read and decided
    send    each message once, to the partition that it stands in, marked as sent again
    await   until the ledger has booked the facts

A message is sent only where it books what its lines say, so that what was read in the file is what
comes into the books. Sent twice it books nothing twice, for a fact is booked by its reference.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from msgspec import structs

from services.ledger.activation.in_force import InForce
from services.ledger.decisions import Decision
from services.ledger.shell.booking.deciding import Decider
from services.ledger.shell.queries import SQL
from services.ledger.what_if.telling_again import TOLD_BY_OTHERS
from shared.contracts.dead_letters import written
from shared.contracts.errors import Refused
from shared.contracts.journal import Book
from shared.contracts.messages import Position
from shared.contracts.references import followed_by, passes_on
from shared.runtime.dead_letters import attempts_of
from shared.runtime.kafka import KafkaAddress, Partition, Record, end_offsets
from shared.runtime.kafka_exact import RawRecord, exact_writer
from shared.runtime.postgres import Database
from tallystick.in_force_here import in_force_at
from tallystick.records_again import Again, append_again, position_of, record_of, records_at
from tallystick.what_if.told_again import ToldAgain

# Records held in memory at once; each may be as large as a topic takes.
AT_ONCE: Final = 50
SILENCE_SECONDS_MAX: Final = 20.0
_LOOK_SECONDS: Final = 0.1
_SHOWN_MAX: Final = 5
_CLIENT: Final = "tallystick-told-again"


class NotToldAgain(Refused):
    """A message cannot be told again as a line says."""

    reason = "not_told_again"


@dataclass(frozen=True, slots=True)
class Due:
    """Lines whose facts are not booked, the messages that tell them, and how many are booked."""

    lines: tuple[ToldAgain, ...]
    messages: tuple[Position, ...]
    before: int


@dataclass(slots=True)
class Sending:
    """Where messages are told again: a log, and the journal that is booked from it, of one book."""

    kafka: KafkaAddress
    dsn: str
    journal: Database
    book: Book
    _ends: dict[Partition, int] = field(default_factory=dict[Partition, int])

    async def due(self, lines: Sequence[ToldAgain]) -> Due:
        """What of some lines is still to be told, looked at.

        Raises:
            NotToldAgain: A message is not there, or books something else now than its line says.
            Unavailable: Kafka or Postgres is away.
        """
        booked = await self.booked(lines)
        left = [line for line in lines if line.reference not in booked]
        by_message: dict[Position, list[ToldAgain]] = {}
        for line in left:
            for message in filter(None, (line.message, line.also)):
                by_message.setdefault(_position(message), []).append(line)
        # Each partition in its own order: what was told first is told first again.
        messages = sorted(by_message, key=lambda at: (at.topic, at.partition, at.offset))
        if messages:
            decider = Decider(InForce())
            decider.learn((await in_force_at(self.dsn)).made)
            self._ends = await end_offsets(self.kafka, TOLD_BY_OTHERS)
            for begin in range(0, len(messages), AT_ONCE):
                part = messages[begin : begin + AT_ONCE]
                for at, raw in (await self._read(part)).items():
                    self._require_told(by_message[at], record_of(at, raw), decider)
        return Due(tuple(left), tuple(messages), len(lines) - len(left))

    async def send(self, due: Due, *, by: str, at: datetime) -> None:
        """Append each message to its partition once more.

        Raises:
            NotToldAgain: A message has gone since it was looked at.
            Unavailable: Kafka is away; some may have been sent.
        """
        async with exact_writer(self.kafka, client_id=_CLIENT) as writer:
            for begin in range(0, len(due.messages), AT_ONCE):
                part = due.messages[begin : begin + AT_ONCE]
                known = await self._read(part)
                for source in part:
                    attempt = attempts_of(record_of(source, known[source]).headers) + 1
                    again = Again(attempt, sent_from=written(source), by=by, at=at)
                    await append_again(writer, source, known[source], again)

    async def booked(self, lines: Sequence[ToldAgain]) -> set[str]:
        """The references of those facts that are booked."""
        async with self.journal.transaction() as tx:
            rows = await tx.fetch(
                SQL["booked_before"], self.book, [line.reference for line in lines]
            )
        return {row["reference"] for row in rows}

    async def awaited(self, due: Due) -> int:
        """How many of the facts are booked once all are, or once none has come for a while."""
        left, heard_at = list(due.lines), time.monotonic()
        while left and time.monotonic() - heard_at < SILENCE_SECONDS_MAX:
            booked = await self.booked(left)
            if booked:
                left = [line for line in left if line.reference not in booked]
                heard_at = time.monotonic()
            else:
                await asyncio.sleep(_LOOK_SECONDS)  # bounded by the silence above
        return len(due.lines) - len(left)

    async def _read(self, places: Sequence[Position]) -> dict[Position, RawRecord]:
        found = await records_at(self.kafka, places)
        gone = [at for at in places if at not in found]
        if gone:
            raise NotToldAgain(
                f"no longer on the broker: {', '.join(map(written, gone[:_SHOWN_MAX]))}: restore"
                " the topic from its archive, or leave out the line"
            )
        return found

    def _require_told(self, lines: Sequence[ToldAgain], record: Record, decider: Decider) -> None:
        """Refuse a message that books now, at the topic's end, something else than lines say."""
        end = self._ends.get(Partition(record.topic, record.partition), record.offset)
        there = structs.replace(record, offset=max(end, record.offset))
        decided = decider.decided(there)
        if decided.decision is None:
            why = decided.refusal.detail if decided.refusal is not None else "it tells nothing"
            raise NotToldAgain(f"{record.position} cannot be booked: {why}")
        told = {
            str(each.reference): each.digest().hex()
            for each in decided.decision.entries
            if each.book == self.book
        }
        for line in lines:
            if passes_on(line.reference):
                _require_part(line, decided.decision, record)
                continue
            said = told.get(line.reference)
            if said != line.digest:
                what = "does not book" if said is None else "books otherwise"
                raise NotToldAgain(
                    f"what is in force now {what} {line.reference} in the book {self.book} from"
                    f" {line.message}: see `tallystick activate show`, and write them again"
                )


def _require_part(line: ToldAgain, decision: Decision, record: Record) -> None:
    """Refuse a message that has no part in a fact of two: the entry, or where that goes on to."""
    followed = followed_by(line.reference)
    if decision.passed_on or followed in {each.reference for each in decision.entries}:
        return
    raise NotToldAgain(
        f"what is in force now has {record.position} neither tell {followed} nor say where it goes"
        " on to: see `tallystick activate show`, and write them again"
    )


def _position(message: str) -> Position:
    found = position_of(message)
    if found is None or found.topic not in TOLD_BY_OTHERS:
        raise NotToldAgain(f"{message[:100]!r} is no message of Stripe or a bank")
    return found
