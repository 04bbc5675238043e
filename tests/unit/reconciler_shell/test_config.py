"""The reconciler's settings."""

from pathlib import Path

import pytest

from services.reconciler.config import Failpoint, FailpointPlace, ReconcilerSettings
from shared.runtime.settings import SettingsInvalid

DSN = {"TALLYSTICK_POSTGRES_DSN": "postgresql://nobody@127.0.0.1/none"}


def test_settings_without_a_database_say_which_variable_is_missing() -> None:
    with pytest.raises(SettingsInvalid, match="TALLYSTICK_POSTGRES_DSN"):
        _ = ReconcilerSettings.load({}).dsn


def test_settings_with_a_failpoint_know_its_place_and_passing() -> None:
    told = {"TALLYSTICK_RECONCILER_FAILPOINT": "mid_tx:3"}
    assert ReconcilerSettings.load(DSN | told).failpoint == Failpoint(FailpointPlace.MID_TX, 3)


@pytest.mark.parametrize("text", ["nowhere", "mid_tx:0", "mid_tx:x", "mid_tx:1:2"])
def test_settings_with_an_unknown_failpoint_are_refused(text: str) -> None:
    with pytest.raises(SettingsInvalid, match="FAILPOINT"):
        ReconcilerSettings.load(DSN | {"TALLYSTICK_RECONCILER_FAILPOINT": text})


def test_settings_with_a_failpoint_and_a_live_book_are_refused(tmp_path: Path) -> None:
    books = tmp_path / "books.toml"
    books.write_text('[[books]]\nname = "main"\nmode = "live"\n')
    with pytest.raises(SettingsInvalid, match="live"):
        ReconcilerSettings.load(
            DSN
            | {
                "TALLYSTICK_RECONCILER_FAILPOINT": "mid_tx",
                "TALLYSTICK_BOOKS_FILE": str(books),
            }
        )
