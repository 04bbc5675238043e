"""The reconciler over real topics and a real database: found once, told once, resolved by itself."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from shared.contracts import topics
from shared.contracts.messages import MatchMade, MatchUndone
from shared.runtime.dead_letters import dead_letter_of
from shared.runtime.kafka import Partition, delete_topics, end_offsets, topic_problems
from tests.support.ledger import fresh_topics, until
from tests.support.reconciler import (
    ACCOUNT,
    LONG_AGO,
    ReconcilerRig,
    balance,
    garbage,
    line,
    payout,
    progress,
)

pytestmark = pytest.mark.stack


@pytest.fixture
async def rig(kafka_bootstrap: str, database_dsn: str) -> ReconcilerRig:
    await fresh_topics(kafka_bootstrap)
    return ReconcilerRig(kafka_bootstrap, database_dsn)


async def test_payout_and_its_bank_line_are_matched_once(rig: ReconcilerRig) -> None:
    arrival = LONG_AGO
    told = [
        payout("po_1MatchedOnceAaBbCc", 12_345, arrival=arrival),
        line("l1", 12_345, on=arrival.date(), text="STRIPE po_1MatchedOnceAaBbCc"),
    ]
    await rig.publish(*told)
    with rig.process() as running:
        await rig.quiet(running)
        await rig.publish(*told, *reversed(told))
        await rig.quiet(running)
        running.await_answer("/readyz")
        assert running.stop() == 0
    (made,) = await rig.matches()
    assert isinstance(made, MatchMade)
    assert made.line is not None
    assert (made.line.id, [s.object for s in made.settles]) == ("l1", ["po_1MatchedOnceAaBbCc"])
    assert await rig.reports() == []
    (row,) = await rig.fetch("select state, line_id, kind from reconciler_read.matches")
    assert tuple(row) == ("made", "l1", "bank_line")


async def test_overdue_payout_is_told_once_and_resolved_when_its_line_comes(
    rig: ReconcilerRig,
) -> None:
    late = payout("po_1LateAaBbCcDdEeFf", 5_000, arrival=LONG_AGO)
    with rig.process() as running:
        await rig.publish(late)
        await rig.quiet(running)
        subject = "payout_overdue po_1LateAaBbCcDdEeFf"
        await until("the overdue payout", lambda: told_of(rig, subject))
        await rig.publish(late)
        await rig.quiet(running)
        assert await rig.lives() == {subject: ["open"]}
        (current,) = await rig.records(topics.DISCREPANCIES_CURRENT)
        assert json.loads(current.value)["state"] == "open"

        await rig.publish(line("l1", 5_000, on=LONG_AGO.date(), text="STRIPE po_1LateAaBbCcDdEeFf"))
        await rig.quiet(running)
        assert await rig.lives() == {subject: ["open", "resolved"]}
    *_, tombstone = await rig.records(topics.DISCREPANCIES_CURRENT)
    assert (tombstone.key, tombstone.value) == (current.key, b"")
    rows = await rig.fetch("select kind, subject, state from reconciler_read.discrepancies")
    assert [tuple(row) for row in rows] == [("payout_overdue", "po_1LateAaBbCcDdEeFf", "resolved")]


async def told_of(rig: ReconcilerRig, subject: str) -> bool:
    return subject in await rig.lives()


async def test_line_taken_back_by_the_bank_undoes_its_match(rig: ReconcilerRig) -> None:
    ident = "po_1UndoneAaBbCcDdEe"
    with rig.process() as running:
        await rig.publish(
            payout(ident, 700, arrival=LONG_AGO),
            line("l1", 700, on=LONG_AGO.date(), text=f"STRIPE {ident}"),
        )
        await rig.quiet(running)
        await rig.publish(
            line("l1", 700, on=LONG_AGO.date(), text="CASH DEPOSIT ACME WIDGETS", revision=2)
        )
        await rig.quiet(running)
    first, second = await rig.matches()
    assert isinstance(first, MatchMade)
    assert isinstance(second, MatchUndone)
    assert (first.id, first.revision, first.clears) == (second.id, second.revision, second.clears)
    assert {k: states[-1] for k, states in (await rig.lives()).items()} == {
        f"payout_overdue {ident}": "open",
        "unidentified_bank_credit l1": "open",
    }


async def test_due_time_that_passes_while_nothing_is_told_opens_the_discrepancy(
    rig: ReconcilerRig,
) -> None:
    soon = datetime.now(UTC) + timedelta(days=1)
    with rig.process() as running:
        await rig.publish(payout("po_1SoonAaBbCcDdEeFf", 900, arrival=soon))
        await rig.quiet(running)
        assert await rig.reports() == []
        (row,) = await rig.fetch("select due_at from reconciler.due")
        assert row["due_at"] > datetime.now(UTC)
        assert running.stop() == 0
    # The payout was to arrive long ago, and the clock says so: nothing else is told.
    await rig.fetch(
        "update reconciler.facts set body = replace(body::text, $1, '2026-01-05')::json",
        soon.date().isoformat(),
    )
    await rig.fetch("update reconciler.due set due_at = now() - interval '1 second'")
    with rig.process() as running:
        await until("the due time", lambda: told_of(rig, "payout_overdue po_1SoonAaBbCcDdEeFf"))


async def test_records_that_nobody_can_read_are_parked_and_the_rest_goes_on(
    rig: ReconcilerRig,
) -> None:
    with rig.process() as running:
        await rig.publish(
            garbage(topics.STRIPE_EVENTS, b"k1", b"not json"),
            garbage(topics.STRIPE_EVENTS, b"k2", b"[1, 2]"),
            garbage(topics.BANK_OBSERVATIONS, ACCOUNT.encode(), b'{"kind": "line"}'),
            garbage(topics.LEDGER_OUTCOMES, b"k3", b"\xff\xfe"),
            payout("po_1AmongPoisonAaBbCc", 300, arrival=LONG_AGO),
            line("l1", 300, on=LONG_AGO.date(), text="STRIPE po_1AmongPoisonAaBbCc"),
        )
        await rig.quiet(running)
        assert running.child.poll() is None
    letters = await rig.records(topics.RECONCILER_DEAD_LETTERS)
    assert sorted(letter.value for letter in letters) == sorted(
        [b"not json", b"[1, 2]", b'{"kind": "line"}', b"\xff\xfe"]
    )
    assert {dead_letter_of(letter.envelope()).reason for letter in letters} == {"unreadable"}
    assert len(await rig.matches()) == 1
    (parked,) = await rig.fetch("select count(*) from reconciler.parked")
    assert parked["count"] == 4


async def test_drift_opens_after_two_readings_that_the_ledger_has_booked_past(
    rig: ReconcilerRig,
) -> None:
    async def prove(minor: int, reading: str) -> None:
        (place,) = await rig.publish(balance(minor, as_of=None, reading=reading))
        await rig.quiet(running)
        end = (await end_offsets(rig.bootstrap, [topics.BANK_OBSERVATIONS]))[place]
        assert await rig.fetch("select 1 from reconciler.readings")
        await rig.publish(progress(Partition(*place), end))
        await rig.quiet(running)
        assert not await rig.fetch("select 1 from reconciler.readings")

    with rig.process() as running:
        await prove(5_000, "r1")
        assert await rig.reports() == []
        await prove(5_000, "r2")
        assert await rig.lives() == {f"balance_drift {ACCOUNT}": ["open"]}
        await prove(5_000, "r3")
        assert await rig.lives() == {f"balance_drift {ACCOUNT}": ["open"]}
        await prove(0, "r4")
        assert await rig.lives() == {f"balance_drift {ACCOUNT}": ["open", "resolved"]}


async def test_start_without_its_topics_is_refused_with_their_names(
    kafka_bootstrap: str, database_dsn: str
) -> None:
    await fresh_topics(kafka_bootstrap)
    await delete_topics(kafka_bootstrap, [topics.MATCHES, topics.LEDGER_ENTRIES])

    async def are_gone() -> bool:
        return len(await topic_problems(kafka_bootstrap)) == 2

    await until("the topics to be gone", are_gone)
    with ReconcilerRig(kafka_bootstrap, database_dsn).process() as running:
        assert running.child.wait(30) == 78
        assert "topic ledger.entries is missing" in running.told()
        assert "topic reconciliation.matches is missing" in running.told()


async def test_payout_is_overdue_only_when_its_bank_was_read_past_the_due_time(
    rig: ReconcilerRig,
) -> None:
    subject = "payout_overdue po_1ReadFirstAaBbCcDd"
    with rig.process(reconciler_require_readings="true") as running:
        await rig.publish(
            balance(0, as_of=LONG_AGO, reading="r1"),
            payout("po_1ReadFirstAaBbCcDd", 900, arrival=LONG_AGO),
        )
        await rig.quiet(running)
        # The bank's own time stands before the due time, however late it is here.
        assert await rig.lives() == {}
        await rig.publish(balance(0, as_of=LONG_AGO + timedelta(days=10), reading="r2"))
        await until("the overdue payout", lambda: told_of(rig, subject))
        await rig.quiet(running)
    assert await rig.lives() == {subject: ["open"]}
