"""The demo as a newcomer runs it: everything real, and an exit code that can be believed."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.demo import demo
from tests.support.stack import scratch_folder

pytestmark = [pytest.mark.stack, pytest.mark.timeout(400)]


def test_demo_month_ends_with_equal_books_and_just_the_planted_discrepancies() -> None:
    with scratch_folder() as folder, demo(folder / "demo", "--speed", "48") as running:
        code = running.wait(360)
        said = running.output
        assert code == 0, said[-6000:] + running.logs()
    assert "DIFFERS" not in said
    assert "FAILED" not in said
    for kind in ("payout_overdue", "payout_amount_mismatch", "unidentified_bank_credit"):
        assert said.count(kind) == 1, said[-6000:]


def test_demo_of_troubles_finds_each_kind_of_trouble_once() -> None:
    with (
        scratch_folder() as folder,
        demo(folder / "demo", "--scenario", "troubles", "--speed", "96") as running,
    ):
        code = running.wait(360)
        assert code == 0, running.output[-8000:] + running.logs()


def test_demo_of_an_unknown_scenario_says_which_there_are(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tallystick", "demo", "--dir", str(tmp_path), "--scenario", "nope"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert "there are bare, faults, lossy, month, quiet, saas, sandbox, troubles" in done.stderr
    assert list(tmp_path.iterdir()) == []
