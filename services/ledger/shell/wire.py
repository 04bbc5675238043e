"""Journal rows as the records that tell of them: the shapes are those of the contract's models.

Built without the models, since every entry passes here; a test holds both to the same bytes.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

import orjson

from services.ledger.shell.booking.rows import Columns
from shared.contracts.envelope import Envelope, rfc3339
from shared.contracts.messages import EntryBooked, Outcome, Progress
from shared.contracts.schemas import type_of
from shared.contracts.topics import (
    LEDGER_DEAD_LETTERS,
    LEDGER_ENTRIES,
    LEDGER_OUTCOMES,
    LEDGER_TREE_HEADS,
    origin,
)
from shared.contracts.tree_heads import TreeHead
from shared.runtime.dead_letters import dead_letter, dead_letter_key
from shared.runtime.kafka import Partition, Publication, Record

SOURCE: Final = "tallystick/ledger"
_ENTRY_TYPE: Final = type_of(EntryBooked)
_OUTCOME_TYPE: Final = type_of(Outcome)
_PROGRESS_TYPE: Final = type_of(Progress)
_HEAD_TYPE: Final = type_of(TreeHead)


def entry_publication(row: Columns, postings: Iterable[Columns], where: Partition) -> Publication:
    """The record that tells of an entry."""
    name = origin(*where)
    recorded_at: datetime = row["recorded_at"]
    value = {
        "book": row["book"],
        "reference": row["reference"],
        "kind": row["kind"],
        "effective_at": rfc3339(row["effective_at"]),
        "recorded_at": rfc3339(recorded_at),
        "postings": [
            {
                "account": posting["account"],
                "key": posting["key"],
                "direction": posting["direction"],
                "amount": _money(posting["minor"], posting),
            }
            for posting in postings
        ],
        "description": row["description"],
        "reverses": row["reverses"],
        "rules_version": row["rules_version"],
        "caused_by": _position(where, row["caused_offset"]),
        "message_id": row["message_id"],
        "origin": name,
        "sequence": row["sequence"],
        "digest": row["digest"].hex(),
        "chain": row["chain"].hex(),
    }
    return _publication(
        LEDGER_ENTRIES,
        name,
        value,
        kind=_ENTRY_TYPE,
        ident=f"{name}#{row['sequence']}",
        subject=row["reference"],
        at=recorded_at,
        book=row["book"],
    )


def outcome_publication(row: Columns, where: Partition) -> Publication:
    """The record that tells what was not simply booked."""
    minor = row["amount_minor"]
    value = {
        "kind": "outcome",
        "outcome": row["outcome"],
        "reason": row["reason"],
        "book": row["book"],
        "subject": row["subject"],
        "detail": row["detail"],
        "reference": row["reference"],
        "amount": _money(minor, row) if minor is not None else None,
        "message_id": row["message_id"],
        "caused_by": _position(where, row["caused_offset"]),
        "recorded_at": rfc3339(row["recorded_at"]),
        "decided": row["decided"],
    }
    return _publication(
        LEDGER_OUTCOMES,
        origin(*where),
        value,
        kind=_OUTCOME_TYPE,
        ident=f"{origin(*where)}@{row['caused_offset']}.{row['ordinal']}",
        subject=row["subject"],
        at=row["recorded_at"],
        book=row["book"],
    )


def progress_publication(
    where: Partition, *, next_offset: int, sequence: int, at: datetime
) -> Publication:
    """The record that tells how far an input partition has been booked."""
    name = origin(*where)
    value = {
        "kind": "progress",
        "origin": name,
        "topic": where.topic,
        "partition": where.partition,
        "next_offset": next_offset,
        "sequence": sequence,
        "recorded_at": rfc3339(at),
    }
    return _publication(
        LEDGER_OUTCOMES,
        name,
        value,
        kind=_PROGRESS_TYPE,
        ident=f"{name}@{next_offset}",
        subject=name,
        at=at,
    )


def dead_letter_publication(row: Columns, where: Partition) -> Publication:
    """The record that carries what nothing could be made of, under its own key."""
    headers = tuple(
        (name, bytes.fromhex(value)) for name, value in orjson.loads(row["record_headers"])
    )
    at: datetime = row["recorded_at"]
    record = Record(
        topic=where.topic,
        partition=where.partition,
        offset=row["caused_offset"],
        key=row["record_key"],
        value=row["record_value"],
        headers=headers,
        timestamp_ms=round(at.timestamp() * 1000),
    )
    envelope = dead_letter(record, reason=row["reason"], detail=row["detail"], at=at)
    return Publication(LEDGER_DEAD_LETTERS, dead_letter_key(record), envelope)


def head_publication(head: TreeHead) -> Publication:
    """The record that tells of a book's trees."""
    envelope = Envelope(
        id=f"{head.book}#{head.size}",
        source=SOURCE,
        type=_HEAD_TYPE,
        time=head.made_at,
        data=head.model_dump_json().encode(),
        subject=head.book,
        extensions={"book": head.book},
    )
    return Publication(LEDGER_TREE_HEADS, head.book.encode(), envelope)


def _publication(
    topic: str,
    key: str,
    value: dict[str, Any],  # Any: JSON
    *,
    kind: str,
    ident: str,
    subject: str,
    at: datetime,
    book: str = "",
) -> Publication:
    envelope = Envelope(
        id=ident,
        source=SOURCE,
        type=kind,
        time=at,
        data=orjson.dumps(value),
        subject=subject,
        extensions={"book": book} if book else {},
    )
    return Publication(topic, key.encode(), envelope)


def _money(minor: int, row: Columns) -> dict[str, object]:
    return {"minor": str(minor), "currency": row["currency"], "exponent": row["exponent"]}


def _position(where: Partition, offset: int) -> dict[str, object]:
    return {"topic": where.topic, "partition": where.partition, "offset": offset}
