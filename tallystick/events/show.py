"""Deliveries as a person reads them, and as a program does."""

import base64
import json
from collections.abc import Sequence
from datetime import UTC, datetime

from services.ingest.stored_events import StoredEvent
from shared.contracts.envelope import rfc3339
from shared.runtime.kafka import Record
from tallystick.events.proof import Proof
from tallystick.events.selection import Place

Json = dict[str, object]


def instant(at: datetime) -> str:
    """A time to the second, in UTC."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def table(events: Sequence[StoredEvent]) -> list[str]:
    """One line a delivery, in columns; the account only where several are seen."""
    has_accounts = len({event.account for event in events}) > 1
    rows = [("came", "type", "id", "object", "via", "position")]
    rows += [
        (
            instant(event.appended_at),
            event.event_type or "?",
            event.event_id,
            event.object_id,
            event.via.value,
            str(Place.of(event)),
        )
        for event in events
    ]
    accounts = ["account", *(event.account for event in events)]
    lines = [(*row, account) for row, account in zip(rows, accounts, strict=True)]
    shown = lines if has_accounts else rows
    return aligned(shown)


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows as lines whose columns stand beneath one another."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def line(event: StoredEvent) -> str:
    """A delivery that has just come, in one line."""
    return (
        f"{instant(event.appended_at)}  {event.event_type or '?':32}  {event.event_id}"
        f"  {event.object_id}  {event.via.value}  {Place.of(event)}"
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
