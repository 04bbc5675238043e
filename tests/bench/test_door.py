"""`make bench` prints what the door accepts a second, beside its floors."""

import pytest

from tests.bench.door import Asked, measure
from tests.support.stack import RunningStack

pytestmark = [pytest.mark.stack, pytest.mark.timeout(900)]


def test_door_is_measured_beside_its_floors(
    stack: RunningStack, capsys: pytest.CaptureFixture[str]
) -> None:
    with capsys.disabled():
        measure(stack, Asked(), print)
