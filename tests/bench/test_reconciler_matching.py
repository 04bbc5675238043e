"""`make bench` prints what the reconciler's core lays side by side in a second."""

import pytest

from tests.bench.reconciler_matching import main


@pytest.mark.timeout(900)
def test_reconciler_matching_is_measured_in_worlds_of_ten_thousand_lines(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with capsys.disabled():
        main(["--lines", "10000", "--rounds", "3"])
