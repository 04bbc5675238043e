"""`make bench` prints what the ledger does a second beside its floor; a small form of the bench."""

import pytest

from shared.runtime import log
from tests.bench.ledger import Asked, measure
from tests.support.stack import RunningStack

pytestmark = [pytest.mark.stack, pytest.mark.timeout(900)]


async def test_ledger_is_measured_beside_its_floor(
    stack: RunningStack, capsys: pytest.CaptureFixture[str]
) -> None:
    log.set_up(level="error")
    with capsys.disabled():
        await measure(
            stack,
            Asked(
                messages=40_000,
                hot=20_000,
                floor=20_000,
                turns=2,
                seconds=3,
                postings=(20_000, 200_000),
                rounds=5,
            ),
        )
