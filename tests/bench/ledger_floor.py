"""The floor under the projector: the same bytes read and parsed, the same rows written, no rules.

The rows are those that the projector wrote of the same messages, taken from its database before
the clock starts. They go through the same statements, in transactions of as many messages, into
tables without the journal's guards. One process of it reads every other partition, as much at once
as the projector does, and looks for garbage as seldom.
"""

import argparse
import asyncio
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import asyncpg
import orjson
import uvloop

from services.ledger.shell.booking.books import INPUT_TOPICS
from services.ledger.shell.booking.rows import ENTRY_COLUMNS, OUTCOME_COLUMNS, POSTING_COLUMNS
from services.ledger.shell.queries import SQL
from services.ledger.shell.store import open_journal
from shared.contracts.topics import TOPICS
from shared.runtime.kafka import Partition
from shared.runtime.kafka_client import LIBRARY
from shared.runtime.kafka_group import BatchBounds
from shared.runtime.lifecycle import collect_seldom
from shared.runtime.positions import Log, move_positions
from shared.runtime.postgres import Database, Tx, set_codecs

BATCH: Final = 2_000
Row = tuple[Any, ...]  # Any: as the columns' types have it


@dataclass(slots=True)
class _Message:
    """What the projector wrote of one message."""

    entries: list[Row] = field(default_factory=list[Row])
    postings: list[Row] = field(default_factory=list[Row])
    claims: list[Row] = field(default_factory=list[Row])
    events: list[Row] = field(default_factory=list[Row])
    outcomes: list[Row] = field(default_factory=list[Row])
    sums: list[Row] = field(default_factory=list[Row])
    open: list[Row] = field(default_factory=list[Row])


Rows = dict[Partition, dict[int, _Message]]


async def rows_of(dsn: str, partitions: Sequence[Partition], before: int) -> Rows:
    """The rows of the messages of partitions before an offset, by their places."""
    connection = await asyncpg.connect(dsn)
    await set_codecs(connection)
    found: Rows = {}
    try:
        for where in partitions:
            origin = await connection.fetchval(
                "select origin_id from ledger.origins where topic = $1 and partition = $2", *where
            )
            found[where] = await _of_origin(connection, origin, before)
    finally:
        await connection.close()
    return found


async def _of_origin(
    connection: "asyncpg.Connection[asyncpg.Record]", origin: int, before: int
) -> dict[int, _Message]:
    found: defaultdict[int, _Message] = defaultdict(_Message)
    where = "where origin_id = $1 and caused_offset < $2 order by caused_offset"
    of_sequence: dict[int, tuple[int, datetime, datetime]] = {}
    entry = dict(zip(ENTRY_COLUMNS, range(len(ENTRY_COLUMNS)), strict=True))
    for row in await connection.fetch(
        f"select {', '.join(ENTRY_COLUMNS)} from ledger.entries {where}, sequence", origin, before
    ):
        told = tuple(row)
        offset = told[entry["caused_offset"]]
        found[offset].entries.append(told)
        times = told[entry["effective_at"]], told[entry["recorded_at"]]
        of_sequence[told[entry["sequence"]]] = (offset, *times)
    for row in await connection.fetch(
        f"select {', '.join(POSTING_COLUMNS)} from ledger.postings where origin_id = $1"
        " and sequence <= $2 order by sequence, ordinal",
        *(origin, max(of_sequence, default=0)),
    ):
        offset, effective_at, recorded_at = of_sequence[row["sequence"]]
        message = found[offset]
        message.postings.append(tuple(row))
        debit = row["minor"] if row["direction"] == "debit" else 0
        credit = row["minor"] - debit
        place = ("main", row["account"], row["currency"])
        days = (effective_at.date(), recorded_at.date(), origin, row["exponent"])
        message.sums.append((place, days, debit, credit))
        if row["key"]:
            key = ("main", row["account"], row["key"], row["currency"])
            message.open.append((key, row["exponent"], debit - credit, effective_at, recorded_at))
    by = "join ledger.origins using (origin_id)"
    for table, columns, into in (
        (f"claims {by}", "book, reference, digest, topic, partition, caused_offset", "claims"),
        (f"seen_events {by}", "book, identity, digest, topic, partition, caused_offset", "events"),
        ("outcomes", ", ".join(OUTCOME_COLUMNS), "outcomes"),
    ):
        for row in await connection.fetch(
            f"select {columns} from ledger.{table} {where}", origin, before
        ):
            offset = row["caused_offset"]
            getattr(found[offset], into).append(tuple(row))
    return dict(found)


def _columns(rows: Iterable[Row], count: int) -> list[list[object]]:
    return [list(column) for column in zip(*rows, strict=True)] or [[] for _ in range(count)]


