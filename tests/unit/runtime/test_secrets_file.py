"""The encrypted file of secrets: what it says, what is refused, and that nothing is shown."""

from pathlib import Path
from typing import ClassVar, Final

import pytest
from pydantic import SecretStr

from services.ingest.config import IngestSettings
from shared.contracts.books import BookMap
from shared.runtime import age
from shared.runtime.secrets_file import (
    FILE_VARIABLE,
    IDENTITY_FILE_VARIABLE,
    IDENTITY_VARIABLE,
    SecretsInvalid,
    cautions,
    parsed,
    with_secrets,
)
from shared.runtime.settings import Settings, SettingsInvalid

SECRET: Final = "whsec_canary_in_a_file"
DSN: Final = "postgresql://u:hunter2@h/d"


class LampSettings(Settings):
    area: ClassVar[str] = "LEDGER"


def made(folder: Path, text: str, *, owner: age.Identity | None = None) -> dict[str, str]:
    """The variables that tell of a secrets file with this text."""
    identity = owner or age.new_identity()
    (folder / "identity").write_text(f"# a comment\n{age.identity_text(identity)}\n")
    (folder / "identity").chmod(0o600)
    content = age.encrypted(text.encode(), [age.recipient_of(identity)])
    (folder / "secrets.age").write_bytes(content)
    (folder / "secrets.age").chmod(0o640)
    return {
        FILE_VARIABLE: str(folder / "secrets.age"),
        IDENTITY_FILE_VARIABLE: str(folder / "identity"),
    }


def test_settings_take_names_from_the_secrets_file(tmp_path: Path) -> None:
    told = made(tmp_path, f"# the database\nTALLYSTICK_POSTGRES_DSN={DSN}\n")
    settings = LampSettings.load(told)
    assert settings.postgres_dsn == SecretStr(DSN)
    assert settings.secrets_file == tmp_path / "secrets.age"
    assert "hunter2" not in repr(settings)


def test_settings_take_the_identity_from_the_environment(tmp_path: Path) -> None:
    told = made(tmp_path, f"TALLYSTICK_POSTGRES_DSN={DSN}\n")
    identity = Path(told.pop(IDENTITY_FILE_VARIABLE)).read_text()
    assert LampSettings.load(told | {IDENTITY_VARIABLE: identity}).postgres_dsn == SecretStr(DSN)


def test_endpoint_takes_its_secret_from_the_secrets_file(tmp_path: Path) -> None:
    told = made(tmp_path, f"MAIN_SECRET={SECRET}\n")
    file = tmp_path / "endpoints.toml"
    file.write_text('[[endpoints]]\nname = "main"\nmode = "test"\nsecret_env = "MAIN_SECRET"\n')
    told["TALLYSTICK_INGEST_ENDPOINTS_FILE"] = str(file)
    found = IngestSettings.load(told).endpoints(BookMap(), told)
    assert [secret.text for secret in found["main"].secrets] == [SECRET]


def test_endpoints_read_again_have_the_secret_that_was_changed_meanwhile(tmp_path: Path) -> None:
    name = "TALLYSTICK_INGEST_WEBHOOK_SECRET"
    told = made(tmp_path, f"{name}={SECRET}\n") | {"TALLYSTICK_INGEST_MODE": "test"}
    for text in (SECRET, "whsec_newer"):
        made(tmp_path, f"{name}={text}\n")
        found = IngestSettings.load(told).endpoints(BookMap(), told)
        assert [secret.text for secret in found["main"].secrets] == [text]


def test_environment_with_secrets_taken_in_twice_is_the_same(tmp_path: Path) -> None:
    told = with_secrets(made(tmp_path, "ONE=1\n") | {"TWO": "2"})
    assert told == with_secrets(told) == {"ONE": "1", "TWO": "2"}


def test_value_keeps_what_stands_in_its_middle() -> None:
    text = parsed(b'  ONE = a b=c#"d" \r\n\nTWO=\xc3\xa9\n')
    assert text.values == {"ONE": 'a b=c#"d"', "TWO": "\u00e9"}
    assert "a b" not in repr(text)


