"""How long the books take to be made again beside those in use, and to be swapped.

``python -m tests.bench.ledger_rebuild --messages 1000000`` starts a stack of its own, or takes the
one that the tests are told of, fills the topics, lets a ledger process book and publish them, and
rebuilds. Figures are of the machine that they were taken on.
"""

import argparse
import asyncio
import resource
import sys
import time
from collections.abc import Sequence
from typing import Final

import uvloop

from services.ledger.shell.rebuilding.rebuild import rebuild_and_compare, rebuild_and_swap
from shared.contracts.books import BookMap
from shared.runtime import log
from shared.runtime.kafka import KafkaAddress, Publication, producer
from tests.bench.ledger_mix import messages
from tests.support.ledger import LedgerRig, fresh_topics, until
from tests.support.stack import RunningStack, running_stack

BOOKING_SECONDS_MAX: Final = 3_600.0
PUBLISHED_AT_ONCE: Final = 5_000


async def fill(rig: LedgerRig, count: int) -> None:
    """Put the messages on fresh topics."""
    await fresh_topics(rig.bootstrap)
    async with producer(rig.bootstrap) as publisher:
        pending: list[Publication] = []
        for publication in messages(count):
            pending.append(publication)
            if len(pending) == PUBLISHED_AT_ONCE:
                await publisher.publish_all(pending, 60)
                pending.clear()
        await publisher.publish_all(pending, 60)


async def book(rig: LedgerRig) -> None:
    """Let a ledger process book and publish them."""
    process = rig.start_process(TALLYSTICK_LOG_LEVEL="error")

    async def is_done() -> bool:
        if process.poll() is not None:
            raise RuntimeError("the ledger ended")
        try:
            await rig.caught_up()
        except TimeoutError:
            return False
        return True

    await until("the ledger to book", is_done, seconds=BOOKING_SECONDS_MAX)


async def measure(stack: RunningStack, asked: argparse.Namespace) -> None:
    """Fill, book, rebuild, swap; a line for each."""
    rig = LedgerRig(stack.kafka_bootstrap, stack.fresh_database("rebuild"))
    kafka = KafkaAddress(rig.bootstrap)
    try:
        if not asked.filled:
            await fill(rig, asked.messages)
        began = time.monotonic()
        await book(rig)
        say("booked and published", asked.messages, time.monotonic() - began)
        if asked.wait:
            sys.stdout.write("press return to rebuild\n")
            await asyncio.to_thread(sys.stdin.readline)
        began = time.monotonic()
        compared, _ = await rebuild_and_compare(kafka, rig.dsn, BookMap())
        say("rebuilt and compared", compared.messages, time.monotonic() - began)
        sys.stdout.write(
            f"equal: {compared.is_equal}, {compared.used.entries:,} entries;"
            f" {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MB at most\n"
        )
        if asked.swap:
            began = time.monotonic()
            swapped = await rebuild_and_swap(kafka, rig.dsn, BookMap())
            say("rebuilt and swapped", swapped.messages, time.monotonic() - began)
            sys.stdout.write(f"booking stood still for {swapped.stopped_seconds:.2f} s\n")
    finally:
        rig.stop_processes()
        stack.drop_database(rig.dsn)


def say(what: str, count: int, seconds: float) -> None:
    """A figure."""
    sys.stdout.write(f"{what}: {count:,} messages in {seconds:,.1f} s, {count / seconds:,.0f}/s\n")
    sys.stdout.flush()


def main(arguments: Sequence[str] | None = None) -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--swap", action="store_true")
    parser.add_argument("--filled", action="store_true", help="the topics are filled already")
    parser.add_argument("--wait", action="store_true", help="for a quiet moment before rebuilding")
    asked = parser.parse_args(arguments)
    log.set_up(level="error", form="text")
    with running_stack(on_disk=True) as stack:
        uvloop.run(measure(stack, asked))


if __name__ == "__main__":
    main()
