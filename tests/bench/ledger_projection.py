"""How many messages a second one ledger process books, with the journal's guards and without.

``python -m tests.bench.ledger_projection`` starts a stack of its own, fills the topics with half
charge events and half balance transactions, and projects them: everything that the service does,
in one process, over one connection. Figures are of the machine that they were taken on.
"""

import argparse
import asyncio
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any, Final

import asyncpg
import uvloop

from services.ledger.activation.in_force import InForce
from services.ledger.shell.booking.booker import BatchBooker
from services.ledger.shell.booking.books import INPUT_TOPICS, Books
from services.ledger.shell.booking.deciding import Decider
from services.ledger.shell.failpoints import Failpoints
from services.ledger.shell.projector import Projector
from services.ledger.shell.publisher import JournalPublisher
from services.ledger.shell.service import Journal, input_partitions
from services.ledger.shell.store import bring_up_to_date, open_journal
from shared.contracts.books import BookMap
from shared.runtime import log
from shared.runtime.kafka import Publication, Publisher, end_offsets, producer
from shared.runtime.kafka_group import BatchBounds, GroupReader
from shared.runtime.lifecycle import together
from shared.runtime.metrics import Health
from shared.runtime.positions import Log
from shared.runtime.postgres import Database
from tests.support.ledger import charge, event, fresh_topics, polled
from tests.support.stack import RunningStack, running_stack

PADDING: Final = "x" * 600
PROJECTION_SECONDS_MAX: Final = 1800  # a stall ends the measurement
GUARDS: Final = ("entries_noted on ledger.entries", "postings_noted on ledger.postings")


def _balance_transaction(number: int) -> dict[str, Any]:
    amount = 1000 + number % 5000
    return {
        "id": f"txn_{number}",
        "object": "balance_transaction",
        "amount": amount,
        "available_on": 1_795_200_000,
        "balance_type": "payments",
        "created": 1_795_000_000 + number // 50,
        "currency": "usd",
        "description": PADDING,
        "exchange_rate": None,
        "fee": 59,
        "fee_details": [{"amount": 59, "currency": "usd", "type": "stripe_fee"}],
        "net": amount - 59,
        "reporting_category": "charge",
        "source": f"ch_{number}",
        "status": "pending",
        "type": "charge",
    }


def messages(count: int) -> Iterator[Publication]:
    """Charges as events, and their balance transactions as polled objects."""
    for number in range(count // 2):
        amount = 1000 + number % 5000
        shown = charge(f"ch_{number}", amount, description=PADDING, created=1_795_000_000)
        yield event(f"evt_{number}", shown)
        yield polled(_balance_transaction(number))


async def project(
    stack: RunningStack, *, batch: int, guarded: bool, publishing: bool
) -> tuple[float, float]:
    """Project what stands on the topics into a fresh database: seconds, and messages a second."""
    dsn, kafka = stack.fresh_database("bench"), stack.kafka_bootstrap
    await bring_up_to_date(dsn)
    if not guarded:
        owner = await asyncpg.connect(dsn)
        for guard in GUARDS:
            await owner.execute(f"drop trigger {guard}")
        await owner.close()
    database = await open_journal(dsn)
    ids = await Log.ask(kafka, INPUT_TOPICS)
    books = Books(ids, BookMap())
    journal = Journal(database, books, ids)
    await journal.positions(frozenset(input_partitions()))
    reader = GroupReader(
        kafka,
        group=f"bench-{time.time_ns()}",
        topics=INPUT_TOPICS,
        positions=journal.positions,
        bounds=BatchBounds(records_max=batch),
    )
    await reader.start()
    total = sum((await end_offsets(kafka, INPUT_TOPICS)).values())
    booked, health, failpoints = asyncio.Event(), Health(), Failpoints()
    projector = Projector(
        BatchBooker(database, books), reader, Decider(InForce()), health, failpoints, booked
    )
    output = Publisher(kafka)
    outbox = JournalPublisher(database, output, health, failpoints, booked)
    clock = [0.0, 0.0, 0.0]

    async def watch(_: asyncio.Event) -> None:
        # The first batch waits for the group and warms what is lazy: it is outside the clock.
        async with asyncio.timeout(PROJECTION_SECONDS_MAX):
            while (reached := await _reached(database)) < total:
                if reached and not clock[0]:
                    clock[0], clock[2] = time.monotonic(), reached
                await asyncio.sleep(0.02)  # bounded poll: the timeout above
        clock[1] = time.monotonic()

    parts = [projector.run, watch, *([outbox.run] if publishing else [])]
    await together(asyncio.Event(), *parts)
    seconds, before = clock[1] - clock[0], clock[2]
    await reader.stop()
    await output.stop()
    await database.close()
    stack.drop_database(dsn)
    return seconds, (total - before) / seconds


async def _reached(database: Database) -> int:
    async with database.connection() as connection:
        found: int = await connection.fetchval("select sum(next_offset)::bigint from positions")
    return found


async def measure(stack: RunningStack, asked: argparse.Namespace) -> None:
    """Fill the topics once, then project each way, several times, and print a table."""
    await fresh_topics(stack.kafka_bootstrap)
    async with producer(stack.kafka_bootstrap) as publisher:
        pending: list[Publication] = []
        for publication in messages(asked.messages):
            pending.append(publication)
            if len(pending) == 5_000:
                await publisher.publish_all(pending, 60)
                pending.clear()
        await publisher.publish_all(pending, 60)
    sys.stdout.write(f"{asked.messages} messages, {asked.rounds} rounds, median messages/s\n")
    for batch in asked.batches:
        for name, guarded, publishing in (
            ("guards", True, False),
            ("no guards", False, False),
            ("guards and publisher", True, True),
        ):
            rates: list[float] = []
            for _ in range(asked.rounds):
                _, rate = await project(stack, batch=batch, guarded=guarded, publishing=publishing)
                rates.append(rate)
            sys.stdout.write(
                f"batches of {batch:>5}  {name:<22}{statistics.median(rates):>9,.0f}"
                f"   ({min(rates):,.0f} to {max(rates):,.0f})\n"
            )
            sys.stdout.flush()


def main(arguments: Sequence[str] | None = None) -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=60_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batches", type=int, nargs="+", default=[500, 2_000])
    asked = parser.parse_args(arguments)
    log.set_up(level="warning", form="text")
    with running_stack(on_disk=True) as stack:
        uvloop.run(measure(stack, asked))


if __name__ == "__main__":
    main()
