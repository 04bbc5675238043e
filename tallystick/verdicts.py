"""The door's verdicts as they were kept, on disk or on the topic, and what of them is asked for."""

import time
from array import array
from collections import Counter, deque
from collections.abc import AsyncGenerator, Iterable, Iterator
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from services.ingest.shell.verdict_folder import day_of, files_in
from shared.contracts.messages import Verdict, VerdictReason
from shared.contracts.topics import INGEST_VERDICTS
from shared.runtime.kafka import KafkaAddress, Record, end_offsets, offset_bounds, scan
from shared.runtime.kafka_live import follow, offsets_at

FOLLOW_SECONDS: Final = 0.3
# How far back each look goes when nobody says since when: most questions are about today.
_LOOKS: Final = (timedelta(hours=1), timedelta(days=1), timedelta(days=7))
_UNPRINTABLE: Final = "\N{REPLACEMENT CHARACTER}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which verdicts are asked for; what is left out selects nothing. ``limit`` 0 is all."""

    since: datetime | None = None
    until: datetime | None = None
    reason: VerdictReason | None = None
    refused_only: bool = False
    endpoint: str = ""
    peer: str = ""
    event: str = ""
    limit: int = 0

    def takes(self, verdict: Verdict) -> bool:
        """Whether a verdict is asked for."""
        return (
            (self.since is None or verdict.received_at >= self.since)
            and (self.until is None or verdict.received_at < self.until)
            and self.reason in (None, verdict.reason)
            and not (self.refused_only and verdict.reason is VerdictReason.ACCEPTED)
            and self.endpoint in ("", verdict.endpoint)
            and self.peer in ("", verdict.peer)
            and self.event in ("", verdict.event_id)
        )

    def newest(self, verdicts: Iterable[Verdict]) -> list[Verdict]:
        """The newest of those that are asked for, in the order in which they came, each once."""
        taken: dict[str, Verdict] = {}
        kept: deque[Verdict] = deque(maxlen=self.limit or None)
        for verdict in sorted(verdicts, key=lambda v: v.received_at):
            # What Kafka did not acknowledge was sent again, under the same id.
            if verdict.id and taken.setdefault(verdict.id, verdict) is not verdict:
                continue
            kept.append(verdict)
        return list(kept)


@dataclass(slots=True)
class Summary:
    """How many deliveries of each kind, and how fast."""

    reasons: Counter[str] = field(default_factory=Counter[str])
    peers: Counter[str] = field(default_factory=Counter[str])
    refused_peers: Counter[str] = field(default_factory=Counter[str])
    judged: "array[int]" = field(default_factory=lambda: array("q"))
    acked: "array[int]" = field(default_factory=lambda: array("q"))

    def add(self, verdict: Verdict) -> None:
        """Count one verdict with the deliveries that it tells of."""
        self.reasons[verdict.reason] += verdict.deliveries
        self.peers[verdict.peer] += verdict.deliveries
        if verdict.reason is not VerdictReason.ACCEPTED:
            self.refused_peers[verdict.peer] += verdict.deliveries
            return
        self.judged.append(verdict.judged_microseconds)
        self.acked.append(verdict.ack_microseconds)

    @staticmethod
    def percentile(values: "array[int]", percent: int) -> int:
        """The value below which so many of a hundred are; 0 of none."""
        ordered = sorted(values)
        return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)] if ordered else 0


def verdict_of(line: bytes) -> Verdict | None:
    """The verdict of a line; ``None`` where it tells of something else."""
    try:
        return Verdict.model_validate_json(line)
    except ValidationError:
        return None


