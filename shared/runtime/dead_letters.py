"""Dead letters: a record that cannot be read, with its bytes, why, and where it stands."""

from datetime import datetime
from typing import Final

import orjson

from shared.contracts.dead_letters import LETTER_TYPE
from shared.contracts.envelope import Envelope, Headers
from shared.contracts.messages import DeadLetter, Position
from shared.contracts.topics import RECORD_BYTES_MAX
from shared.runtime.kafka import Record

TYPE: Final = LETTER_TYPE
# What marks a record that was sent to its topic again. Its other headers are as they were.
ATTEMPT_HEADER: Final = "ce_redriveattempt"
_ATTEMPT_DIGITS_MAX: Final = 6
_DETAIL_LENGTH_MAX: Final = 1_000
_HEADER_LENGTH_MAX: Final = 2_048
_HEADERS_MAX: Final = 16
_KEY_BYTES_MAX: Final = 1_024
# All of the above and the framing fit beside the bytes, or the letter would be refused in turn.
_BESIDE_BYTES_MAX: Final = 256 * 1024
_VALUE_BYTES_MAX: Final = RECORD_BYTES_MAX - _BESIDE_BYTES_MAX


def dead_letter(record: Record, *, reason: str, detail: str, at: datetime) -> Envelope:
    """The envelope to publish for a record: its bytes as data, the rest as extensions.

    ``deadletter`` is the ``DeadLetter`` as JSON; ``sourceheaders`` the beginning of the
    record's own headers as text; ``sourcekey`` that of its key in hex; ``truncated`` is ``true``
    when the bytes did not fit. The id is the record's place, so a letter that comes twice is seen
    to be one.
    """
    said = DeadLetter(
        reason=reason,
        detail=detail[:_DETAIL_LENGTH_MAX],
        position=Position(topic=record.topic, partition=record.partition, offset=record.offset),
        parked_at=at,
        attempt=attempts_of(record.headers),
    )
    headers = {
        name[:_HEADER_LENGTH_MAX]: value[:_HEADER_LENGTH_MAX].decode(errors="replace")
        for name, value in record.headers[:_HEADERS_MAX]
    }
    extensions = {
        "deadletter": said.model_dump_json(),
        "sourceheaders": orjson.dumps(headers).decode(),
        "sourcekey": (record.key or b"")[:_KEY_BYTES_MAX].hex(),
    }
    if len(record.value) > _VALUE_BYTES_MAX:
        extensions["truncated"] = "true"
    return Envelope(
        id=record.position,
        source=record.topic,
        type=TYPE,
        time=at,
        data=record.value[:_VALUE_BYTES_MAX],
        extensions=extensions,
    )


def attempts_of(headers: Headers) -> int:
    """How often a record with these headers had been sent to its topic again."""
    for name, value in headers:
        if name == ATTEMPT_HEADER:
            return int(value) if value.isdigit() and len(value) <= _ATTEMPT_DIGITS_MAX else 0
    return 0


def dead_letter_key(record: Record) -> bytes | None:
    """The key to publish a letter under: the record's own, unless that is monstrous."""
    return record.key if len(record.key or b"") <= _KEY_BYTES_MAX else None


def dead_letter_of(envelope: Envelope) -> DeadLetter:
    """What a dead letter says of its record."""
    return DeadLetter.model_validate_json(envelope.extension("deadletter"))
