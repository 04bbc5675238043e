"""The ledger killed, fenced, restarted, without its database, and several at once."""

import asyncio
import signal
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from sandbox.stack import Stack
from sandbox.stack.ports import free_ports
from services.ledger.activation.in_force import InForce
from services.ledger.proof.hash_chain import first_break
from services.ledger.shell.booking.books import INPUT_TOPICS, Books
from services.ledger.shell.booking.deciding import Decider
from services.ledger.shell.failpoints import EXIT_CODE, Failpoint
from services.ledger.shell.rebuilding.rebuild import rebuild_and_compare
from services.ledger.shell.service import Journal, input_partitions
from services.ledger.shell.store import bring_up_to_date, open_journal
from shared.contracts.books import BookMap
from shared.runtime.kafka import Partition, end_offsets, scan
from shared.runtime.positions import Fenced, Log
from tests.support.ledger import LedgerRig, charge, event, fresh_topics, polled, until
from tests.support.plain_http import TRUSTS_NOBODY
from tests.support.stack import RunningStack, embedded_stack

pytestmark = pytest.mark.stack


async def tell(rig: LedgerRig, first: int, last: int) -> None:
    await rig.publish(
        *(event(f"evt_{n}", charge(f"ch_{n}", 100 + n)) for n in range(first, last)),
        *(polled(charge(f"ch_{n}", 100 + n)) for n in range(first, last)),
    )


async def proved_right(rig: LedgerRig, charges: int) -> None:
    """Each charge booked once, published without a gap, and equal to a rebuilding."""
    assert await rig.value("select count(*) from ledger.entries") == charges
    assert await rig.value("select sum(net_minor) from ledger_read.trial_balance") == 0
    debits = await rig.value("select sum(debit_minor) from ledger_read.trial_balance")
    assert int(debits) == sum(100 + n for n in range(charges))
    entries = await rig.entries()
    assert first_break(entries) is None
    assert len({(e.origin, e.sequence) for e in entries}) == charges
    compared, _ = await rebuild_and_compare(rig.settings().kafka, rig.dsn, BookMap())
    assert compared.differences == ()


@pytest.mark.parametrize("place", list(Failpoint))
async def test_ledger_killed_at_a_failpoint_loses_nothing_and_books_nothing_twice(
    rig: LedgerRig, place: Failpoint
) -> None:
    # Under load the publisher takes many batches at once, so it is stopped the first time; so is
    # who makes a head, which need not be made anew before all is published.
    times = 1 if "publish" in place or "head" in place else 3
    await tell(rig, 0, 120)
    dying = rig.start_process(
        TALLYSTICK_LEDGER_FAILPOINT=f"{place}:{times}",
        TALLYSTICK_LEDGER_BATCH_MESSAGES_MAX="20",
        TALLYSTICK_LEDGER_TREE_HEAD_SECONDS="0.05",
        TALLYSTICK_LEDGER_INSTANCE="only",
    )
    assert await asyncio.to_thread(dying.wait, 60) == EXIT_CODE
    rig.start_process(TALLYSTICK_LEDGER_INSTANCE="only")
    await rig.caught_up()
    await proved_right(rig, 120)


async def test_ledger_killed_with_signal_9_under_load_loses_nothing(rig: LedgerRig) -> None:
    for kill in range(4):
        await tell(rig, kill * 100, kill * 100 + 100)
        process = rig.start_process(
            TALLYSTICK_LEDGER_BATCH_MESSAGES_MAX="15", TALLYSTICK_LEDGER_INSTANCE="only"
        )
        booked = kill * 100 + 5

        async def has_begun(least: int = booked) -> bool:
            found = await rig.fetch("select to_regclass('ledger.entries') is not null as there")
            if not found[0]["there"]:
                return False
            return bool(await rig.value("select count(*) from ledger.entries") >= least)

        await until("the ledger to begin", has_begun)
        process.send_signal(signal.SIGKILL)
        await asyncio.to_thread(process.wait, 10)
    rig.start_process(TALLYSTICK_LEDGER_INSTANCE="only")
    await rig.caught_up()
    await proved_right(rig, 400)


async def test_ledger_asked_to_stop_leaves_in_time_with_nothing_half_done(rig: LedgerRig) -> None:
    await tell(rig, 0, 300)
    process = rig.start_process()
    await rig.caught_up(published=False)
    process.send_signal(signal.SIGTERM)
    assert await asyncio.to_thread(process.wait, 5) == 0
    # Stopping need not wait for what is still to be published: the next one publishes it.
    rig.start_process()
    await rig.caught_up()
    await proved_right(rig, 300)


