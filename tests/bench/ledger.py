"""What the ledger does a second, beside its floor; what it keeps, how late it is, how it rebuilds.

``make bench-ledger`` starts a stack of its own, or takes the one that the environment names, fills
the topics once with the mix of ``ledger_mix`` and projects it with the service's own processes:

    projection     messages committed a second, from the first batch to the last, and memory
    publishing     the same journal published behind it
    rebuild        the journal once more from the topics, compared with the one in use
    floor          the same bytes and rows without rules, see ``ledger_floor``, and the projection
                   of just these, by turns: what the machine gives changes from minute to minute
    hot account    the projection of charges that are all owed to one connected account
    latency        a webhook sent until its entry is committed, see ``ledger_latency``
    reads          statements over a small and a large journal, see ``statements``

Ratios are of one run. Figures are of the machine that they were taken on.
"""

import argparse
import asyncio
import statistics as figures
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from services.ledger.shell.booking.books import INPUT_TOPICS, Books
from services.ledger.shell.rebuilding.rebuild import rebuild_and_compare
from services.ledger.shell.service import Journal, input_partitions
from services.ledger.shell.store import bring_up_to_date, open_journal
from shared.contracts.books import BookMap
from shared.runtime import log
from shared.runtime.kafka import KafkaAddress
from shared.runtime.positions import Log
from tests.bench import statements
from tests.bench.ledger_latency import at_share, measured
from tests.bench.ledger_processor import Meter, seconds_of, servers_of
from tests.bench.ledger_runs import (
    Run,
    end,
    fill,
    ledgers,
    looked_at,
    settled,
    sizes,
    standing,
    watched,
)
from tests.support.ledger import ROOT
from tests.support.stack import RunningStack, running_stack

PARTS: Final = ("projection", "publishing", "rebuild", "floor", "hot", "latency", "reads")
_STRIPE_PARTITIONS: Final = 16


@dataclass(frozen=True, slots=True)
class Asked:
    """How much to measure, and what of it."""

    messages: int = 1_000_000
    hot: int = 200_000
    floor: int = 200_000
    turns: int = 5
    processes: int = 2
    rate: float = 200.0
    seconds: float = 20.0
    postings: tuple[int, ...] = (100_000, 10_000_000)
    rounds: int = 15
    parts: tuple[str, ...] = PARTS