async def _write(tx: Tx, messages: Sequence[_Message]) -> None:
    events = sorted(row for m in messages for row in m.events)
    await tx.fetch(SQL["remember_messages"], *_columns(events, 6))
    claims = sorted(row for m in messages for row in m.claims)
    await tx.fetch(SQL["claim_references"], *_columns(claims, 6))
    entries = [row for m in messages for row in m.entries]
    if entries:
        month = entries[0][ENTRY_COLUMNS.index("recorded_at")].strftime("_%Y_%m")
        await tx.copy_records_to_table(f"entries{month}", records=entries, columns=ENTRY_COLUMNS)
        await tx.copy_records_to_table(
            f"postings{month}",
            records=[row for m in messages for row in m.postings],
            columns=POSTING_COLUMNS,
        )
    heads = {row[0]: (row[0], row[1], row[13]) for row in entries}
    added = _columns((heads[o] for o in sorted(heads)), 3) + _sums(messages)
    await tx.execute(SQL["add_up"], *added)
    outcomes = [row for m in messages for row in m.outcomes]
    if outcomes:
        await tx.copy_records_to_table("outcomes", records=outcomes, columns=OUTCOME_COLUMNS)


def _sums(messages: Sequence[_Message]) -> list[list[object]]:
    days: dict[Row, list[int]] = {}
    for message in messages:
        for place, day, debit, credit in message.sums:
            total = days.setdefault((*place, *day), [0, 0])
            total[0] += debit
            total[1] += credit
    rows = ((*key, *total) for key, total in sorted(days.items()))
    waiting: dict[Row, list[Any]] = {}  # Any: amounts and times
    for message in messages:
        for key, exponent, minor, since, recorded in message.open:
            known = waiting.setdefault(key, [exponent, 0, since, recorded])
            known[1] += minor
    open_rows = ((*key, *w) for key, w in sorted(waiting.items()) if w[1])
    return _columns(rows, 9) + _columns(open_rows, 8)


async def run(asked: argparse.Namespace) -> None:
    """Load, say so, wait to be told, then read and write until the offsets are reached."""
    every = [
        Partition(topic, number)
        for topic in ("stripe.events", "stripe.objects")
        for number in range(TOPICS[topic].partitions)
    ]
    mine = every[asked.share :: asked.shares]
    rows = await rows_of(asked.rows_dsn, mine, asked.before)
    database = await open_journal(asked.dsn)
    log = await Log.ask(asked.kafka, INPUT_TOPICS)
    client = LIBRARY.AIOKafkaConsumer(
        bootstrap_servers=asked.kafka,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        fetch_max_bytes=BatchBounds().bytes_max,
        max_partition_fetch_bytes=BatchBounds().bytes_max // 8,
    )
    await client.start()
    client.assign([LIBRARY.TopicPartition(*p) for p in mine])
    collect_seldom()
    print("ready", flush=True)  # noqa: T201  # the other side waits for it
    await asyncio.to_thread(sys.stdin.readline)
    began = time.process_time()
    ends = await client.end_offsets([LIBRARY.TopicPartition(*p) for p in mine])
    at = dict.fromkeys(mine, 0)
    until = {Partition(*p): min(asked.before, end) for p, end in ends.items()}
    while any(at[p] < until[p] for p in mine):
        await _batch(client, database, log, rows, at, until)
    print(time.process_time() - began, flush=True)  # noqa: T201  # as above
    await client.stop()
    await database.close()


async def _batch(
    client: Any,  # Any: aiokafka has no types
    database: Database,
    log: Log,
    rows: Rows,
    at: dict[Partition, int],
    until: dict[Partition, int],
) -> None:
    found = await client.getmany(timeout_ms=200, max_records=BATCH)
    messages: list[_Message] = []
    moves: dict[Partition, tuple[int, int]] = {}
    nothing = _Message()
    for raw_partition, records in found.items():
        where = Partition(*raw_partition)
        told = rows[where]
        # What lies behind has no rows: read and counted, it would make the floor look faster.
        wanted = [record for record in records if record.offset < until[where]]
        if len(wanted) < len(records) or wanted[-1].offset + 1 == until[where]:
            client.pause(raw_partition)
        for record in wanted:
            orjson.loads(record.value)
            messages.append(told.get(record.offset, nothing))
        if wanted:
            moves[where] = (at[where], wanted[-1].offset + 1)
    if not moves:
        return

    async def work(tx: Tx) -> None:
        await move_positions(tx, log, moves)
        await _write(tx, messages)

    await database.run(work)
    at |= {p: after for p, (_, after) in moves.items()}


def main() -> None:
    """Run one process of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("--kafka", "--dsn", "--rows-dsn"):
        parser.add_argument(name, required=True)
    for name in ("--share", "--shares", "--before"):
        parser.add_argument(name, type=int, required=True)
    uvloop.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
