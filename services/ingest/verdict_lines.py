"""What was said of a delivery, as the one line of JSON that goes to the topic and to disk.

The fields are those of ``Verdict``. It is built without that model: each delivery makes one, and
the model costs ten times as much; a test holds both to the same bytes.
"""

import json
from datetime import datetime
from typing import NamedTuple

import orjson

from shared.contracts.messages import VerdictReason


class Said(NamedTuple):
    """One verdict as the door makes it; what the fields mean is told by ``Verdict``."""

    endpoint: str
    reason: VerdictReason
    status: int
    received_at: datetime
    peer: str = ""
    event_id: str = ""
    event_type: str = ""
    body_sha256: str = ""
    body_bytes: int = 0
    secret_id: str = ""
    detail: str = ""
    deliveries: int = 1
    judged_microseconds: int = 0
    ack_microseconds: int = 0


def line_of(said: Said, *, ident: str, book: str) -> bytes:
    """The line, without its end."""
    value: dict[str, object] = {
        "endpoint": said.endpoint,
        "reason": said.reason,
        "status": said.status,
        "received_at": said.received_at,
        "peer": said.peer,
        "event_id": said.event_id,
        "event_type": said.event_type,
        "body_sha256": said.body_sha256,
        "body_bytes": said.body_bytes,
        "secret_id": said.secret_id,
        "detail": said.detail,
        "deliveries": said.deliveries,
        "judged_microseconds": said.judged_microseconds,
        "ack_microseconds": said.ack_microseconds,
        "id": ident,
        "book": book,
    }
    try:
        return orjson.dumps(value, option=orjson.OPT_UTC_Z)
    except TypeError:
        # Half a surrogate pair in a text; json writes it as an escape.
        value["received_at"] = said.received_at.isoformat()
        return json.dumps(value, separators=(",", ":")).encode()
