"""Two reconcilers killed again and again, their tables deleted once: nothing lost, nothing twice.

`TALLYSTICK_TEST_RECONCILER_KILLS` says how many kills there are in all; a few in the suite.
"""

import asyncio
import os
import random
from datetime import UTC, datetime
from typing import Any

import asyncpg
import pytest

from services.reconciler.shell.audit import audit
from services.reconciler.shell.judging.in_hand import Rules
from services.reconciler.shell.process import INPUTS
from shared.contracts import topics
from shared.contracts.acts import RECONCILER_ACT
from shared.contracts.books import BookMap
from shared.contracts.envelope import Envelope
from shared.contracts.schemas import type_of
from shared.runtime.kafka import KafkaAddress, Publication
from shared.runtime.postgres import Database
from tests.support.ledger import fresh_topics, until
from tests.support.reconciler import ACCOUNT, LONG_AGO, ReconcilerRig, kill, line, payout

pytestmark = [pytest.mark.stack, pytest.mark.fault]
KILLS = int(os.environ.get("TALLYSTICK_TEST_RECONCILER_KILLS", "4"))
PAYOUTS_A_ROUND = 12


def ident(number: int) -> str:
    """A payout's id that no other begins or ends like."""
    return f"po_{random.Random(number).randbytes(10).hex()}"


def act(key: str, **told: Any) -> Publication:  # Any: fields of an act
    asked = RECONCILER_ACT.validate_python(
        {"idempotency_key": key, "actor": "ada", "reason": "why"} | told
    )
    return Publication(
        topics.RECONCILIATION_COMMANDS,
        f"main|{key}".encode(),
        Envelope(
            id=f"act_{key}",
            source="test",
            type=type_of(type(asked)),
            time=datetime.now(UTC),
            data=asked.model_dump_json().encode(),
            extensions={"book": "main"},
        ),
    )


def told(number: int) -> list[Publication]:
    """A round of payouts: most arrive, some do not, some short; one is matched by hand."""
    found: list[Publication] = []
    for n in range(number * PAYOUTS_A_ROUND, (number + 1) * PAYOUTS_A_ROUND):
        found.append(payout(ident(n), 1_000 + n, arrival=LONG_AGO))
        if n % 5 == 0:
            continue
        paid = 900 + n if n % 7 == 0 else 1_000 + n
        text = "CASH DEPOSIT ACME WIDGETS" if n % 6 == 0 else f"STRIPE {ident(n)}"
        found.append(line(f"l{n}", paid, on=LONG_AGO.date(), text=text))
        if n % 6 == 0:
            pair = {
                "lines": [{"account": ACCOUNT, "id": f"l{n}"}],
                "objects": [{"object": ident(n)}],
            }
            found.append(act(f"m{n}", kind="match_by_hand", matches=[pair], force=True))
    return found


async def taken(rig: ReconcilerRig) -> int:
    """How many records have been taken so far; none while there are no tables."""
    try:
        rows = await rig.fetch(
            "select coalesce(sum(next_offset), 0) as n from reconciler.positions"
        )
    except asyncpg.PostgresError:
        return 0
    return int(rows[0]["n"])


async def moved(rig: ReconcilerRig, records: int) -> None:
    """Wait until so many more records were taken: a kill at no moment in particular."""
    before = await taken(rig)

    async def has_moved() -> bool:
        return await taken(rig) >= before + records

    await until("some progress", has_moved)


@pytest.mark.timeout(120 + 60 * KILLS)
async def test_two_workers_killed_again_and_again_keep_what_the_topics_tell(
    kafka_bootstrap: str, database_dsn: str
) -> None:
    await fresh_topics(kafka_bootstrap)
    one = ReconcilerRig(kafka_bootstrap, database_dsn, instance="one")
    two = ReconcilerRig(kafka_bootstrap, database_dsn, instance="two")
    dice = random.Random(11)
    for number in range(KILLS // 2):
        publications = told(number)
        dice.shuffle(publications)
        if number == 1:
            await one.fetch("drop schema reconciler cascade")
            await one.fetch("drop schema reconciler_read cascade")
        with one.process() as first, two.process() as second:
            sending = asyncio.create_task(one.publish(*publications))
            first.await_answer()
            second.await_answer()
            await moved(one, dice.randrange(1, PAYOUTS_A_ROUND))
            kill(first)
            kill(second)
            await sending
    with one.process() as first, two.process() as second:
        second.await_answer()
        await one.quiet(first, seconds=120)
        assert (first.stop(), second.stop()) == (0, 0)
    database = await Database.open(database_dsn, search_path="reconciler", connections_max=1)
    try:
        found = await audit(
            KafkaAddress(kafka_bootstrap),
            database,
            Rules(books=BookMap(), require_readings=False),
            inputs=INPUTS,
            now=lambda: datetime.now(UTC),
        )
    finally:
        await database.close()
    assert (found.undecided, found.wrong) == ("", []), found.lines
    assert found.discrepancies > 0
    assert found.matches > KILLS // 2 * PAYOUTS_A_ROUND // 2
    lives = await one.lives()
    assert all(life[0] == "open" and life.count("open") <= 2 for life in lives.values()), lives