def say(line: str) -> None:
    """One line of the report, at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


async def projected(stack: RunningStack, dsn: str, processes: int) -> Run:
    """Project what stands on the topics into a database."""
    total, group = await standing(stack), f"bench-{time.time_ns():x}"
    with ledgers(stack, dsn, processes, "projector", group=group) as started:
        await settled(stack, group, processes)
        meter = Meter.of(stack, tuple(process.pid for process in started))
        return await watched(dsn, total, started, meter=meter)


@dataclass(frozen=True, slots=True)
class Floor:
    """Messages a second, and seconds of processor for one, by who takes them."""

    rate: float
    by: Mapping[str, float]

    def told(self, run: Run) -> str:
        """A line of it, beside the run that it is the floor of.

        Rates depend on what else the machine does, and not both alike: a share of processor time
        does so least.
        """
        line = f"{run.rate:,.0f} of {self.rate:,.0f}/s, {run.rate / self.rate:.0%}"
        each = ", ".join(f"{name} {seconds * 1e6:.1f}" for name, seconds in self.by.items())
        line += f"; the floor {each} µs of processor a message"
        if run.meter is None or len(self.by) < len(run.meter.roots):
            return line
        return f"{line}, {sum(self.by.values()) / run.meter.each():.0%} of the projection's"


async def floor_of(stack: RunningStack, rows_dsn: str, asked: Asked) -> Floor:
    """The floor over the first messages of each partition."""
    dsn = stack.fresh_database("bench")
    try:
        await _tables_without_guards(stack, rows_dsn, dsn)
        started = _floors(stack, dsn, rows_dsn, asked)
        try:
            for process in started:
                await asyncio.to_thread(_answer, process)
            servers = servers_of(stack)
            began, before = time.monotonic(), seconds_of(servers)
            for process in started:
                await asyncio.to_thread(_begin, process)
            for process in started:
                if await asyncio.to_thread(process.wait) != 0:
                    raise RuntimeError("the floor gave way")
            took = time.monotonic() - began
            own = sum(float(p.stdout.read()) for p in started if p.stdout is not None)
            after = seconds_of(servers)
        finally:
            end([process for process in started if process.poll() is None])
            for process in started:
                for pipe in (process.stdin, process.stdout):
                    if pipe is not None:
                        pipe.close()
        async with looked_at(dsn) as connection:
            read = await connection.fetchval("select sum(next_offset) from ledger.positions")
        taken = {"own": own} | {name: after[name] - before[name] for name in servers}
        return Floor(int(read) / took, {name: s / int(read) for name, s in taken.items()})
    finally:
        stack.drop_database(dsn)


def _floors(
    stack: RunningStack, dsn: str, rows_dsn: str, asked: Asked
) -> "list[subprocess.Popen[bytes]]":
    words = [sys.executable, "-m", "tests.bench.ledger_floor", "--kafka", stack.kafka_bootstrap]
    words += ["--dsn", dsn, "--rows-dsn", rows_dsn]
    words += ["--before", str(asked.floor // _STRIPE_PARTITIONS)]
    return [
        subprocess.Popen(
            [*words, "--share", str(share), "--shares", str(asked.processes)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for share in range(asked.processes)
    ]


def _answer(process: "subprocess.Popen[bytes]") -> None:
    if process.stdout is None or process.stdout.readline() != b"ready\n":
        raise RuntimeError("the floor did not start")


def _begin(process: "subprocess.Popen[bytes]") -> None:
    if process.stdin is not None:
        process.stdin.write(b"\n")
        process.stdin.flush()


async def _tables_without_guards(stack: RunningStack, rows_dsn: str, dsn: str) -> None:
    await bring_up_to_date(dsn)
    database = await open_journal(dsn)
    ids = await Log.ask(stack.kafka_bootstrap, INPUT_TOPICS)
    journal = Journal(database, Books(ids, BookMap()), ids)
    await journal.positions(frozenset(input_partitions()))
    await database.close()
    async with looked_at(rows_dsn) as source:
        months = await source.fetchval(
            "select array_agg(distinct date_trunc('month', recorded_at)::date) from ledger.entries"
        )
    async with looked_at(dsn) as owner:
        await owner.execute("select ledger.open_journal_months('ledger', $1)", months)
        for row in await owner.fetch(
            "select format('drop trigger %I on %s', t.tgname, t.tgrelid::regclass) as drop"
            " from pg_trigger t join pg_class c on c.oid = t.tgrelid"
            " where not t.tgisinternal and c.relname ~ '^(entries|postings)_[0-9]'"
        ):
            await owner.execute(row["drop"])


async def rebuilt(stack: RunningStack, dsn: str) -> tuple[int, float, bool]:
    """Rebuild and compare: messages, seconds, and whether both say the same."""
    began = time.monotonic()
    found, _ = await rebuild_and_compare(KafkaAddress(stack.kafka_bootstrap), dsn, BookMap())
    return found.messages, time.monotonic() - began, found.is_equal


async def measure(stack: RunningStack, asked: Asked) -> None:
    """Everything that is asked for, told line by line."""
    if set(asked.parts) & {"projection", "publishing", "rebuild"}:
        await _measure_the_mix(stack, asked)
    if "floor" in asked.parts:
        await _measure_by_turns(stack, asked)
    if "hot" in asked.parts:
        await fill(stack, asked.hot, hot=True)
        dsn = stack.fresh_database("bench")
        run = await projected(stack, dsn, asked.processes)
        stack.drop_database(dsn)
        say(f"one hot account: {run.rate:,.0f}/s over {asked.hot:,} messages")
    if "latency" in asked.parts:
        late = await measured(stack, rate=asked.rate, seconds=asked.seconds)
        say(
            f"webhook sent to entry committed at {asked.rate:g}/s:"
            f" p50 {at_share(late.whole, 0.5):.1f} ms, p99 {at_share(late.whole, 0.99):.1f} ms,"
            f" longest {late.whole[-1]:.1f} ms, {len(late.whole):,} events"
        )
        for line in late.told():
            say(f"  {line}")
    if "reads" in asked.parts:
        await _measure_reads(stack, asked)


async def _measure_the_mix(stack: RunningStack, asked: Asked) -> None:
    say(
        f"{asked.messages:,} messages put on the topics at {await fill(stack, asked.messages):,.0f}/s"
    )
    dsn = stack.fresh_database("bench")
    try:
        run = await projected(stack, dsn, asked.processes)
        took = run.reached[-1][0] - run.reached[0][0]
        say(
            f"projection, {asked.processes} processes: {run.rate:,.0f}/s over {took:.0f} s,"
            f" slowest tenth {run.slowest_tenth:,.0f}/s"
        )
        say(f"  memory of each process in MB, half-way: {run.memory_told}")
        for line in run.meter.told() if run.meter is not None else ():
            say(f"  {line}")
        size = await sizes(dsn)
        say(
            f"  {size['entries']:,.0f} entries, {size['postings']:,.0f} postings; bytes an entry:"
            f" {size['journal']:.0f} with postings and indexes, {size['whole']:.0f} with"
            " claims, sums, outcomes and all else"
        )
        if {"publishing", "rebuild"} & set(asked.parts):
            # A rebuild takes the order of the books from what was published.
            total = await standing(stack)
            with ledgers(stack, dsn, 1, "publisher") as started:
                behind = await watched(dsn, total, started, published=True)
            say(
                f"publishing what was booked: {behind.rate:,.0f} messages/s,"
                f" memory {behind.memory_told} MB"
            )
        if "rebuild" in asked.parts:
            count, seconds, is_equal = await rebuilt(stack, dsn)
            say(
                f"rebuild of {count:,} messages, compared: {seconds:.0f} s,"
                f" {'equal' if is_equal else 'NOT EQUAL'}"
            )
    finally:
        stack.drop_database(dsn)


async def _measure_by_turns(stack: RunningStack, asked: Asked) -> None:
    """The projection and its floor, one behind the other, several times."""
    await fill(stack, asked.floor)
    shares: list[float] = []
    for turn in range(1, asked.turns + 1):
        dsn = stack.fresh_database("bench")
        try:
            run = await projected(stack, dsn, asked.processes)
            floor = await floor_of(stack, dsn, asked)
        finally:
            stack.drop_database(dsn)
        shares.append(run.rate / floor.rate)
        say(
            f"projection and its floor, {asked.processes} processes, turn {turn}: {floor.told(run)}"
        )
        for line in run.meter.told()[:1] if run.meter is not None else ():
            say(f"  projection, {line}")
    say(
        f"the projection is {figures.median(shares):.0%} of its floor in the median of"
        f" {asked.turns}, {min(shares):.0%} to {max(shares):.0%}"
    )


async def _measure_reads(stack: RunningStack, asked: Asked) -> None:
    made: list[str] = []

    def fresh() -> str:
        made.append(stack.fresh_database("bench"))
        return made[-1]

    try:
        await statements.write_and_measure(fresh, list(asked.postings), asked.rounds, "")
    finally:
        for dsn in made:
            stack.drop_database(dsn)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure on this machine."""
    told = Asked()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=told.messages)
    parser.add_argument("--hot", type=int, default=told.hot)
    parser.add_argument("--floor", type=int, default=told.floor)
    parser.add_argument("--turns", type=int, default=told.turns)
    parser.add_argument("--processes", type=int, default=told.processes)
    parser.add_argument("--rate", type=float, default=told.rate)
    parser.add_argument("--seconds", type=float, default=told.seconds)
    parser.add_argument("--postings", type=int, nargs="+", default=list(told.postings))
    parser.add_argument("--rounds", type=int, default=told.rounds)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    given = parser.parse_args(arguments)
    log.set_up(level="error", form="text")
    with running_stack(on_disk=True) as stack:
        asyncio.run(
            measure(
                stack,
                Asked(
                    messages=given.messages,
                    hot=given.hot,
                    floor=given.floor,
                    turns=given.turns,
                    processes=given.processes,
                    rate=given.rate,
                    seconds=given.seconds,
                    postings=tuple(given.postings),
                    rounds=given.rounds,
                    parts=tuple(given.parts),
                ),
            )
        )


if __name__ == "__main__":
    main()
