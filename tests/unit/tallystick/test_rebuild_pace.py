"""What a rebuild says of its progress."""

import pytest

from tallystick.cli.rebuild import Pace, told_pace
from tallystick.cli.talk import Talk


@pytest.mark.parametrize(
    ("read", "total", "seconds", "told"),
    [
        (0, 10, 0.0, "read 0 of 10 messages"),
        (5_000, 1_000_000, 0.4, "read 5,000 of 1,000,000 messages"),
        (200_000, 1_000_000, 40.0, "read 200,000 of 1,000,000 messages, 5,000/s, 160 s left"),
        (10, 10, 2.0, "read 10 of 10 messages, 5/s, 0 s left"),
    ],
)
def test_pace_tells_the_rate_and_what_is_left(
    read: int, total: int, seconds: float, told: str
) -> None:
    assert told_pace(read, total, seconds) == told


def test_rate_that_is_told_at_the_end_is_that_of_the_longest_stretch() -> None:
    seconds = iter([10.0, 20.0, 21.0, 21.0])
    pace = Pace(Talk(), began=0.0, clock=lambda: next(seconds))
    assert pace.told() == "at once"
    pace(500, 1_000)
    pace(1_000, 1_000)
    assert pace.told() == "50/s"
    pace(3, 9)  # what came meanwhile
    pace(9, 9)
    assert pace.told() == "50/s"