async def test_ledgers_side_by_side_share_the_partitions_and_book_each_fact_once(
    rig: LedgerRig,
) -> None:
    first = rig.start_process(TALLYSTICK_LEDGER_BATCH_MESSAGES_MAX="10")
    await tell(rig, 0, 100)
    second = rig.start_process(TALLYSTICK_LEDGER_BATCH_MESSAGES_MAX="10")
    await tell(rig, 100, 200)
    await rig.caught_up()
    first.send_signal(signal.SIGKILL)
    await asyncio.to_thread(first.wait, 10)
    await tell(rig, 200, 300)
    await rig.caught_up()
    assert second.poll() is None
    await proved_right(rig, 300)


async def test_ledger_in_two_halves_books_in_one_process_and_publishes_in_another(
    rig: LedgerRig,
) -> None:
    rig.start_process(TALLYSTICK_LEDGER_PART="projector")
    await tell(rig, 0, 50)
    await rig.caught_up(published=False)
    assert await rig.entries() == []
    rig.start_process(TALLYSTICK_LEDGER_PART="publisher")
    await rig.caught_up()
    await proved_right(rig, 50)


async def test_books_of_a_batch_that_another_process_has_booked_refuse_it_whole(
    rig: LedgerRig,
) -> None:
    await tell(rig, 0, 5)
    await bring_up_to_date(rig.dsn)
    database = await open_journal(rig.dsn)
    log = await Log.ask(rig.bootstrap, INPUT_TOPICS)
    books = Books(log, BookMap())
    await Journal(database, books, log).positions(frozenset(input_partitions()))
    ends = await end_offsets(rig.bootstrap, INPUT_TOPICS)
    spans = {p: (0, end) for p, end in ends.items() if end}
    records = [r async for batch in scan(rig.bootstrap, spans) for r in batch]
    decided = [Decider(InForce()).decided(record) for record in records]
    await database.run(lambda tx: books.book(tx, decided, spans))
    with pytest.raises(Fenced):
        await database.run(lambda tx: books.book(tx, decided, spans))
    one = next(iter(spans))
    behind = {p: span for p, span in spans.items() if p != one} | {one: (0, spans[one][1])}
    with pytest.raises(Fenced) as fenced:
        await database.run(lambda tx: books.book(tx, decided, behind))
    assert one in fenced.value.partitions
    assert await rig.value("select count(*) from ledger.entries") == 5
    assert isinstance(one, Partition)
    await database.close()


@pytest.fixture(scope="module")
def breakable() -> Iterator[Stack]:
    """A stack of our own on ports that stay, to break without harm to other tests."""
    postgres_port, kafka_port = free_ports(2)
    with embedded_stack(postgres_port=postgres_port, kafka_port=kafka_port) as stack:
        yield stack


async def test_ledger_whose_database_goes_away_waits_says_so_and_goes_on(breakable: Stack) -> None:
    await fresh_topics(breakable.kafka_bootstrap)
    rig = LedgerRig(breakable.kafka_bootstrap, await fresh_database(breakable))
    (port,) = free_ports(1)
    async with rig.ledger(ledger_port=port):
        await tell(rig, 0, 40)
        await rig.caught_up()
        breakable.kill("postgres")
        await tell(rig, 40, 80)
        reasons = await until("the reason of not being ready", lambda: not_ready(port))
        assert "Postgres" in reasons["projector"]
        breakable.postgres.start()
        await rig.caught_up()
        await until("being ready again", lambda: is_ready(port))
    await proved_right(rig, 80)


async def test_ledger_whose_broker_goes_away_waits_and_goes_on(breakable: Stack) -> None:
    await fresh_topics(breakable.kafka_bootstrap)
    rig = LedgerRig(breakable.kafka_bootstrap, await fresh_database(breakable))
    async with rig.ledger():
        await tell(rig, 0, 40)
        await rig.caught_up()
        breakable.kill("kafka")
        breakable.kafka.start()
        await tell(rig, 40, 80)
        await rig.caught_up()
    await proved_right(rig, 80)


async def fresh_database(stack: Stack) -> str:
    running = RunningStack("embedded", stack.kafka_bootstrap, stack.postgres_dsn, stack)
    return await asyncio.to_thread(running.fresh_database)


async def readiness(port: int) -> dict[str, Any]:
    async with httpx.AsyncClient(verify=TRUSTS_NOBODY) as client:
        answer = await client.get(f"http://127.0.0.1:{port}/readyz")
    told: dict[str, Any] = answer.json()
    return told


async def not_ready(port: int) -> dict[str, str] | None:
    reasons: dict[str, str] = (await readiness(port))["reasons"]
    return reasons if "projector" in reasons else None


async def is_ready(port: int) -> bool:
    return bool((await readiness(port))["ready"])
