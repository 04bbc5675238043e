"""Dead letters as a person deals with them: read, sent to their topic again, or laid aside.

Nothing is edited: what was done about a letter is a note behind it on its topic, and a record
that is sent again is a new record on the topic it came from, marked with when, by whom and why.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from shared.contracts.dead_letters import (
    DEAD_LETTER_TOPICS,
    NOTE_TYPE,
    REDRIVABLE,
    Letter,
    Letters,
    OpenLetters,
    open_letters,
)
from shared.contracts.envelope import Envelope, rfc3339
from shared.contracts.errors import Refused, Unavailable
from shared.contracts.messages import DeadLetterNote, LetterState, Position
from shared.runtime.dead_letter_watch import take
from shared.runtime.kafka import KafkaAddress, Partition, offset_bounds, scan
from shared.runtime.kafka_exact import ExactWriter, RawRecord, exact_writer
from shared.runtime.kafka_live import offsets_at
from tallystick.records_again import Again, append_again, record_of, records_at
from tallystick.spans import newest_spans

# Letters and notes that are read where not all of them are asked for: the newest ones.
LOOKED_AT_MAX: Final = 20_000
# By how much two brokers' clocks may differ.
_CLOCKS_APART: Final = timedelta(minutes=5)
# Records held in memory while they are sent; each may be as large as a topic takes.
_AT_ONCE: Final = 20
_CLIENT: Final = "tallystick-dead-letters"


class NotRedrivable(Refused):
    """A letter whose record must not be sent to its topic again."""

    reason = "not_redrivable"


@dataclass(frozen=True, slots=True)
class Redriven:
    """A record that stands on its topic once more, and the letters that were about it."""

    letters: tuple[Letter, ...]
    to: Position


@dataclass(frozen=True, slots=True)
class Looked:
    """Letters with their notes, and how many older letters and notes nobody has looked at.

    A note stands behind its letter in the letter's partition, so of a letter that was read every
    note was read as well.
    """

    letters: Letters
    unread: int


@dataclass(frozen=True, slots=True)
class OpenNow:
    """What is open: by topic and reason, and how many records all of it is about."""

    found: tuple[OpenLetters, ...]
    records: int
    unread: int

    @property
    def letters(self) -> int:
        """How many letters are open."""
        return sum(each.count for each in self.found)


async def letters_on(
    kafka: KafkaAddress,
    *,
    records_max: int = LOOKED_AT_MAX,
    parked_until: datetime | None = None,
    parked_since: datetime | None = None,
) -> Looked:
    """The letters with their notes: of what was parked in a time, the newest ones.

    ``records_max`` 0 reads all of that time. What came after ``parked_until`` is read too: the
    notes of what came before may be there.

    Raises:
        Unavailable: Kafka does not answer.
    """
    first, end = await offset_bounds(kafka, DEAD_LETTER_TOPICS)
    begin, until = dict(first), dict(end)
    if parked_since is not None:
        begin |= await offsets_at(kafka, DEAD_LETTER_TOPICS, parked_since - _CLOCKS_APART)
    if parked_until is not None:
        until |= await offsets_at(kafka, DEAD_LETTER_TOPICS, parked_until + _CLOCKS_APART)
    wanted = {p: (min(begin[p], until[p]), until[p]) for p in end}
    newest, unread = newest_spans(wanted, records_max or sum(end.values()))
    letters = Letters()
    spans = {p: (at, end[p]) for p, (at, _) in newest.items()}
    async with aclosing(scan(kafka, spans)) as batches:
        async for batch in batches:
            for record in batch:
                take(letters, record)
    return Looked(letters, unread)


async def letters_about(kafka: KafkaAddress, positions: Sequence[Position]) -> Letters:
    """The letters at positions, or of the records there, and all others of the same records.

    No letter is older than its record, so the topics are read from the oldest record's time on;
    whole, where a record is no longer there to be asked.

    Raises:
        Unavailable: Kafka does not answer.
    """
    named = Letters()
    for at, record in (
        await records_at(kafka, [at for at in positions if at.topic in DEAD_LETTER_TOPICS])
    ).items():
        take(named, record_of(at, record))
    sources = [each.said.position for each in named.all()]
    sources += [at for at in positions if at.topic not in DEAD_LETTER_TOPICS]
    if not sources:
        return named
    told = await records_at(kafka, sources)
    since = None
    if all(at in told for at in sources):
        oldest = min(record.timestamp_ms for record in told.values())
        since = datetime.fromtimestamp(oldest / 1000, UTC)
    return (await letters_on(kafka, records_max=0, parked_since=since)).letters


async def open_now(kafka: KafkaAddress, *, seconds_max: float) -> OpenNow:
    """The open letters among the newest ones, counted.

    Raises:
        Unavailable: Kafka does not answer, or not in time.
    """
    try:
        async with asyncio.timeout(seconds_max):
            looked = await letters_on(kafka)
    except TimeoutError:
        raise Unavailable(f"the dead letters were not counted in {seconds_max:g} s") from None
    letters = looked.letters.all()
    return OpenNow(
        tuple(open_letters(letters)),
        len({each.source for each in letters if each.is_open}),
        looked.unread,
    )


def require_redrivable(letters: Iterable[Letter]) -> None:
    """Refuse letters of records that a service of ours derived.

    Raises:
        NotRedrivable: One of them is such.
    """
    for letter in letters:
        topic = letter.said.position.topic
        if topic not in REDRIVABLE:
            raise NotRedrivable(
                f"{letter.place} is of {topic}, which a service of ours writes and numbers: mend"
                " the reader, then read the topic again where the record stands"
            )


async def redrive(
    kafka: KafkaAddress, letters: Sequence[Letter], *, by: str, at: datetime
) -> AsyncGenerator[Redriven, None]:
    """Send the records of letters to their topics again: each once, however many letters it has.

    The record is read where it stands, so key, headers and bytes are its own; four headers say
    that it was sent again. Should this end half-way, a record may have been sent whose letter is
    still open; whoever reads it drops a repeat.

    Raises:
        NotRedrivable: A record is of a derived topic, is gone, or is not the letter's.
        Unavailable: Kafka does not answer.
    """
    require_redrivable(letters)
    of_source: dict[str, list[Letter]] = defaultdict(list)
    for letter in letters:
        of_source[letter.source].append(letter)
    groups = list(of_source.values())
    async with exact_writer(kafka, client_id=_CLIENT) as writer:
        for begin in range(0, len(groups), _AT_ONCE):
            part = groups[begin : begin + _AT_ONCE]
            places = [group[0].said.position for group in part] + [g[0].places[0] for g in part]
            known = await records_at(kafka, places)
            for group in part:
                to = await _redriven(writer, group, known, by=by, at=at)
                yield Redriven(tuple(group), to)


async def _redriven(
    writer: ExactWriter,
    group: Sequence[Letter],
    known: Mapping[Position, RawRecord],
    *,
    by: str,
    at: datetime,
) -> Position:
    letter = group[0]
    source = letter.said.position
    record, copy = known.get(source), known.get(letter.places[0])
    if record is None or copy is None:
        raise NotRedrivable(
            f"{letter.source} is no longer on the broker: restore the topic from its archive first"
        )
    stands, kept = record.value or b"", copy.value or b""
    if stands != kept and not (letter.is_truncated and stands.startswith(kept)):
        raise NotRedrivable(f"{letter.source} is not the record that {letter.place} is of")
    to = await append_again(
        writer,
        source,
        record,
        Again(attempt=letter.said.attempt + 1, sent_from=letter.place, by=by, at=at),
    )
    for each in group:
        await _note(writer, each, LetterState.REDRIVEN, by=by, at=at, to=to)
    return to


async def park(
    kafka: KafkaAddress, letters: Iterable[Letter], *, by: str, at: datetime, note: str
) -> None:
    """Say of letters that somebody has looked at them and that they stay.

    Raises:
        Unavailable: Kafka does not answer.
    """
    async with exact_writer(kafka, client_id=_CLIENT) as writer:
        for letter in letters:
            await _note(writer, letter, LetterState.PARKED, by=by, at=at, note=note)


async def _note(
    writer: ExactWriter,
    letter: Letter,
    state: LetterState,
    *,
    by: str,
    at: datetime,
    note: str = "",
    to: Position | None = None,
) -> None:
    said = DeadLetterNote(
        position=letter.said.position, state=state, at=at, by=by, note=note, redriven_to=to
    )
    envelope = Envelope(
        id=f"{letter.source}:{state}:{rfc3339(at)}",
        source="tallystick/dead-letters",
        type=NOTE_TYPE,
        time=at,
        data=said.model_dump_json().encode(),
        subject=letter.source,
    )
    # Into the letter's own partition, so that it is read behind it.
    where = letter.places[0]
    record = RawRecord(
        offset=-1,
        timestamp_ms=round(time.time() * 1000),
        key=letter.key,
        value=envelope.data,
        headers=envelope.headers(),
    )
    await writer.append(Partition(where.topic, where.partition), record)


def sentence(now: OpenNow) -> str:
    """The open letters in one line: how many records wait, since when, and why."""
    among = f"among the newest {LOOKED_AT_MAX}; {now.unread} older ones were not looked at"
    if not now.found:
        return f"none is open {among}" if now.unread else "none is open"
    oldest = min(each.oldest for each in now.found).astimezone(UTC)
    reasons = ", ".join(f"{each.count} {each.reason} ({each.topic})" for each in now.found)
    records = "" if now.records == now.letters else f" about {now.records} records"
    said = f"{now.letters} open{records} since {oldest:%Y-%m-%d %H:%M}Z: {reasons}"
    return f"{said}; {among}" if now.unread else said
