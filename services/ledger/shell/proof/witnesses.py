"""What the topics say of the journal: heads that were signed, links that were published.

Whoever has every right in the database has none there. Where the journal turns out not to be what
was published, the first entry that differs is found on ``ledger.entries``, field by field.
"""

from collections.abc import Collection, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

import orjson
from pydantic import JsonValue, ValidationError

from services.ledger.proof.proving import Anchor, Anchors, Finding, differences
from services.ledger.proof.tree_heads import HeadsSeen, inner_problem
from services.ledger.shell.booking.rows import Columns
from services.ledger.shell.proof.signing import is_signed
from services.ledger.shell.queries import SQL
from services.ledger.shell.wire import entry_publication
from shared.contracts.messages import EntryBooked
from shared.contracts.topics import LEDGER_ENTRIES, LEDGER_TREE_HEADS
from shared.contracts.tree_heads import TreeHead, key_id_of
from shared.runtime.kafka import KafkaAddress, Partition, Record, offset_bounds, scan
from shared.runtime.kafka_live import offsets_at
from shared.runtime.kafka_whole import whole
from shared.runtime.postgres import Tx

# How much longer than the last head's age links are looked for: clocks, and a publisher that lags.
LINKS_BEFORE: Final = timedelta(minutes=10)
CLOCKS_APART: Final = timedelta(minutes=1)
FINDINGS_MAX: Final = 20
_ID: Final = "ce_id"


@dataclass(slots=True)
class Witnesses:
    """What was heard: anchors to hold the journal against, and what speaks against itself."""

    keys: Collection[str]
    anchors: Anchors = field(default_factory=Anchors)
    findings: list[Finding] = field(default_factory=list[Finding])
    heads: int = 0
    unsigned: int = 0
    links: int = 0
    links_since: datetime | None = None
    last: dict[str, TreeHead] = field(default_factory=dict[str, TreeHead])
    _seen: HeadsSeen = field(default_factory=HeadsSeen)

    def head(self, head: TreeHead, witness: str) -> None:
        """Take in a head; one that is not to be trusted anchors nothing."""
        self.heads += 1
        name = f"head of book {head.book} with {head.size} entries, {witness}"
        if said := inner_problem(head) or self._signature_problem(head):
            self._found(name, said)
            return
        if not head.signature:
            self.unsigned += 1
        if said := self._seen.take(head):
            self._found(name, said)
        if head.book not in self.last or self.last[head.book].size < head.size:
            self.last[head.book] = head
        for each in head.origins:
            anchor = Anchor(each.sequence, each.chain, name, head.book, each.size, each.root)
            self.anchors.add(each.origin, anchor)

    def _signature_problem(self, head: TreeHead) -> str:
        if not head.signature:
            return ""
        if not is_signed(head):
            return f"its signature by {head.public_key or 'nobody'} does not hold"
        if self.keys and head.public_key not in self.keys:
            return (
                f"it is signed by {head.public_key} (key id {key_id_of(head.public_key)}), which is"
                " no key of ours; if it is, name it in TALLYSTICK_LEDGER_TREE_HEAD_PUBLIC_KEYS"
            )
        return ""

    def _found(self, name: str, said: str) -> None:
        if len(self.findings) < FINDINGS_MAX:
            self.findings.append(Finding("", 0, "", f"the {name}: {said}"))

    async def hear_heads(self, kafka: KafkaAddress) -> None:
        """Take in every head on the topic.

        Raises:
            Unavailable: Kafka is away.
        """
        async for record in whole(kafka, (LEDGER_TREE_HEADS,)):
            try:
                head = TreeHead.model_validate_json(record.value)
            except ValidationError:
                self._found(f"record {record.position}", "it is no tree head")
                continue
            self.head(head, record.position)

    async def hear_links(self, kafka: KafkaAddress, *, whole: bool) -> None:
        """Take in the last published link of each origin: since the last head, or all.

        Raises:
            Unavailable: Kafka is away.
        """
        first, end = await offset_bounds(kafka, (LEDGER_ENTRIES,))
        begin: Mapping[Partition, int] = first
        if self.last and not whole:
            self.links_since = max(h.made_at for h in self.last.values()) - LINKS_BEFORE
            begin = await offsets_at(kafka, (LEDGER_ENTRIES,), self.links_since)
        last: dict[str, tuple[int, Record]] = {}
        spans = {p: (max(begin.get(p, 0), first[p]), end[p]) for p in end}
        async for batch in scan(kafka, spans):
            for record in batch:
                self.links += 1
                origin, sequence = _place_of(record)
                if origin and sequence > last.get(origin, (0,))[0]:
                    last[origin] = (sequence, record)
        for origin, (sequence, record) in sorted(last.items(), key=lambda item: item[0]):
            self.anchors.add(origin, Anchor(sequence, _chain_of(record), record.position))


