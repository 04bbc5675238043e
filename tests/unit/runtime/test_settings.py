from pathlib import Path
from typing import ClassVar

import pytest
from pydantic import Field, SecretStr

from shared.contracts.books import BookMap
from shared.runtime.settings import Settings, SettingsInvalid


class LampSettings(Settings):
    area: ClassVar[str] = "LEDGER"

    ledger_port: int = Field(default=1, ge=1)


def test_settings_of_an_empty_environment_are_the_defaults() -> None:
    assert LampSettings.load({}).kafka_bootstrap == "127.0.0.1:19092"


def test_settings_read_a_value_from_its_variable() -> None:
    assert LampSettings.load({"TALLYSTICK_LEDGER_PORT": "7"}).ledger_port == 7


def test_settings_read_a_secret_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "dsn"
    file.write_text("postgresql://x\n")
    settings = LampSettings.load({"TALLYSTICK_POSTGRES_DSN_FILE": str(file)})
    assert settings.postgres_dsn == SecretStr("postgresql://x")
    assert "postgresql" not in repr(settings)


def test_file_of_no_name_is_no_file_so_that_an_overlay_can_take_one_back() -> None:
    taken_back = {"TALLYSTICK_POSTGRES_DSN_FILE": "", "TALLYSTICK_SECRETS_FILE": ""}
    assert LampSettings.load(taken_back).postgres_dsn == SecretStr("")
    assert LampSettings.load(taken_back).secrets_file is None
    both = {"TALLYSTICK_LEDGER_PORT": "7", "TALLYSTICK_LEDGER_PORT_FILE": ""}
    assert LampSettings.load(both).ledger_port == 7


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"TALLYSTICK_LEDGER_PROT": "7"}, "TALLYSTICK_LEDGER_PROT: no such setting"),
        ({"TALLYSTICK_KAFKA_BOOTSTRAPS": "x"}, "TALLYSTICK_KAFKA_BOOTSTRAPS: no such setting"),
        ({"TALLYSTICK_LEDGER_PORT": "0"}, "TALLYSTICK_LEDGER_PORT: Input should be greater"),
        ({"TALLYSTICK_LEDGER_PORT_FILE": "/nowhere"}, "TALLYSTICK_LEDGER_PORT: "),
        (
            {"TALLYSTICK_LEDGER_PORT_FILE": "/x", "TALLYSTICK_LEDGER_PORT": "1"},
            "set twice",
        ),
    ],
)
def test_settings_that_are_wrong_refuse_to_load(environment: dict[str, str], said: str) -> None:
    with pytest.raises(SettingsInvalid, match=said):
        LampSettings.load(environment)


def test_settings_leave_the_names_of_other_rooms_to_them() -> None:
    others = {"TALLYSTICK_STACK_DIR": "x", "TALLYSTICK_CONSOLE_PORT": "1", "PATH": "/"}
    assert LampSettings.load(others).ledger_port == 1


def test_settings_never_show_a_wrong_value() -> None:
    with pytest.raises(SettingsInvalid) as caught:
        LampSettings.load({"TALLYSTICK_LEDGER_PORT": "hunter2"})
    assert "hunter2" not in str(caught.value)


def test_settings_read_books_from_a_file_and_know_real_money(tmp_path: Path) -> None:
    file = tmp_path / "books.toml"
    file.write_text('[[books]]\nname = "live"\nmode = "live"\n')
    settings = LampSettings.load({"TALLYSTICK_BOOKS_FILE": str(file)})
    assert settings.books().books[0].name == "live"
    assert settings.is_live()
    assert LampSettings.load({}).books() == BookMap()
    assert not LampSettings.load({}).is_live()


def test_settings_of_a_books_file_that_is_no_book_map_refuse(tmp_path: Path) -> None:
    file = tmp_path / "books.toml"
    file.write_text("books = 3\n")
    with pytest.raises(SettingsInvalid, match="BOOKS_FILE"):
        LampSettings.load({"TALLYSTICK_BOOKS_FILE": str(file)}).books()
