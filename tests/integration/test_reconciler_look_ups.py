"""What is waited for past its deadline is asked for on its topic: each once, whatever dies."""

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import pytest

from services.reconciler.config import FailpointPlace
from services.reconciler.facts.kinds import Line
from services.reconciler.shell.audit import audit
from services.reconciler.shell.failpoints import EXIT_AT_FAILPOINT
from services.reconciler.shell.judging.in_hand import Rules
from services.reconciler.shell.judging.look_ups import ASKED_MAX, ASKED_WITHIN
from services.reconciler.shell.keeping.fact_json import fact_text
from services.reconciler.shell.process import HERE, SCHEMA, migrate_all
from shared.contracts import topics
from shared.contracts.books import BookMap
from shared.contracts.look_ups import LookUp, LookUpAsked
from shared.contracts.observations import LineState
from shared.runtime.kafka import KafkaAddress, Publication
from shared.runtime.migrations import migrate
from shared.runtime.postgres import Database
from tests.support.ledger import fresh_topics
from tests.support.reconciler import ACCOUNT, INPUTS, LONG_AGO, ReconcilerRig, line, payout

pytestmark = pytest.mark.stack

MIGRATIONS = HERE / "migrations"
AWAY = timedelta(days=400)
YEAR_AGO = datetime.now(UTC).replace(microsecond=0) - AWAY


@pytest.fixture
async def rig(kafka_bootstrap: str, database_dsn: str) -> ReconcilerRig:
    await fresh_topics(kafka_bootstrap)
    return ReconcilerRig(kafka_bootstrap, database_dsn)


async def asked(rig: ReconcilerRig) -> list[LookUpAsked]:
    """Everything on the topic, repeats and all."""
    records = await rig.records(topics.LOOK_UPS)
    found = [LookUpAsked.model_validate_json(record.value) for record in records]
    for record, told in zip(records, found, strict=True):
        envelope = record.envelope()
        assert (envelope.id, envelope.subject) == (told.id, told.subject)
        assert record.key == f"main|{told.subject}".encode()
    return found


async def due_offline(rig: ReconcilerRig) -> set[str]:
    return {due.id("main") for due in (await rig.offline()).look_ups}


def stuck(count: int) -> list[Publication]:
    return [
        payout(f"po_{n:04}Stuck", 1_000 + n, arrival=YEAR_AGO, status="in_transit")
        for n in range(count)
    ]


async def test_stuck_payouts_are_asked_for_once_however_often_it_starts_or_loses_its_tables(
    rig: ReconcilerRig,
) -> None:
    came = payout("po_Came", 900, arrival=LONG_AGO)
    paid = line("l1", 900, on=LONG_AGO.date(), text="STRIPE po_Came")
    await rig.publish(*stuck(34), came, paid)
    with rig.process() as running:
        await rig.quiet(running)
    once = await asked(rig)
    assert {each.id for each in once} == await due_offline(rig)
    assert {each.subject for each in once} == {f"po_{n:04}Stuck" for n in range(34)}
    assert len(once) == 34, "a year of weeks is asked for once"
    assert {(each.look_up, each.kind) for each in once} == {(LookUp.STRIPE_OBJECT, "payout")}
    with rig.process() as running:
        await rig.quiet(running)
    await rig.fetch("drop schema reconciler cascade")
    await rig.fetch("drop schema reconciler_read cascade")
    with rig.process() as running:
        await rig.quiet(running)
    assert await asked(rig) == once
    rows = await rig.fetch("select id from reconciler_read.look_ups")
    assert {row["id"] for row in rows} == {each.id for each in once}
    database = await Database.open(rig.dsn, search_path=SCHEMA)
    try:
        found = await audit(
            KafkaAddress(rig.bootstrap),
            database,
            Rules(books=BookMap(), require_readings=False),
            inputs=INPUTS,
            now=lambda: datetime.now(UTC),
        )
    finally:
        await database.close()
    assert found.lines[0] == "Nothing was lost: what is kept follows from the topics."


@pytest.mark.parametrize("place", [FailpointPlace.AFTER_COMMIT, FailpointPlace.AFTER_PUBLISH])
async def test_killed_where_it_hurts_it_loses_no_look_up_and_repeats_are_the_same(
    rig: ReconcilerRig, place: FailpointPlace
) -> None:
    with rig.process(reconciler_failpoint=place.value) as running:
        running.await_answer("/readyz")
        await rig.publish(*stuck(3))
        assert running.child.wait(30) == EXIT_AT_FAILPOINT
    with rig.process() as running:
        await rig.quiet(running)
    told = await asked(rig)
    assert {each.id for each in told} == await due_offline(rig)
    assert len(set(told)) == 3, "one that comes twice is the same, word for word"


async def test_history_is_not_asked_for_all_at_once(rig: ReconcilerRig) -> None:
    await rig.publish(*stuck(ASKED_MAX + 20))
    with rig.process() as running:
        await rig.quiet(running)
        await rig.publish(payout("po_Another", 5, arrival=LONG_AGO))
        await rig.quiet(running)
        assert len(await asked(rig)) == ASKED_MAX, "another judgement does not add to it"
        (due,) = await rig.fetch("select due_at from reconciler.due")
    assert due["due_at"] <= datetime.now(UTC) + ASKED_WITHIN


async def test_lines_that_were_pending_before_this_version_are_waited_for_as_well(
    empty_database_dsn: str, tmp_path: Path
) -> None:
    for file in sorted(MIGRATIONS.glob("000[1-4]_*.sql")):
        shutil.copy(file, tmp_path)
    await migrate(empty_database_dsn, schema=SCHEMA, folder=tmp_path)
    owner = await asyncpg.connect(empty_database_dsn)
    lines = {
        "announced": told(state=LineState.PENDING),
        "of nothing": told(state=LineState.PENDING, minor=0),
        "posted": told(state=LineState.POSTED),
        "gone": told(state=LineState.REMOVED),
    }
    try:
        await owner.execute("insert into reconciler.books (book, version) values ('main', 7)")
        for name, line_of_it in lines.items():
            await owner.execute(
                "insert into reconciler.facts values ('main', $1, 'line', $2, true)",
                name,
                fact_text(line_of_it),
            )
        await migrate_all(empty_database_dsn)
        rows = await owner.fetch("select key from reconciler.facts where not is_dormant")
        assert [row["key"] for row in rows] == ["announced"]
        (book,) = await owner.fetch("select version from reconciler.books")
        assert book["version"] == 8, "what a process has in hand is read anew"
        (due,) = await owner.fetch("select book, due_at <= now() as is_due from reconciler.due")
        assert tuple(due) == ("main", True)
    finally:
        await owner.close()


def told(*, state: LineState, minor: int = -700) -> Line:
    return Line(ACCOUNT, "l1", 1, state, minor, "usd", LONG_AGO.date(), "CARD HOLD", "", "")
