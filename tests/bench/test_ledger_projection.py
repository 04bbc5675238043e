"""`make bench` prints what a ledger process books a second, and what its guards cost."""

import argparse

import pytest

from shared.runtime import log
from tests.bench.ledger_projection import measure
from tests.support.stack import RunningStack

pytestmark = [pytest.mark.stack, pytest.mark.timeout(900)]


async def test_ledger_projection_is_measured_with_the_guards_and_without(
    stack: RunningStack, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = argparse.Namespace(messages=40_000, rounds=3, batches=[500, 2_000])
    log.set_up(level="warning")
    with capsys.disabled():
        await measure(stack, asked)
