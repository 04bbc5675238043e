"""Deliveries as a person reads them, and as a program does."""

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from services.ingest.stored_events import StoredEvent, Via
from shared.contracts.envelope import rfc3339
from shared.runtime.kafka import Record
from tallystick.events.proof import Proof
from tallystick.events.selection import Place

Json = dict[str, object]


def instant(at: datetime) -> str:
    """A time to the second, in UTC."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ")


@dataclass(frozen=True, slots=True)
class _Layout:
    """How much of a delivery its line shows; an id is never cut, for it is there to be copied."""

    has_year: bool = True
    has_topic: bool = True
    has_position: bool = True
    has_via: bool = True
    type_length_max: int = 0


_WIDE: Final = _Layout()
_SHORT: Final = _Layout(has_year=False, has_topic=False)
# Down to the least; the first that fits is taken.
_NARROWER: Final = (
    _Layout(has_topic=False),
    _SHORT,
    replace(_SHORT, has_via=False),
    replace(_SHORT, has_via=False, type_length_max=24),
    replace(_SHORT, has_via=False, has_position=False),
    replace(_SHORT, has_via=False, has_position=False, type_length_max=20),
    replace(_SHORT, has_via=False, has_position=False, type_length_max=12),
)


def table(events: Sequence[StoredEvent], *, width: int = 0) -> list[str]:
    """One line a delivery, in columns, as wide as that at most where it can be; 0: any width.

    The account stands there only where several are seen.
    """
    lines = aligned(_rows(events, _WIDE))
    for layout in _NARROWER:
        if not width or max(map(len, lines)) <= width:
            break
        lines = aligned(_rows(events, layout))
    return lines


def _rows(events: Sequence[StoredEvent], layout: _Layout) -> list[list[str]]:
    # That all came by webhook need not be said on each line; that one did not, must.
    has_via = layout.has_via or {event.via for event in events} != {Via.WEBHOOK}
    has_accounts = len({event.account for event in events}) > 1
    columns = [
        ["came" if layout.has_year else "came, UTC", *(_came(e, layout) for e in events)],
        ["type", *(_cut(e.event_type or "?", layout.type_length_max) for e in events)],
        ["id", *(_harmless(e.event_id) for e in events)],
        ["object", *(_harmless(e.object_id) for e in events)],
    ]
    if has_via:
        columns.append(["via", *(e.via.value for e in events)])
    if layout.has_position:
        columns.append(["position", *(_position(e, layout) for e in events)])
    if has_accounts:
        columns.append(["account", *(_harmless(e.account) for e in events)])
    return [list(row) for row in zip(*columns, strict=True)]


def _came(event: StoredEvent, layout: _Layout) -> str:
    at = event.appended_at.astimezone(UTC)
    return instant(at) if layout.has_year else at.strftime("%m-%d %H:%M:%S")


def _cut(text: str, length_max: int) -> str:
    text = _harmless(text)
    return text if len(text) <= length_max or not length_max else text[: length_max - 1] + "…"


def _position(event: StoredEvent, layout: _Layout) -> str:
    place = Place.of(event)
    return str(place) if layout.has_topic else place.short


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows as lines whose columns stand beneath one another."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def line(event: StoredEvent) -> str:
    """A delivery that has just come, in one line."""
    came = event.appended_at.astimezone(UTC)
    # What differs in length stands last, so that the ids stand beneath one another.
    return (
        f"{came:%H:%M:%SZ}  {_harmless(event.event_id)}  {_harmless(event.object_id):28}"
        f"  {event.via.value:7}  {Place.of(event).short:8}  {_harmless(event.event_type) or '?'}"
    )


def as_json(event: StoredEvent) -> Json:
    """A delivery as data."""
    return {
        "position": str(Place.of(event)),
        "id": event.event_id,
        "form": event.form.value,
        "type": event.event_type,
        "account": event.account,
        "object": event.object_id,
        "created": None if event.created is None else rfc3339(event.created),
        "received_at": rfc3339(event.received_at),
        "appended_at": rfc3339(event.appended_at),
        "via": event.via.value,
        "endpoint": event.endpoint,
        "book": event.book,
        "livemode": event.livemode,
        "foreign": event.is_foreign,
        "resent_from": event.resent_from,
    }


def delivery(event: StoredEvent, record: Record, proof: Proof, *, number: int, of: int) -> str:
    """One stored delivery with its headers, its proof and its body."""
    how = event.via.value + (f" of {event.resent_from}" if event.resent_from else "")
    facts = [
        ("came", f"{rfc3339(event.received_at)} at the endpoint {event.endpoint}, {how}"),
        ("appended", rfc3339(event.appended_at)),
        ("created", "not said" if event.created is None else rfc3339(event.created)),
        ("type", f"{event.event_type or 'not said'} ({event.form})"),
        ("account", event.account or "the endpoint's own"),
        ("object", event.object_id),
        ("book", event.book + (", of an account that is not ours" if event.is_foreign else "")),
        ("mode", "live" if event.livemode else "test"),
        ("bytes", f"{len(record.value)}, SHA-256 {proof.sha256}"),
        ("proof", f"{proof.standing.value}: {proof.detail}"),
    ]
    headers = [f"    {name}: {_text(value)}" for name, value in record.headers]
    return "\n".join(
        [
            f"{event.event_id}  delivery {number} of {of}  {record.position}",
            *(f"  {name:9} {value}" for name, value in facts),
            "  headers",
            *headers,
            "  body",
            _pretty(record.value),
        ]
    )


def delivery_json(event: StoredEvent, record: Record, proof: Proof) -> Json:
    """The same as data; the body byte for byte, in base64."""
    return as_json(event) | {
        "headers": {name: _text(value) for name, value in record.headers},
        "proof": {
            "standing": proof.standing.value,
            "detail": proof.detail,
            "secret": proof.secret,
            "signed_at": proof.signed_at,
        },
        "sha256": proof.sha256,
        "body_b64": base64.b64encode(record.value).decode(),
    }


def _text(value: bytes) -> str:
    return _harmless(value.decode("utf-8", "replace"))


def _harmless(text: str) -> str:
    """Text without what would steer a terminal: somebody else has written it."""
    return "".join(c if c.isprintable() else "\ufffd" for c in text)


def _pretty(body: bytes) -> str:
    try:
        text = json.dumps(json.loads(body), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        text = repr(body)
    return "\n".join(f"    {_harmless(each)}" for each in text.split("\n"))
