"""The reconciler killed, lied to by Faust, emptied, and cut off: nothing lost, nothing told twice."""

import asyncio
import random

import pytest

from services.reconciler.shell.reading.carrier import APP_ID
from shared.contracts import topics
from shared.contracts.messages import MatchMade
from shared.runtime.kafka import Publication, end_offsets
from shared.runtime.kafka_client import LIBRARY
from tests.support.ingest import ServiceProcess
from tests.support.ledger import fresh_topics, until
from tests.support.reconciler import (
    INPUTS,
    LONG_AGO,
    ReconcilerRig,
    garbage,
    kill,
    line,
    payout,
    readiness,
)
from tests.support.stack import embedded_stack

pytestmark = [pytest.mark.stack]


@pytest.fixture
async def rig(kafka_bootstrap: str, database_dsn: str) -> ReconcilerRig:
    await fresh_topics(kafka_bootstrap)
    return ReconcilerRig(kafka_bootstrap, database_dsn)


def ident(number: int) -> str:
    """A payout's id that no other begins or ends like."""
    return f"po_{random.Random(number).randbytes(10).hex()}"


def world(count: int, *, seed: int) -> list[Publication]:
    """Payouts and lines: most agree, some never arrive, some are short, some lines are strange."""
    dice = random.Random(seed)
    told: list[Publication] = []
    for n in range(count):
        amount = 1_000 + n
        fate = dice.random()
        told.append(payout(ident(n), amount, arrival=LONG_AGO))
        if fate < 0.1:
            continue
        paid = amount - 100 if fate < 0.15 else amount
        text = "CASH DEPOSIT ACME WIDGETS" if fate > 0.95 else f"STRIPE {ident(n)}"
        told.append(line(f"l{n}", paid, on=LONG_AGO.date(), text=text))
    return told


async def expected_and_found(rig: ReconcilerRig) -> tuple[set[str], set[str], set[str], set[str]]:
    """Open discrepancies and standing matches: as the core says offline, and as the tables do."""
    offline = await rig.offline()
    rows = await rig.fetch("select id from reconciler_read.discrepancies where state <> 'resolved'")
    standing = await rig.fetch("select id from reconciler_read.matches where state = 'made'")
    return (
        {d.id for d in offline.discrepancies},
        {row["id"] for row in rows},
        {m.id for m in offline.matches},
        {row["id"] for row in standing},
    )


async def assert_told_as_kept(rig: ReconcilerRig) -> None:
    """What the topics tell last is what the tables keep, and every revision tells one thing."""
    last: dict[str, tuple[int, str]] = {}
    said: dict[tuple[str, int], str] = {}
    for report in await rig.reports():
        assert said.setdefault((report.id, report.revision), report.state) == report.state
        last[report.id] = max(last.get(report.id, (0, "")), (report.revision, report.state))
    rows = await rig.fetch("select id, revision, state from reconciler_read.discrepancies")
    assert last == {row["id"]: (row["revision"], row["state"]) for row in rows}
    standing: dict[str, tuple[int, bool]] = {}
    for record in await rig.matches():
        here = (record.revision, not isinstance(record, MatchMade))
        standing[record.id] = max(standing.get(record.id, (0, False)), here)
    kept = await rig.fetch("select id, revision, is_standing from reconciler.matches")
    assert standing == {r["id"]: (r["revision"], not r["is_standing"]) for r in kept}


