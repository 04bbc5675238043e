"""An idempotent consumer of ``ledger.entries`` and ``reconciliation.discrepancies``.

Kafka delivers at least once, and after a crash the ledger may publish an entry again. So the place
that counts is kept in Postgres, in the transaction that applies what was read:

    entries         for each origin the last sequence: what is not above it was applied already,
                    and what is more than one above it would leave a hole
    discrepancies   each record has the full state: the highest revision is how it stands

Run it with ``python consumer.py``; with ``--to-end`` it stops at the end that the topics have now.
"""

import argparse
import asyncio
import json
import os
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any  # JSON and rows of libraries that have no types

import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.structs import ConsumerRecord

KAFKA = os.environ.get("KAFKA_BOOTSTRAP", "127.0.0.1:9092")
POSTGRES = os.environ.get("POSTGRES_DSN", "postgresql://127.0.0.1/consumer")
ENTRIES = os.environ.get("ENTRIES_TOPIC", "ledger.entries")
DISCREPANCIES = os.environ.get("DISCREPANCIES_TOPIC", "reconciliation.discrepancies")
GROUP = os.environ.get("CONSUMER_GROUP", "example-python")
SCHEMA = Path(__file__).parent.parent / "consumer.sql"

HOW_FAR = "select sequence from applied where origin = $1 for update"
BEGIN = "insert into applied (origin, sequence) values ($1, 0) on conflict do nothing"
MOVE = "update applied set sequence = $2 where origin = $1"
ADD = """
    insert into balances as b (book, account, currency, exponent, minor)
    values ($1, $2, $3, $4, $5::text::numeric)
    on conflict (book, account, currency) do update set minor = b.minor + excluded.minor
"""
STAND = """
    insert into discrepancies as d
        (id, revision, book, kind, state, subject, amount_minor, currency, explanation)
    values ($1, $2, $3, $4, $5, $6, $7::text::numeric, $8, $9)
    on conflict (id) do update set
        revision = excluded.revision, state = excluded.state, amount_minor = excluded.amount_minor,
        currency = excluded.currency, explanation = excluded.explanation
    where d.revision < excluded.revision
"""


class GapError(Exception):
    """Entries are missing between what was applied and what came."""


async def apply_entry(tx: asyncpg.Connection, entry: dict[str, Any]) -> bool:
    """Apply an entry once; says whether it was new."""
    origin, sequence = entry["origin"], entry["sequence"]
    await tx.execute(BEGIN, origin)
    last = await tx.fetchval(HOW_FAR, origin)
    if sequence <= last:
        return False
    if sequence > last + 1:
        raise GapError(
            f"{origin}: entry {sequence} came after {last}; read the topic from its beginning"
        )
    for posting in entry["postings"]:
        amount = posting["amount"]
        # Text, because JSON numbers are not exact everywhere; Python's int is.
        minor = int(amount["minor"]) * (1 if posting["direction"] == "debit" else -1)
        at = (entry["book"], posting["account"], amount["currency"], amount["exponent"])
        await tx.execute(ADD, *at, str(minor))
    await tx.execute(MOVE, origin, sequence)
    return True


async def apply_discrepancy(tx: asyncpg.Connection, told: dict[str, Any]) -> bool:
    """Keep a discrepancy's state when it is newer; says whether it was."""
    amount = told.get("amount") or {}
    done = await tx.execute(
        STAND,
        told["id"],
        told["revision"],
        told["book"],
        told["discrepancy"],
        told["state"],
        told["subject"],
        amount.get("minor"),
        amount.get("currency"),
        told.get("explanation", ""),
    )
    return done != "INSERT 0 0"


async def apply_batch(database: asyncpg.Connection, records: Iterable[ConsumerRecord]) -> int:
    """Apply a batch in one transaction; how many records said something new."""
    new = 0
    async with database.transaction():
        for record in records:
            told = json.loads(record.value)
            apply = apply_entry if record.topic == ENTRIES else apply_discrepancy
            new += await apply(database, told)
    return new


async def batches(
    consumer: AIOKafkaConsumer, *, to_end: bool
) -> AsyncIterator[list[ConsumerRecord]]:
    """Batches as they come; with ``to_end``, up to the ends that the topics have now."""
    ends: dict[TopicPartition, int] = {}
    while True:
        found = await consumer.getmany(timeout_ms=500, max_records=500)
        if found:
            yield [record for records in found.values() for record in records]
        if not to_end or not consumer.assignment():
            continue
        ends = ends or await consumer.end_offsets(consumer.assignment())
        reached = [await consumer.position(p) >= end for p, end in ends.items()]
        if all(reached):
            return


async def main() -> None:
    """Consume until the end, or until interrupted."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--to-end", action="store_true")
    to_end = arguments.parse_args().to_end
    database = await asyncpg.connect(POSTGRES)
    await database.execute(SCHEMA.read_text())
    consumer = AIOKafkaConsumer(
        ENTRIES,
        DISCREPANCIES,
        bootstrap_servers=KAFKA,
        group_id=GROUP,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    await consumer.start()
    read = new = 0
    try:
        async for batch in batches(consumer, to_end=to_end):
            new += await apply_batch(database, batch)
            read += len(batch)
            # Only a hint of where to go on: what counts is in Postgres by now.
            await consumer.commit()
    finally:
        await consumer.stop()
        await database.close()
    print(json.dumps({"read": read, "new": new}))


if __name__ == "__main__":
    asyncio.run(main())
