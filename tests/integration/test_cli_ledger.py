"""`tallystick topics` and `tallystick rebuild` as a person runs them."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from shared.runtime.kafka import delete_topics
from tests.support.ledger import ROOT, LedgerRig, charge, event, fresh_topics

pytestmark = pytest.mark.stack


@pytest.fixture
async def rig(kafka_bootstrap: str, database_dsn: str) -> AsyncGenerator[LedgerRig]:
    await fresh_topics(kafka_bootstrap)
    yield LedgerRig(kafka_bootstrap, database_dsn)
    await fresh_topics(kafka_bootstrap)


async def tallystick(
    rig: LedgerRig, folder: Path, *arguments: str
) -> subprocess.CompletedProcess[str]:
    given = {k: v for k, v in os.environ.items() if not k.startswith("TALLYSTICK_")}
    return await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "tallystick", *arguments],
        cwd=ROOT,
        env=given
        | {
            "TALLYSTICK_KAFKA_BOOTSTRAP": rig.bootstrap,
            "TALLYSTICK_POSTGRES_DSN": rig.dsn,
            "TALLYSTICK_STACK_DIR": str(folder),
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


async def test_topics_check_of_a_missing_topic_names_it_and_create_makes_it(
    rig: LedgerRig, tmp_path: Path
) -> None:
    assert (await tallystick(rig, tmp_path, "topics", "check")).returncode == 0
    await delete_topics(rig.bootstrap, ["ledger.commands"])
    checked = await tallystick(rig, tmp_path, "topics", "check")
    assert checked.returncode == 1
    assert "topic ledger.commands is missing" in checked.stderr
    created = await tallystick(rig, tmp_path, "topics", "create")
    assert (created.returncode, created.stdout.split()) == (0, ["ledger.commands"])
    assert (await tallystick(rig, tmp_path, "topics", "check")).returncode == 0


async def test_rebuild_says_that_the_books_are_equal_or_where_they_part(
    rig: LedgerRig, tmp_path: Path
) -> None:
    async with rig.ledger():
        await rig.publish(*(event(f"evt_{n}", charge(f"ch_{n}")) for n in range(20)))
        await rig.caught_up()
    equal = await tallystick(rig, tmp_path, "rebuild", "--json")
    told = json.loads(equal.stdout)
    assert (equal.returncode, told["equal"], told["sound"]) == (0, True, True)
    assert told["in_use"] == told["rebuilt"]
    shown = await tallystick(rig, tmp_path, "rebuild")
    assert shown.returncode == 0
    assert "equal, and so are the heads of" in shown.stdout
    await rig.fetch(
        "update ledger.balances set debit_minor = debit_minor + 1"
        " where account = 'assets:stripe:settling'"
    )
    apart = await tallystick(rig, tmp_path, "rebuild")
    assert apart.returncode == 1
    assert "assets:stripe:settling" in apart.stderr
