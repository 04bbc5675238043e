import pytest

from services.ledger.shell.failpoints import Failpoints
from shared.runtime.settings import SettingsInvalid


def test_failpoints_in_live_mode_are_refused() -> None:
    with pytest.raises(SettingsInvalid, match="real money"):
        Failpoints("mid_tx", is_live=True)


@pytest.mark.parametrize("spec", ["nowhere", "mid_tx:x", "mid_tx:-1"])
def test_failpoints_that_nobody_knows_are_refused(spec: str) -> None:
    with pytest.raises(SettingsInvalid, match="no failpoint"):
        Failpoints(spec)


def test_failpoints_that_are_not_set_are_passed() -> None:
    for name in ("before_tx", "mid_tx", "after_commit"):
        Failpoints().reached(name)
    Failpoints("after_publish").reached("mid_tx")
    Failpoints("mid_tx:2").reached("mid_tx")
