"""Processes killed for real, under load; the books end equal to the simulators' own all the same.

Every run ends with the demo's own proof: balances and discrepancies against the simulated world,
and the independent oracle over the raw topics.
"""

import pytest

from tests.support.demo import RunningDemo, demo
from tests.support.stack import scratch_folder

SERVICES = ("door", "poller", "feeds", "ledger", "reconciler")
KILLS = 10
PAYMENTS = 150

pytestmark = [pytest.mark.stack, pytest.mark.fault, pytest.mark.timeout(600)]


def test_books_equal_the_world_when_each_service_is_killed_ten_times() -> None:
    with (
        scratch_folder() as folder,
        demo(
            folder / "demo",
            *("--scenario", "faults", "--payments", str(PAYMENTS), "--seed", "101"),
            *("--speed", "36"),
        ) as running,
    ):
        for kill in range(KILLS):
            # Spread over the month, one after the other: each dies while the others work.
            for n, service in enumerate(SERVICES):
                _until_share(running, (kill + (n + 1) / len(SERVICES)) / (KILLS + 1))
                running.kill(service)
        assert running.wait(300) == 0, running.output[-6000:] + running.logs()


def test_books_equal_the_world_when_everything_is_killed_and_started_again() -> None:
    with (
        scratch_folder() as folder,
        demo(
            folder / "demo",
            *("--scenario", "faults", "--payments", str(PAYMENTS), "--seed", "106"),
            *("--speed", "48"),
        ) as running,
    ):
        for share in (0.3, 0.6):
            _until_share(running, share)
            running.kill_everything()
            running.start()
        assert running.wait(300) == 0, running.output[-6000:] + running.logs()


def _until_share(running: RunningDemo, share: float) -> None:
    """Wait until this share of the month has passed."""
    running.until(lambda: _share_of_month(running.progress()) >= share, f"{share:.0%} of the month")


def _share_of_month(progress: dict[str, object]) -> float:
    days = int(str(progress.get("days", 0)))
    return int(str(progress.get("day", 0))) / days if days else 0.0
