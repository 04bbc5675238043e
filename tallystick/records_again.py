"""Records by where they stand, and one of them appended to its topic once more.

What is sent again is the same record: key, headers and bytes are its own. Four headers before
them say that it was sent again, from where, by whom and when.
"""

import re
import time
from collections import defaultdict
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from shared.contracts.envelope import rfc3339
from shared.contracts.errors import Unavailable
from shared.contracts.messages import Position
from shared.contracts.topics import TOPICS
from shared.runtime.dead_letters import ATTEMPT_HEADER
from shared.runtime.kafka import KafkaAddress, Partition, Record, offset_bounds
from shared.runtime.kafka_exact import ExactWriter, RawRecord, exact_reader

_MARKS: Final = "ce_redrive"
_RUN_GAP_MAX: Final = 500
_READ_MILLISECONDS: Final = 500
_READ_RECORDS_MAX: Final = 500
_SILENCE_SECONDS_MAX: Final = 30.0
_CLIENT: Final = "tallystick-records"
_POSITION: Final = re.compile(
    r"(?P<topic>[a-z.-]{1,100})/(?P<partition>[0-9]{1,5})@(?P<offset>[0-9]{1,18})", re.ASCII
)


@dataclass(frozen=True, slots=True)
class Again:
    """That a record is sent again: the how-manieth time, from what, by whom and when.

    ``sent_from`` is the position of the dead letter that is about it, or its own.
    """

    attempt: int
    sent_from: str
    by: str
    at: datetime


def position_of(text: str) -> Position | None:
    """The position that a text names on one of our topics; ``None`` where it names none."""
    found = _POSITION.fullmatch(text)
    if found is None or found["topic"] not in TOPICS:
        return None
    partition, offset = int(found["partition"]), int(found["offset"])
    return Position(topic=found["topic"], partition=partition, offset=offset)


def record_of(at: Position, raw: RawRecord) -> Record:
    """A record as a service reads it; one without a value has no bytes."""
    return Record(
        topic=at.topic,
        partition=at.partition,
        offset=at.offset,
        key=raw.key,
        value=raw.value or b"",
        headers=tuple((name, value or b"") for name, value in raw.headers),
        timestamp_ms=raw.timestamp_ms,
    )


async def append_again(
    writer: ExactWriter, source: Position, record: RawRecord, again: Again
) -> Position:
    """Append a record to the partition that it stands in; gives where it stands then.

    Raises:
        Unavailable: Not acknowledged in time; it may have arrived.
    """
    marks = {
        ATTEMPT_HEADER: str(again.attempt),
        f"{_MARKS}nfrom": again.sent_from,
        f"{_MARKS}nby": again.by,
        f"{_MARKS}nat": rfc3339(again.at),
    }
    # Before the others: of a record with many headers a letter shows the first.
    headers: list[tuple[str, bytes | None]] = [
        (name, value.encode()) for name, value in marks.items()
    ]
    headers += [(name, value) for name, value in record.headers if name not in marks]
    sent = record._replace(timestamp_ms=round(time.time() * 1000), headers=tuple(headers))
    offset = await writer.append(Partition(source.topic, source.partition), sent)
    return Position(topic=source.topic, partition=source.partition, offset=offset)


async def records_at(
    kafka: KafkaAddress, positions: Iterable[Position]
) -> dict[Position, RawRecord]:
    """The records at these positions, exactly; one that the broker has no more is left out.

    Raises:
        Unavailable: Kafka does not answer.
    """
    asked = sorted(positions, key=lambda p: (p.topic, p.partition, p.offset))
    first, end = await offset_bounds(kafka, {p.topic for p in asked})
    runs: dict[Partition, list[list[int]]] = defaultdict(list)
    for p in asked:
        where = Partition(p.topic, p.partition)
        if not first.get(where, 0) <= p.offset < end.get(where, 0):
            continue
        if runs[where] and p.offset - runs[where][-1][-1] <= _RUN_GAP_MAX:
            runs[where][-1].append(p.offset)
        else:
            runs[where].append([p.offset])
    found: dict[Position, RawRecord] = {}
    for number in range(max(map(len, runs.values()), default=0)):
        wanted = {where: known[number] for where, known in runs.items() if number < len(known)}
        async for where, record in _read(kafka, wanted):
            found[Position(topic=where.topic, partition=where.partition, offset=record.offset)] = (
                record
            )
    return found


async def _read(
    kafka: KafkaAddress, wanted: Mapping[Partition, Sequence[int]]
) -> AsyncGenerator[tuple[Partition, RawRecord], None]:
    starts = {where: offsets[0] for where, offsets in wanted.items()}
    async with exact_reader(kafka, starts, client_id=_CLIENT) as reader:
        left = {where: offsets[-1] for where, offsets in wanted.items()}
        heard_at = time.monotonic()
        while left:
            came = await reader.more(wait_ms=_READ_MILLISECONDS, records_max=_READ_RECORDS_MAX)
            for where, records in came.items():
                for record in records:
                    if record.offset in wanted[where]:
                        yield where, record
            for where in list(left):
                if await reader.position(where) > left[where]:
                    del left[where]
            if came:
                heard_at = time.monotonic()
            elif time.monotonic() - heard_at > _SILENCE_SECONDS_MAX:
                raise Unavailable(f"Kafka is silent about {', '.join(map(str, left))}")