def test_recipients_stand_in_comments(tmp_path: Path) -> None:
    recipient = age.recipient_of(age.new_identity())
    assert parsed(f"# recipient: {recipient}\nONE=1\n".encode()).recipients == (recipient,)
    with pytest.raises(SecretsInvalid, match="line 1: no recipient"):
        parsed(b"# recipient: somebody\n")
    told = made(tmp_path, "# recipient: somebody\n")
    with pytest.raises(SettingsInvalid, match="line 1: no recipient"):
        LampSettings.load(told)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("ONE\n", "line 1: not of the form NAME=value"),
        ("\n1ONE=hunter2\n", "line 2: not of the form NAME=value"),
        ("ONE=hunter2\nONE=hunter2\n", "line 2: ONE stands there twice"),
        ("ONE=\n", "line 1: ONE has no value"),
        ('ONE="hunter2"\n', "line 1: write the value of ONE without quotes"),
        ("ONE=hunter2\0\n", "line 1: the value of ONE has a control character"),
        ("export ONE=hunter2\n", "line 1: not of the form"),
        (f"{FILE_VARIABLE}=hunter2\n", "line 1: TALLYSTICK_SECRETS_FILE says where"),
        ("TALLYSTICK_LEDGER_PROT=hunter2\n", "TALLYSTICK_LEDGER_PROT: no such setting"),
    ],
)
def test_broken_line_is_refused_by_its_number_and_never_shown(
    tmp_path: Path, text: str, said: str
) -> None:
    with pytest.raises(SettingsInvalid, match=said) as caught:
        LampSettings.load(made(tmp_path, text))
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("name", ["TALLYSTICK_POSTGRES_DSN", "TALLYSTICK_POSTGRES_DSN_FILE"])
def test_name_set_in_both_is_refused_and_named(tmp_path: Path, name: str) -> None:
    told = made(tmp_path, f"TALLYSTICK_POSTGRES_DSN={DSN}\n") | {name: "x"}
    with pytest.raises(SettingsInvalid, match=f"set in the environment and in .*: {name};"):
        LampSettings.load(told)


def test_name_that_is_empty_in_the_environment_is_not_there(tmp_path: Path) -> None:
    told = made(tmp_path, f"TALLYSTICK_POSTGRES_DSN={DSN}\n") | {"TALLYSTICK_POSTGRES_DSN": ""}
    assert LampSettings.load(told).postgres_dsn == SecretStr(DSN)


def test_wrong_identity_is_said(tmp_path: Path) -> None:
    told = made(tmp_path, "ONE=1\n")
    stranger = age.identity_text(age.new_identity())
    Path(told[IDENTITY_FILE_VARIABLE]).write_text(stranger)
    with pytest.raises(SettingsInvalid, match="not encrypted to the identity") as caught:
        LampSettings.load(told)
    assert stranger not in str(caught.value)


@pytest.mark.parametrize(
    ("identity", "said"),
    [
        ("", "there is no identity in it"),
        ("AGE-SECRET-KEY-1HUNTER2", "line 1 is an identity that is cut short"),
        ("# x\nhunter2", "line 2 is no identity"),
    ],
)
def test_broken_identity_is_refused_and_never_shown(
    tmp_path: Path, identity: str, said: str
) -> None:
    told = made(tmp_path, "ONE=1\n")
    Path(told[IDENTITY_FILE_VARIABLE]).write_text(identity)
    with pytest.raises(SettingsInvalid, match=said) as caught:
        LampSettings.load(told)
    assert "hunter2" not in str(caught.value).lower()


def test_changed_missing_and_unprotected_files_are_refused(tmp_path: Path) -> None:
    told = made(tmp_path, "ONE=1\n")
    file = Path(told[FILE_VARIABLE])
    content = file.read_bytes()
    file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(SettingsInvalid, match="cut short, or was changed"):
        LampSettings.load(told)
    file.write_bytes(content)
    file.chmod(0o602)
    with pytest.raises(SettingsInvalid, match="everybody may write to it"):
        LampSettings.load(told)
    file.unlink()
    with pytest.raises(SettingsInvalid, match=r"secrets\.age: No such file"):
        LampSettings.load(told)


def test_file_without_an_identity_or_with_two_is_refused(tmp_path: Path) -> None:
    told = made(tmp_path, "ONE=1\n")
    with pytest.raises(SettingsInvalid, match=r"is set, and .* as well"):
        LampSettings.load(told | {IDENTITY_VARIABLE: "x"})
    del told[IDENTITY_FILE_VARIABLE]
    with pytest.raises(SettingsInvalid, match="there is no identity: set"):
        LampSettings.load(told)


def test_permissions_that_are_too_wide_are_cautioned_of(tmp_path: Path) -> None:
    told = made(tmp_path, "ONE=1\n")
    assert cautions(told) == []
    Path(told[IDENTITY_FILE_VARIABLE]).chmod(0o644)
    Path(told[FILE_VARIABLE]).chmod(0o660)
    identity, file = cautions(told)
    assert "identity" in identity
    assert "mode 0644" in identity
    assert "secrets.age" in file
    assert cautions({}) == []