@pytest.mark.fault
@pytest.mark.timeout(600)
async def test_killed_again_and_again_under_load_it_finds_what_the_core_finds_offline(
    rig: ReconcilerRig,
) -> None:
    dice = random.Random(7)
    facts = world(1_050, seed=7)
    told = facts + dice.sample(facts, 200)
    told += [garbage(topics.STRIPE_EVENTS, str(n).encode(), b"{" * n) for n in range(20)]
    dice.shuffle(told)
    places = ["before_tx", "mid_tx", "after_commit", "after_publish", "mid_tx"]
    rounds = [*places, "", "", "", "", ""]
    share = len(told) // len(rounds)
    for number, place in enumerate(rounds):
        sending = asyncio.create_task(rig.publish(*told[number * share : (number + 1) * share]))
        with rig.process(reconciler_failpoint=place) as running:
            if place:
                await asyncio.to_thread(running.child.wait, 60)
                assert running.child.returncode == 99, running.told()
            else:
                running.await_answer()
                await until_moved(rig, await taken(rig))
                kill(running)
        await sending
    await rig.publish(*told[len(rounds) * share :])
    with rig.process() as running:
        await rig.quiet(running, seconds=120)
        assert running.stop() == 0
    wanted, found, wanted_matches, found_matches = await expected_and_found(rig)
    assert len(wanted) > 100
    assert found == wanted
    assert found_matches == wanted_matches
    await assert_told_as_kept(rig)
    letters = {r.envelope().id for r in await rig.records(topics.RECONCILER_DEAD_LETTERS)}
    assert len(letters) == 20


async def taken(rig: ReconcilerRig) -> int:
    rows = await rig.fetch("select sum(next_offset)::bigint as n from reconciler.positions")
    return int(rows[0]["n"] or 0)


async def until_moved(rig: ReconcilerRig, before: int) -> None:
    async def has_moved() -> bool:
        return await taken(rig) > before

    await until("some progress", has_moved)


async def test_group_offsets_that_run_ahead_lose_nothing(rig: ReconcilerRig) -> None:
    await rig.publish(*world(60, seed=1))
    await commit_to_the_end(rig)
    with rig.process() as running:
        await rig.quiet(running)
        # And what Faust does deliver afterwards is taken as ever.
        await rig.publish(payout(ident(500), 77, arrival=LONG_AGO))
        await rig.quiet(running)
    wanted, found, wanted_matches, found_matches = await expected_and_found(rig)
    assert (found, found_matches) == (wanted, wanted_matches)
    assert len(found_matches) > 40


async def commit_to_the_end(rig: ReconcilerRig) -> None:
    """Say on behalf of Faust's group that everything has been read, once it has no member left."""
    await until("the group to be empty", lambda: commits(rig))


async def commits(rig: ReconcilerRig) -> bool:
    ends = await end_offsets(rig.bootstrap, INPUTS)
    client = LIBRARY.AIOKafkaConsumer(
        bootstrap_servers=rig.bootstrap, group_id=APP_ID, enable_auto_commit=False
    )
    await client.start()
    try:
        places = {LIBRARY.TopicPartition(*p): end for p, end in ends.items()}
        client.assign(list(places))
        await client.commit(places)
    except LIBRARY.errors.CommitFailedError:
        return False
    finally:
        await client.stop()
    return True


async def test_emptied_tables_with_full_topics_publish_nothing_new(rig: ReconcilerRig) -> None:
    await rig.publish(*world(80, seed=2))
    with rig.process() as running:
        await rig.quiet(running)
        assert running.stop() == 0
    before = await ends_of_outputs(rig)
    kept = await expected_and_found(rig)
    await rig.fetch("drop schema reconciler cascade")
    await rig.fetch("drop schema reconciler_read cascade")
    with rig.process() as running:
        await rig.quiet(running)
        running.await_answer("/readyz")
        assert await ends_of_outputs(rig) == before
        assert await expected_and_found(rig) == kept
        # It lives on from there: a discrepancy of before is resolved in its next revision.
        lives = await rig.lives()
        missing = next(n for n in range(80) if f"payout_overdue {ident(n)}" in lives)
        await rig.publish(
            line("late", 1_000 + missing, on=LONG_AGO.date(), text=f"STRIPE {ident(missing)}")
        )
        await rig.quiet(running)
    assert (await rig.lives())[f"payout_overdue {ident(missing)}"] == ["open", "resolved"]
    await assert_told_as_kept(rig)


async def ends_of_outputs(rig: ReconcilerRig) -> int:
    outputs = (topics.MATCHES, topics.DISCREPANCIES, topics.DISCREPANCIES_CURRENT)
    return sum((await end_offsets(rig.bootstrap, outputs)).values())


