"""The commands about the copy: their data, their exit codes, and what they say to do."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from services.archiver.shell.store import DirectoryStore
from shared.contracts.topics import STRIPE_EVENTS, TOPICS
from tallystick.cli.problems import ExitCode
from tests.support.archiver import all_copied, copier, copying
from tests.support.ledger import LedgerRig, charge, event, fresh_topics

pytestmark = pytest.mark.stack

ROOT = Path(__file__).parents[2]
COUNT = 40


def tallystick(bootstrap: str, *arguments: str, **given: str) -> subprocess.CompletedProcess[str]:
    kept = {n: v for n, v in os.environ.items() if not n.startswith("TALLYSTICK_")}
    return subprocess.run(
        [sys.executable, "-m", "tallystick", *arguments],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
        cwd=ROOT,
        env=kept | {"TALLYSTICK_KAFKA_BOOTSTRAP": bootstrap} | given,
    )


@pytest.fixture
def copy(kafka_bootstrap: str, tmp_path: Path) -> Path:
    """A copy of a broker with a few events."""

    async def make() -> None:
        await fresh_topics(kafka_bootstrap)
        rig = LedgerRig(kafka_bootstrap, "")
        store = DirectoryStore(tmp_path)
        async with copying(copier(kafka_bootstrap, store, list(TOPICS))):
            await rig.publish(*(event(f"evt_{n}", charge(f"ch_{n}")) for n in range(COUNT)))
            await all_copied(kafka_bootstrap, store, [STRIPE_EVENTS])

    asyncio.run(make())
    return tmp_path


def test_copy_that_is_whole_is_said_to_be_so_by_status_verify_and_list(
    kafka_bootstrap: str, copy: Path
) -> None:
    place = {"TALLYSTICK_ARCHIVER_PLACE": str(copy)}
    status = tallystick(kafka_bootstrap, "archive", "status", "--json", **place)
    assert status.returncode == 0, status.stderr
    rows = [json.loads(line) for line in status.stdout.splitlines()]
    assert len(rows) == sum(topic.partitions for topic in TOPICS.values())
    assert {row["uncopied"] for row in rows} == {0}
    assert sum(row["copied_to"] for row in rows if row["topic"] == STRIPE_EVENTS) == COUNT
    verified = tallystick(kafka_bootstrap, "archive", "verify", "--with-broker", "--json", **place)
    assert verified.returncode == 0, verified.stderr
    told = json.loads(verified.stdout)
    assert (told["sound"], told["records"], told["holes"]) == (True, COUNT, [])
    listed = tallystick(kafka_bootstrap, "archive", "list", "--json", "--place", str(copy))
    assert sum(json.loads(line)["count"] for line in listed.stdout.splitlines()) == COUNT


def test_broken_segment_is_named_and_ends_with_one(kafka_bootstrap: str, copy: Path) -> None:
    broken = min(copy.rglob("*.segment"))
    broken.write_bytes(broken.read_bytes()[:-1])
    done = tallystick(kafka_bootstrap, "archive", "verify", "--place", str(copy))
    assert done.returncode == ExitCode.FOUND_A_PROBLEM
    assert broken.relative_to(copy).as_posix() in done.stderr
    assert "\n  do:  " in done.stderr


def test_copy_of_nothing_is_a_problem_for_status(kafka_bootstrap: str, copy: Path) -> None:
    done = tallystick(kafka_bootstrap, "archive", "status", "--place", str(copy / "elsewhere"))
    assert done.returncode == ExitCode.FOUND_A_PROBLEM
    assert "holds no copy" in done.stderr


def test_restore_into_a_broker_that_has_records_is_refused(
    kafka_bootstrap: str, copy: Path
) -> None:
    done = tallystick(kafka_bootstrap, "restore", "--from", str(copy), "--no-audit")
    assert done.returncode == ExitCode.REFUSED
    assert "the broker is not empty: stripe.events" in done.stderr


def test_place_that_is_none_is_told_with_the_setting_and_never_repeated(
    kafka_bootstrap: str,
) -> None:
    done = tallystick(kafka_bootstrap, "archive", "status")
    assert done.returncode == ExitCode.USAGE
    assert "TALLYSTICK_ARCHIVER_PLACE" in done.stderr
    place = "https://canary-key@bucket/x"
    done = tallystick(kafka_bootstrap, "archive", "status", "--place", place)
    assert done.returncode == ExitCode.USAGE
    assert "canary" not in done.stdout + done.stderr


def test_doctor_warns_of_no_copy_and_of_few_brokers_for_live_money_alone(
    kafka_bootstrap: str, copy: Path
) -> None:
    # A database that does not answer is another finding, and none of these.
    other = {"TALLYSTICK_POSTGRES_DSN": "postgresql://nobody@127.0.0.1:1/none"}
    none = findings(kafka_bootstrap, "--live", **other)
    assert (none["archive"]["verdict"], none["replicas"]["verdict"]) == ("warning", "warning")
    assert "TALLYSTICK_ARCHIVER_PLACE" in none["archive"]["fix"]
    assert findings(kafka_bootstrap, **other)["archive"]["verdict"] == "good"
    there = findings(kafka_bootstrap, "--live", TALLYSTICK_ARCHIVER_PLACE=str(copy), **other)
    assert there["archive"]["verdict"] == "good"


def findings(bootstrap: str, *arguments: str, **given: str) -> dict[str, dict[str, str]]:
    done = tallystick(bootstrap, "doctor", "--json", *arguments, **given)
    found: list[dict[str, str]] = json.loads(done.stdout)["findings"]
    return {each["subject"]: each for each in found}
