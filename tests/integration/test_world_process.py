"""The world as a process of its own: started, killed, started again, stopped."""

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import pytest

SCENARIOS = Path(__file__).parents[2] / "sandbox" / "scenarios"

Told = dict[str, Any]  # Any: JSON that is about to be looked at


@contextmanager
def process(*arguments: str) -> Generator[subprocess.Popen[str]]:
    """``python -m sandbox.world`` with these arguments; killed if it is still there at the end."""
    running = subprocess.Popen(
        [sys.executable, "-m", "sandbox.world", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": "."},
    )
    try:
        yield running
    finally:
        running.kill()
        running.communicate()


def told(running: subprocess.Popen[str], event: str) -> Told:
    """The next report of a kind; the test's own time limit bounds the wait."""
    assert running.stdout is not None
    for line in running.stdout:
        happening: Told = json.loads(line)
        if happening["event"] == event:
            return happening
    raise AssertionError(f"the world ended before it told {event!r}")


def asked(url: str) -> Told:
    with urllib.request.urlopen(url, timeout=10) as answer:
        found: Told = json.load(answer)
        return found


def test_a_world_killed_in_the_middle_ends_as_one_that_was_not(tmp_path: Path) -> None:
    common = ("--scenario", "month", "--end", "2026-11-21", "--payments", "60")
    with process(*common, "--speed", "0") as whole:
        ready = told(whole, "ready")
        told(whole, "finished")
        expected = asked(f"{ready['stripe']}/sim/truth")
    kept = ("--state-file", str(tmp_path / "state.jsonl"))
    with process(*common, *kept, "--speed", "240") as first:
        told(first, "ready")
        while told(first, "progress")["day"] < 10:
            pass
        first.send_signal(signal.SIGKILL)
        first.wait(timeout=10)
    with process(*common, *kept, "--speed", "0") as second:
        ready = told(second, "ready")
        assert ready["text"] > "2026-10-20"
        assert told(second, "finished")["unmet"] is None
        assert asked(f"{ready['bank']}/sim/truth") == expected
        second.terminate()
        assert second.wait(timeout=10) == 0


def test_a_world_whose_port_is_taken_says_so(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        with process("--stripe-port", port, "--state-file", str(tmp_path / "s")) as running:
            _, errors = running.communicate(timeout=20)
    assert running.returncode == 2
    assert "the world cannot begin" in errors


def test_a_world_on_the_wall_clock_says_what_time_it_is_and_another_does_not() -> None:
    """Whoever asks Stripe for the time, as the doctor does, must not be told a simulated one."""

    def date_at(url: str) -> str | None:
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(f"{url}/v1/balance", timeout=10)
        with refused.value as answer:
            return answer.headers["Date"]

    with process("--scenario", "bare", "--wall-clock") as running:
        said = date_at(told(running, "ready")["stripe"])
    assert said is not None
    assert abs((parsedate_to_datetime(said) - datetime.now(UTC)).total_seconds()) < 60
    with process("--scenario", "bare", "--hold") as running:
        assert date_at(told(running, "ready")["stripe"]) is None


def test_a_state_file_of_another_world_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "state.jsonl"
    path.write_text(
        '{"world": "month", "seed": 7, "payments": 60, "end": "2026-11-21", "live": false}\n'
    )
    with process("--scenario", "quiet", "--state-file", str(path)) as running:
        _, errors = running.communicate(timeout=20)
    assert running.returncode == 2
    assert "scenario month, not quiet" in errors


def test_an_unknown_scenario_is_answered_with_the_known_ones() -> None:
    with process("--scenario", "nothing") as running:
        _, errors = running.communicate(timeout=20)
    assert running.returncode == 2
    assert ", ".join(sorted(file.stem for file in SCENARIOS.glob("*.toml"))) in errors
