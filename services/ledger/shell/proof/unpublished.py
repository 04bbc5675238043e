"""The journal's tail: the entries behind the last that was published, and what tells of them."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final

from pydantic import ValidationError

from services.ledger.proof.proving import Anchor, Finding
from services.ledger.proof.unpublished import (
    Mark,
    Message,
    Unpublished,
    cause_problem,
    passed_problem,
    position_problem,
)
from services.ledger.shell.booking.rows import Columns
from services.ledger.shell.queries import SQL
from shared.contracts.errors import Refused
from shared.contracts.messages import Progress
from shared.contracts.schemas import type_of
from shared.contracts.topics import LEDGER_OUTCOMES
from shared.contracts.topics import origin as origin_name
from shared.runtime.kafka import KafkaAddress, Partition, Record, offset_bounds, scan
from shared.runtime.postgres import Tx

# A publisher that lags by more has its last entries looked at, not all of them.
TAIL_MAX: Final = 5_000
_WINDOW_FIRST: Final = 1_000
_PROGRESS_TYPE: Final = type_of(Progress).encode()


async def hear_marks(kafka: KafkaAddress, origins: AbstractSet[str]) -> dict[str, Mark]:
    """The last progress mark of each origin, read from the topic's end backwards.

    Raises:
        Unavailable: Kafka is away.
    """
    first, end = await offset_bounds(kafka, (LEDGER_OUTCOMES,))
    found: dict[str, Mark] = {}
    before, window = dict(end), _WINDOW_FIRST
    while origins - found.keys() and any(before[p] > first[p] for p in end):
        spans = {p: (max(first[p], before[p] - window), before[p]) for p in end}
        async for batch in scan(kafka, spans):
            for record in batch:
                mark = _mark_of(record)
                if mark is not None:
                    known = found.get(mark[0])
                    if known is None or known.next_offset < mark[1].next_offset:
                        found[mark[0]] = mark[1]
        before = {p: since for p, (since, _) in spans.items()}
        window *= 8
    return found


def _mark_of(record: Record) -> tuple[str, Mark] | None:
    if ("ce_type", _PROGRESS_TYPE) not in record.headers:
        return None
    try:
        told = Progress.model_validate_json(record.value)
    except ValidationError:
        return None
    return told.origin, Mark(told.next_offset, told.sequence, record.position)


async def begun_origins(tx: Tx) -> list[str]:
    """The origins of which something has been booked or passed."""
    return [
        origin_name(head["topic"], head["partition"])
        for head in await tx.fetch(SQL["verify_origins"])
        if head["next_offset"]
    ]


@dataclass(frozen=True, slots=True)
class _Source:
    """An origin's input partition: from where to where it goes now."""

    kafka: KafkaAddress
    place: Partition
    first: int
    end: int


async def tail_findings(
    tx: Tx,
    heads: Sequence[Columns],
    kafka: KafkaAddress | None,
    marks: Mapping[str, Mark],
    anchors: Mapping[str, Sequence[Anchor]],
) -> list[Finding]:
    """What of each origin stands behind the last that was published and cannot.

    Raises:
        Unavailable: Kafka or Postgres is away.
    """
    found: list[Finding] = []
    sources: dict[Partition, _Source] = {}
    if kafka is not None:
        # Asked after the snapshot was taken: what caused an entry of it was there before.
        first, end = await offset_bounds(kafka, sorted({head["topic"] for head in heads}))
        sources = {p: _Source(kafka, p, first[p], end[p]) for p in end}
    for head in heads:
        name = origin_name(head["topic"], head["partition"])
        source = sources.get(Partition(head["topic"], head["partition"]))
        mark = marks.get(name)
        ends_at = source.end if source is not None else None
        if said := position_problem(head["next_offset"] or 0, mark, ends_at):
            found.append(Finding(name, 0, "", said))
        noted = Mark(
            head["published_next_offset"], head["published_sequence"], "what is noted as published"
        )
        odd = await _first_passed(tx, head["origin_id"], [m for m in (mark, noted) if m])
        known = max((anchor.sequence for anchor in anchors.get(name, ())), default=0)
        if odd is None and source is not None and head["sequence"] > known:
            odd = await _first_without_cause(tx, head, known, source)
        if odd is not None:
            found.append(Finding(name, odd[0].sequence, odd[0].reference, odd[1]))
    return found


async def _first_passed(
    tx: Tx, origin_id: int, marks: Sequence[Mark]
) -> tuple[Unpublished, str] | None:
    for mark in marks:
        rows = await tx.fetch(
            SQL["verify_passed_unpublished"], origin_id, mark.sequence, mark.next_offset
        )
        for row in rows:
            entry = Unpublished(*row)
            return entry, passed_problem(entry, mark)
    return None


async def _first_without_cause(
    tx: Tx, head: Columns, known: int, source: _Source
) -> tuple[Unpublished, str] | None:
    """The first entry of the tail whose message is not there, or is another."""
    after = max(known, head["sequence"] - TAIL_MAX)
    rows = await tx.fetch(SQL["verify_unpublished"], head["origin_id"], after, TAIL_MAX)
    tail = [Unpublished(*row) for row in rows]
    asked = [e.caused_offset for e in tail if source.first <= e.caused_offset < source.end]
    messages: dict[int, Message] = {}
    if asked:
        async for batch in scan(source.kafka, {source.place: (min(asked), max(asked) + 1)}):
            messages.update((record.offset, _message_of(record)) for record in batch)
    for entry in tail:
        if said := cause_problem(entry, messages, first=source.first, end=source.end):
            return entry, said
    return None


def _message_of(record: Record) -> Message:
    """As the ledger names it: by its id, or by its place where it has none."""
    try:
        return Message(record.envelope().id, record.appended_at)
    except Refused:
        return Message(record.position, record.appended_at)
