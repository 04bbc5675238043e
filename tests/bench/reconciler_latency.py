"""How long a bank line waits until its match or its discrepancy is published.

``python -m tests.bench.reconciler_latency`` starts a stack of its own and a reconciler, tells it of
a history of payouts and of some that are waited for, and then of one bank line after another at an
even rate, each with one more payout: most lines name a payout, one in ten names nobody. A line's time is from the moment at which Kafka
appended it to the moment at which Kafka appended the first record about it. Every line is
answered, or the bench fails.
"""

import argparse
import asyncio
import random
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

from shared.contracts import topics
from shared.contracts.messages import MATCH_RECORD, DiscrepancyReported, MatchMade
from shared.runtime.kafka import Publication, producer
from tests.bench.ledger_latency import at_share
from tests.support.ledger import fresh_topics
from tests.support.reconciler import LONG_AGO, ReconcilerRig, line, payout
from tests.support.stack import running_stack

PUBLISHED_AT_ONCE: Final = 500
SETTLED_SECONDS_MAX: Final = 600.0
UNNAMED: Final = 10
# The service's own values, where tests look more often.
AS_IN_LIFE: Final = {
    "reconciler_session_timeout_seconds": "30",
    "reconciler_sweep_seconds": "2",
    "reconciler_due_seconds": "1",
}


def ident(number: int) -> str:
    """A payout's id that no other begins or ends like."""
    return f"po_{random.Random(number).randbytes(12).hex()}"


def history(payouts: int) -> Iterator[Publication]:
    """Payouts of long ago, and the bank line of each."""
    for number in range(payouts):
        yield payout(ident(number), 1_000 + number, arrival=LONG_AGO)
        text = f"STRIPE TRANSFER {ident(number)}"
        yield line(f"h{number}", 1_000 + number, on=LONG_AGO.date(), text=text)


def told_live(number: int, *, since: int) -> Publication:
    """A new line: of the payout of its number, or of nobody."""
    today = datetime.now(UTC).date()
    if number % UNNAMED == 0:
        return line(f"l{number}", 7_000_000 + number, on=today, text="DEPOSIT ACME")
    text = f"STRIPE TRANSFER {ident(since + number)}"
    return line(f"l{number}", 1_000 + since + number, on=today, text=text)


async def measured(
    rig: ReconcilerRig, *, payouts: int, waiting: int, rate: float, seconds: float
) -> list[float]:
    """Milliseconds of every line, in order; ``waiting`` payouts are open at any time.

    Raises:
        RuntimeError: Lines were not answered.
    """
    count = int(rate * seconds)
    arrival = datetime.now(UTC) - timedelta(hours=1)

    def coming(number: int) -> Publication:
        at = payouts + number
        return payout(ident(at), 1_000 + at, arrival=arrival)

    before = [*history(payouts), *map(coming, range(waiting))]
    with rig.process(**AS_IN_LIFE) as running:
        for at in range(0, len(before), PUBLISHED_AT_ONCE):
            await rig.publish(*before[at : at + PUBLISHED_AT_ONCE])
        await rig.quiet(running, seconds=SETTLED_SECONDS_MAX)
        async with producer(rig.bootstrap) as publisher:
            began = time.monotonic()
            for number in range(count):
                left = began + number / rate - time.monotonic()
                await asyncio.sleep(max(0.0, left))  # an even rate
                told = [told_live(number, since=payouts), coming(waiting + number)]
                await publisher.publish_all(told, 30)
        await rig.quiet(running)
    return await _waited(rig, count)


async def _waited(rig: ReconcilerRig, count: int) -> list[float]:
    observed = {
        str(record.envelope().subject).partition(":")[0]: record.timestamp_ms
        for record in await rig.records(topics.BANK_OBSERVATIONS)
    }
    answered: dict[str, int] = {}
    for record in await rig.records(topics.MATCHES):
        match = MATCH_RECORD.validate_json(record.value)
        if isinstance(match, MatchMade) and match.line is not None:
            answered.setdefault(match.line.id, record.timestamp_ms)
    for record in await rig.records(topics.DISCREPANCIES):
        subject = DiscrepancyReported.model_validate_json(record.value).subject
        answered.setdefault(subject, record.timestamp_ms)
    lines = [f"l{number}" for number in range(count)]
    lost = [each for each in lines if each not in answered]
    if lost:
        raise RuntimeError(f"{len(lost)} of {count} lines were not answered, the first {lost[0]}")
    return sorted(float(answered[each] - observed[each]) for each in lines)


async def main(payouts: int, waiting: int, rate: float, seconds: float) -> None:
    """Measure once and print."""
    with running_stack(on_disk=True) as stack:
        await fresh_topics(stack.kafka_bootstrap)
        rig = ReconcilerRig(stack.kafka_bootstrap, stack.fresh_database("bench"))
        waited = await measured(rig, payouts=payouts, waiting=waiting, rate=rate, seconds=seconds)
    sys.stdout.write(
        f"bank line appended to match or discrepancy appended, {rate:g}/s beside {payouts:,} payouts"
        f" with their lines and {waiting:,} without: p50 {at_share(waited, 0.5):.0f} ms, p99 {at_share(waited, 0.99):.0f} ms,"
        f" longest {waited[-1]:.0f} ms, {len(waited):,} lines\n"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--payouts", type=int, default=2_000)
    parser.add_argument("--waiting", type=int, default=50)
    parser.add_argument("--rate", type=float, default=20.0)
    parser.add_argument("--seconds", type=float, default=60.0)
    given = parser.parse_args()
    asyncio.run(main(given.payouts, given.waiting, given.rate, given.seconds))