@dataclass(frozen=True, slots=True)
class Suspect:
    """A stretch of an origin in which the journal is not what was published."""

    origin_id: int
    where: Partition
    after: int
    up_to: int
    since: datetime | None


async def first_difference(tx: Tx, kafka: KafkaAddress, suspect: Suspect) -> Finding | None:
    """The first entry of a stretch that is not as it was published; ``None``: none was found.

    Raises:
        Unavailable: Kafka or Postgres is away.
    """
    origin = str(suspect.where)
    first, end = await offset_bounds(kafka, (LEDGER_ENTRIES,))
    begin: Mapping[Partition, int] = first
    if suspect.since is not None:
        begin = await offsets_at(kafka, (LEDGER_ENTRIES,), suspect.since - CLOCKS_APART)
    spans = {p: (max(begin.get(p, 0), first[p]), end[p]) for p in end}
    at = suspect.after
    async with aclosing(scan(kafka, spans)) as batches:
        async for batch in batches:
            told: dict[int, Record] = {}
            for record in batch:
                name, sequence = _place_of(record)
                if name == origin and at < sequence <= suspect.up_to:
                    told.setdefault(sequence, record)
            if not told:
                continue
            found = await _published_again(tx, suspect, min(told) - 1, max(told))
            for sequence in sorted(told):
                if said := _difference(told[sequence], found.get(sequence)):
                    return said
            at = max(told)
            if at >= suspect.up_to:
                return None
    return None


async def _published_again(
    tx: Tx, suspect: Suspect, after: int, up_to: int
) -> dict[int, dict[str, JsonValue]]:
    """Entries as they would be published now, by sequence."""
    span = ([suspect.origin_id], [after], [up_to])
    legs: dict[int, list[Columns]] = {}
    for leg in await tx.fetch(SQL["postings_between"], *span):
        legs.setdefault(leg["sequence"], []).append(leg)
    found: dict[int, dict[str, JsonValue]] = {}
    for row in await tx.fetch(SQL["entries_between"], *span):
        told = entry_publication(row, legs.get(row["sequence"], []), suspect.where)
        if told.envelope is not None:
            found[row["sequence"]] = orjson.loads(told.envelope.data)
    return found


def _difference(record: Record, found: dict[str, JsonValue] | None) -> Finding | None:
    try:
        told = EntryBooked.model_validate_json(record.value)
    except ValidationError:
        return Finding("", 0, "", f"the record {record.position} is no entry")
    place = (told.origin, told.sequence, told.reference)
    if found is None:
        return Finding(*place, f"it is missing; it was published at {record.position}")
    published: dict[str, JsonValue] = orjson.loads(record.value)
    said = differences(published, found)
    # What hangs on the rest is told only where it alone differs.
    of_content = [s for s in said if not s.startswith(("digest ", "chain "))]
    if not said:
        return None
    return Finding(*place, f"{'; '.join(of_content or said)} ({record.position})")


def _place_of(record: Record) -> tuple[str, int]:
    """Origin and sequence of a published entry, from its id, without reading the whole of it."""
    for name, value in record.headers:
        if name == _ID:
            origin, _, sequence = value.decode("utf-8", "replace").rpartition("#")
            return (origin, int(sequence)) if sequence.isdecimal() else ("", 0)
    return "", 0


def _chain_of(record: Record) -> str:
    try:
        return EntryBooked.model_validate_json(record.value).chain
    except ValidationError:
        return ""
