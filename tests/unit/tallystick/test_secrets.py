"""`tallystick secrets`: made, changed, moved to another identity; never shown, never left behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

import pytest
from typer.testing import CliRunner

from shared.runtime import age
from shared.runtime.secrets_file import (
    FILE_VARIABLE,
    IDENTITY_FILE_VARIABLE,
    SecretsInvalid,
    with_secrets,
)
from tallystick import clear_text
from tallystick.cli.reach import settings_here, variables_here
from tallystick.cli.secrets import app
from tallystick.installation import Installation, missing_parts

NAME: Final = "TALLYSTICK_INGEST_WEBHOOK_SECRET"
CANARY: Final = "whsec_canary_of_the_command"
PATIENCE_SECONDS: Final = 20.0
run = CliRunner().invoke


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A secrets file and its identity, freshly made, and the variables that tell of them."""
    variables = {
        FILE_VARIABLE: str(tmp_path / "secrets.age"),
        IDENTITY_FILE_VARIABLE: str(tmp_path / "identity"),
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    done = run(app, ["init"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return variables


def put(name: str, value: str) -> None:
    done = run(app, ["set", name], input=value, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert value.strip() not in done.output


def identities(told: dict[str, str]) -> tuple[age.Identity, ...]:
    return age.identities_of(Path(told[IDENTITY_FILE_VARIABLE]).read_text())


def editor(folder: Path, script: str) -> str:
    """An editor that does what a script says to the file, `FILE`, and prints nothing."""
    file = folder / "editor.py"
    file.write_text(f"import sys, pathlib\nFILE = pathlib.Path(sys.argv[1])\n{script}\n")
    return f"{sys.executable} {file}"


def test_init_makes_an_identity_for_its_owner_alone_and_an_empty_file(
    told: dict[str, str],
) -> None:
    assert Path(told[IDENTITY_FILE_VARIABLE]).stat().st_mode & 0o777 == 0o600
    assert with_secrets(told) == {}
    with pytest.raises(SecretsInvalid, match="is there already; nothing was changed"):
        run(app, ["init"], catch_exceptions=False)


def test_secret_that_was_set_is_told_to_services_and_never_shown(told: dict[str, str]) -> None:
    put(NAME, f"{CANARY}\n")
    assert with_secrets(told) == {NAME: CANARY}
    shown = run(app, ["show-names"], catch_exceptions=False).output
    assert shown == f"{NAME}\n"
    assert CANARY.encode() not in Path(told[FILE_VARIABLE]).read_bytes()
    put(NAME, "another")
    assert with_secrets(told) == {NAME: "another"}


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("TALLYSTICK_INGEST_WEBHOK_SECRET", CANARY, "no such setting: TALLYSTICK_INGEST_WEBHOK"),
        ("1X", CANARY, "not of the form"),
        ("X", f"{CANARY}\nY=1", "cannot stand on one line"),
        ("X", f'"{CANARY}"', "without quotes"),
        (FILE_VARIABLE, CANARY, "it cannot be in it"),
    ],
)
def test_secret_that_cannot_stand_there_changes_nothing(
    told: dict[str, str], name: str, value: str, said: str
) -> None:
    before = Path(told[FILE_VARIABLE]).read_bytes()
    with pytest.raises(SecretsInvalid, match=said) as caught:
        run(app, ["set", name], input=value, catch_exceptions=False)
    assert CANARY not in str(caught.value)
    assert Path(told[FILE_VARIABLE]).read_bytes() == before


def test_rotation_moves_to_a_new_identity_and_keeps_other_readers(told: dict[str, str]) -> None:
    put(NAME, CANARY)
    (old,) = identities(told)
    friend, stranger = age.new_identity(), age.new_identity()
    file = Path(told[FILE_VARIABLE])
    recipient = ["--recipient", age.recipient_of(friend)]
    run(app, ["rotate", *recipient], catch_exceptions=False)
    (new,) = identities(told)
    assert str(new) != str(old)
    assert with_secrets(told) == {NAME: CANARY}
    for reader in (new, friend):
        assert CANARY.encode() in age.decrypted(file.read_bytes(), [reader])
    for reader in (old, stranger):
        with pytest.raises(age.AgeError):
            age.decrypted(file.read_bytes(), [reader])
    put(NAME, "another")
    assert b"another" in age.decrypted(file.read_bytes(), [friend])
    other = ["--keep-identity", "--recipient", age.recipient_of(stranger)]
    run(app, ["rotate", *other], catch_exceptions=False)
    assert [str(each) for each in identities(told)] == [str(new)]
    with pytest.raises(age.AgeError):
        age.decrypted(file.read_bytes(), [friend])
    assert age.decrypted(file.read_bytes(), [stranger])


def test_rotation_that_cannot_be_finished_leaves_a_readable_file(
    told: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    put(NAME, CANARY)

    def broken(content: bytes, recipients: object) -> bytes:
        del content, recipients
        raise age.AgeError("the disk is full")

    monkeypatch.setattr(age, "encrypted", broken)
    with pytest.raises(SecretsInvalid, match="the disk is full"):
        run(app, ["rotate"], catch_exceptions=False)
    monkeypatch.undo()
    assert with_secrets(told) == {NAME: CANARY}
    assert {path.name for path in Path(told[FILE_VARIABLE]).parent.iterdir()} == {
        "secrets.age",
        "identity",
    }


def test_edit_stores_what_was_left_and_leaves_no_clear_text(
    told: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = (
        "assert FILE.stat().st_mode & 0o777 == 0o600\n"
        "assert FILE.parent.stat().st_mode & 0o777 == 0o700\n"
        f"FILE.write_text(FILE.read_text() + '{NAME}={CANARY}\\n')\n"
        f"FILE.with_name('copy~').write_text('{CANARY}')\n"
        f"pathlib.Path({str(tmp_path)!r}, 'seen').write_text(str(FILE))"
    )
    monkeypatch.setenv("EDITOR", editor(tmp_path, script))
    monkeypatch.delenv("VISUAL", raising=False)
    done = run(app, ["edit"], catch_exceptions=False)
    assert with_secrets(told) == {NAME: CANARY}
    assert CANARY not in done.output
    assert not Path((tmp_path / "seen").read_text()).parent.exists()


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("FILE.write_text('X=hunter2\\nX=hunter2\\n')", "line 2: X stands there twice"),
        ("FILE.write_bytes(b'\\xff')", "it is no UTF-8 text"),
        ("sys.exit(3)", "the editor ended with 3"),
        ("FILE.write_text('TALLYSTICK_X=hunter2\\n')", "no such setting: TALLYSTICK_X"),
    ],
)
def test_edit_that_ends_wrong_changes_nothing(
    told: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, said: str
) -> None:
    before = Path(told[FILE_VARIABLE]).read_bytes()
    monkeypatch.setenv("VISUAL", editor(tmp_path, script))
    with pytest.raises(ValueError, match=said) as caught:
        run(app, ["edit"], catch_exceptions=False)
    assert "hunter2" not in str(caught.value)
    assert Path(told[FILE_VARIABLE]).read_bytes() == before


def test_edit_that_is_ended_wipes_and_one_that_was_killed_is_wiped_by_the_next(
    tmp_path: Path,
) -> None:
    room = tmp_path / "memory"
    room.mkdir()
    waiting = "import time\npathlib.Path(sys.argv[1]).with_name('open').touch()\ntime.sleep(60)"
    code = (
        "import sys; from pathlib import Path; from tallystick.clear_text import edited;"
        f"edited('{CANARY}', sys.argv[1], folder=Path(sys.argv[2]))"
    )
    command = [sys.executable, "-c", code, editor(tmp_path, waiting), str(room)]
    for number, is_left in ((signal.SIGTERM, False), (signal.SIGKILL, True)):
        with subprocess.Popen(command, start_new_session=True) as child:
            deadline = time.monotonic() + PATIENCE_SECONDS
            while not list(room.glob("*/open")):
                assert time.monotonic() < deadline
                assert child.poll() is None
            os.kill(child.pid, number)
            child.wait(PATIENCE_SECONDS)
            assert bool(list(room.iterdir())) is is_left
            if is_left:
                os.killpg(child.pid, signal.SIGKILL)  # its editor, which outlives it
    assert clear_text.edited("X=1\n", "true", folder=room) == "X=1\n"
    assert list(room.iterdir()) == []


def test_address_in_the_secrets_file_counts_as_given_and_is_handed_to_no_child(
    told: dict[str, str],
) -> None:
    put("TALLYSTICK_POSTGRES_DSN", f"postgresql://u:{CANARY}@127.0.0.1/d")
    assert missing_parts(told) == ("kafka",)
    installation = Installation(environment={"TALLYSTICK_KAFKA_BOOTSTRAP": "127.0.0.1:1"})
    assert CANARY not in str(installation.environment())
    assert "TALLYSTICK_POSTGRES_DSN" not in installation.environment()
    assert "TALLYSTICK_POSTGRES_DSN" not in variables_here()
    assert settings_here().postgres_dsn.get_secret_value().endswith(f":{CANARY}@127.0.0.1/d")
    lacks = installation.left_out()
    assert "ledger" not in lacks
    assert "door" in lacks
    put(NAME, CANARY)
    assert "door" not in installation.left_out()