async def test_tables_older_than_the_topics_believe_the_topics(rig: ReconcilerRig) -> None:
    await rig.publish(payout(ident(1), 500, arrival=LONG_AGO))
    with rig.process() as running:
        await rig.quiet(running)
        await until("the overdue payout", lambda: has_reports(rig))
        assert running.stop() == 0
    # As from a backup of before the discrepancy was opened: nothing found, nothing read back.
    await rig.fetch("delete from reconciler.discrepancies")
    await rig.fetch(
        "update reconciler.positions set next_offset = 0"
        f" where topic in ('{topics.MATCHES}', '{topics.DISCREPANCIES}')"
    )
    with rig.process() as running:
        await rig.quiet(running)
        await rig.publish(line("l1", 500, on=LONG_AGO.date(), text=f"STRIPE {ident(1)}"))
        await rig.quiet(running)
    assert await rig.lives() == {f"payout_overdue {ident(1)}": ["open", "resolved"]}


async def has_reports(rig: ReconcilerRig) -> bool:
    return bool(await rig.reports())


async def test_two_replicas_share_the_work_and_find_each_thing_once(rig: ReconcilerRig) -> None:
    facts = world(200, seed=3)
    half = len(facts) // 2
    other = ReconcilerRig(rig.bootstrap, rig.dsn, "reconciler-1")
    with rig.process() as first, other.process() as second:
        first.await_answer("/readyz")
        second.await_answer("/readyz")
        await rig.publish(*facts[:half])
        await rig.quiet(first)
        kill(second)
        await rig.publish(*facts[half:])
        await rig.quiet(first, seconds=90)
    wanted, found, wanted_matches, found_matches = await expected_and_found(rig)
    assert (found, found_matches) == (wanted, wanted_matches)
    await assert_told_as_kept(rig)


@pytest.mark.fault
@pytest.mark.timeout(300)
async def test_postgres_away_for_a_while_is_waited_for() -> None:
    with embedded_stack() as stack:
        rig = ReconcilerRig(stack.kafka_bootstrap, stack.postgres_dsn)
        await fresh_topics(rig.bootstrap)
        with rig.process() as running:
            await rig.publish(*world(20, seed=4))
            await rig.quiet(running)
            await asyncio.to_thread(stack.kill, "postgres")
            await rig.publish(*world(60, seed=4))
            await until("red readiness", lambda: is_red(running))
            assert running.child.poll() is None
            await asyncio.to_thread(stack.start)
            rig.dsn = stack.postgres_dsn
            await rig.quiet(running)
            await until("green readiness", lambda: is_green(running))
            wanted, found, wanted_matches, found_matches = await expected_and_found(rig)
            assert (found, found_matches) == (wanted, wanted_matches)
            # Cut off again, it leaves all the same when it is asked to.
            await asyncio.to_thread(stack.kill, "postgres")
            await rig.publish(payout(ident(900), 5, arrival=LONG_AGO))
            await until("red readiness", lambda: is_red(running))
            assert await asyncio.to_thread(running.stop) == 0


async def is_red(running: ServiceProcess) -> bool:
    assert running.child.poll() is None, running.told()
    return bool(await asyncio.to_thread(readiness, running))


async def is_green(running: ServiceProcess) -> bool:
    return not await is_red(running)


@pytest.mark.fault
@pytest.mark.timeout(300)
async def test_kafka_killed_and_started_again_is_gone_on_with() -> None:
    with embedded_stack() as stack:
        rig = ReconcilerRig(stack.kafka_bootstrap, stack.postgres_dsn)
        await fresh_topics(rig.bootstrap)
        with rig.process() as running:
            await rig.publish(*world(20, seed=5))
            await rig.quiet(running)
            await asyncio.to_thread(stack.kill, "kafka")
            await until("red readiness", lambda: is_red(running))
            await asyncio.to_thread(stack.start)
            assert stack.kafka_bootstrap == rig.bootstrap
            await rig.publish(*world(60, seed=5))
            await rig.quiet(running, seconds=90)
            await until("green readiness", lambda: is_green(running))
        wanted, found, wanted_matches, found_matches = await expected_and_found(rig)
        assert (found, found_matches) == (wanted, wanted_matches)
        await assert_told_as_kept(rig)
