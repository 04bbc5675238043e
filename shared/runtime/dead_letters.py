"""Dead letters: a record that cannot be read, with its bytes, why, and where it stands."""

from datetime import datetime
from typing import Final

import orjson

from shared.contracts.envelope import Envelope
from shared.contracts.messages import DeadLetter, Position
from shared.contracts.topics import RECORD_BYTES_MAX
from shared.runtime.kafka import Record

TYPE: Final = "com.tallystick.dead-letter.v1"
_DETAIL_LENGTH_MAX: Final = 1_000
# Headers and framing must fit beside the bytes, or the letter would be refused in its turn.
_VALUE_BYTES_MAX: Final = RECORD_BYTES_MAX - 64 * 1024
_HEADER_BYTES_MAX: Final = 4_096


def dead_letter(record: Record, *, reason: str, detail: str, at: datetime) -> Envelope:
    """The envelope to publish for a record: its bytes as data, the rest as extensions.

    ``deadletter`` is the ``DeadLetter`` as JSON; ``sourceheaders`` the record's own headers, as
    far as they are text; ``sourcekey`` its key in hex; ``truncated`` is ``true`` when the bytes
    did not fit. The id is the record's place, so a letter posted twice is seen to be one.
    """
    said = DeadLetter(
        reason=reason,
        detail=detail[:_DETAIL_LENGTH_MAX],
        position=Position(topic=record.topic, partition=record.partition, offset=record.offset),
        parked_at=at,
    )
    headers = {
        name: value[:_HEADER_BYTES_MAX].decode(errors="replace") for name, value in record.headers
    }
    extensions = {
        "deadletter": said.model_dump_json(),
        "sourceheaders": orjson.dumps(headers).decode(),
        "sourcekey": (record.key or b"").hex(),
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


def dead_letter_of(envelope: Envelope) -> DeadLetter:
    """What a dead letter says of its record."""
    return DeadLetter.model_validate_json(envelope.extension("deadletter"))