def on_disk(folder: Path, wanted: Wanted) -> Iterator[Verdict]:
    """The verdicts of a folder that are asked for, the newest file first, in no other order.

    It ends with the file by which there are as many as asked for.

    Raises:
        OSError: The folder cannot be read.
    """
    count = 0
    for path in reversed(files_in(folder)):
        if wanted.limit and count >= wanted.limit:
            return
        # What came on a later day is in no file of an earlier one.
        if wanted.since is not None and day_of(path) < wanted.since.astimezone(UTC).date():
            continue
        with path.open("rb") as file:
            for line in file:
                verdict = verdict_of(line)
                if verdict is not None and wanted.takes(verdict):
                    count += 1
                    yield verdict


def following_disk(folder: Path, wanted: Wanted) -> Iterator[Verdict]:
    """The verdicts that are written from now on, until the caller leaves.

    Raises:
        OSError: The folder cannot be read.
    """
    read = {path: path.stat().st_size for path in files_in(folder)}
    while True:
        came = False
        for path in files_in(folder):
            at = read.get(path, 0)
            if path.stat().st_size <= at:
                continue
            with path.open("rb") as file:
                file.seek(at)
                # What has no end yet is read once it has.
                whole, _, _ = file.read().rpartition(b"\n")
            read[path] = at + len(whole) + bool(whole)
            for line in whole.splitlines():
                came = True
                verdict = verdict_of(line)
                if verdict is not None and wanted.takes(verdict):
                    yield verdict
        if not came:
            time.sleep(FOLLOW_SECONDS)  # follows until Ctrl-C


async def on_topic(kafka: KafkaAddress, wanted: Wanted, *, now: datetime) -> list[Verdict]:
    """The verdicts on the topic that are asked for, in no order.

    Without a beginning the topic is looked at backwards until there are as many as asked for.

    Raises:
        Unavailable: Kafka does not answer.
    """
    first, end = await offset_bounds(kafka, [INGEST_VERDICTS])
    looks: list[datetime | None] = [now - look for look in _LOOKS] if wanted.limit else []
    found: list[Verdict] = []
    for since in [wanted.since] if wanted.since is not None else [*looks, None]:
        begin = first if since is None else await offsets_at(kafka, [INGEST_VERDICTS], since)
        found.clear()
        spans = {p: (max(begin.get(p, 0), first[p]), end[p]) for p in end}
        async with aclosing(scan(kafka, spans)) as batches:
            async for batch in batches:
                found += _of_records(batch, wanted)
        if wanted.limit and len(found) >= wanted.limit:
            break
    return found


async def following_topic(kafka: KafkaAddress, wanted: Wanted) -> AsyncGenerator[Verdict, None]:
    """The verdicts that come onto the topic from now on, until the caller closes it.

    Raises:
        Unavailable: Kafka does not answer.
    """
    ends = await end_offsets(kafka, [INGEST_VERDICTS])
    async with aclosing(follow(kafka, ends)) as batches:
        async for batch in batches:
            for verdict in _of_records(batch, wanted):
                yield verdict


def _of_records(records: Iterable[Record], wanted: Wanted) -> Iterator[Verdict]:
    for record in records:
        verdict = verdict_of(record.value)
        if verdict is not None and wanted.takes(verdict):
            yield verdict


def printable(text: str) -> str:
    """A text that cannot move a terminal's cursor."""
    return "".join(letter if letter.isprintable() else _UNPRINTABLE for letter in text)


def row(verdict: Verdict) -> tuple[str, ...]:
    """A verdict as a row of a table."""
    detail = verdict.detail
    if verdict.deliveries > 1:
        detail = f"{verdict.deliveries} deliveries; {detail}"
    took = f"{verdict.judged_microseconds / 1000:.1f}+{verdict.ack_microseconds / 1000:.1f}"
    cells = (
        f"{verdict.received_at:%Y-%m-%d %H:%M:%S}Z",
        str(verdict.status),
        verdict.reason,
        verdict.endpoint or "-",
        verdict.peer or "-",
        str(verdict.body_bytes),
        took,
        verdict.event_id or "-",
        detail,
    )
    return tuple(printable(cell) for cell in cells)


HEAD: Final = ("came", "answer", "said", "endpoint", "peer", "bytes", "ms", "event", "")
