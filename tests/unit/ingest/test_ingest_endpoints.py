"""The command that lists the door's endpoints."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from shared.runtime.settings import SettingsInvalid
from tallystick.cli.ingest import app

FILE = """
[[endpoints]]
name = "main"
mode = "test"
account = "acct_1"
api_version = "2026-10-28.endive"

[[endpoints.secrets]]
id = "old"
file = "main.secret"
until = 2020-01-01

[[endpoints.secrets]]
id = "new"
env = "NEW_SECRET"
from = 2020-01-01

[[endpoints]]
name = "connect"
path = "connect/thin"
kind = "connect"
payload = "thin"
mode = "test"
account = "acct_1"
secret_env = "NEW_SECRET"
"""
BOOKS = '[[books]]\nname = "trial"\nmode = "test"\nstripe_accounts = ["acct_1"]\n'


@pytest.fixture(autouse=True)
def installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "endpoints.toml").write_text(FILE)
    (tmp_path / "main.secret").write_text("whsec_hidden_old")
    (tmp_path / "books.toml").write_text(BOOKS)
    monkeypatch.setenv("TALLYSTICK_INGEST_ENDPOINTS_FILE", str(tmp_path / "endpoints.toml"))
    monkeypatch.setenv("TALLYSTICK_BOOKS_FILE", str(tmp_path / "books.toml"))
    monkeypatch.setenv("NEW_SECRET", "whsec_hidden_new")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["endpoints", *arguments])


def test_endpoints_are_listed_as_json_lines_without_their_secrets() -> None:
    result = run("--json")
    main, connect = (json.loads(line) for line in result.stdout.splitlines())
    assert main == {
        "name": "main",
        "path": "/webhooks/stripe/main",
        "kind": "account",
        "payload": "snapshot",
        "mode": "test",
        "account": "acct_1",
        "book": "trial",
        "api_version": "2026-10-28.endive",
        "secrets": [
            {"id": "old", "state": "ended", "from": None, "until": "2020-01-01T00:00:00Z"},
            {"id": "new", "state": "in force", "from": "2020-01-01T00:00:00Z", "until": None},
        ],
    }
    assert (connect["path"], connect["payload"]) == ("/webhooks/stripe/connect/thin", "thin")
    assert [secret["id"] for secret in connect["secrets"]] == ["current"]
    assert "hidden" not in result.output


def test_endpoints_are_listed_for_people_with_their_secrets_ids_below() -> None:
    result = run()
    assert result.exit_code == 0
    assert "/webhooks/stripe/connect/thin" in result.stdout
    assert "  secret old: ended, until 2020-01-01T00:00:00Z" in result.stdout
    assert "  secret new: in force, from 2020-01-01T00:00:00Z" in result.stdout
    assert "hidden" not in result.output


def test_endpoints_that_cannot_be_used_are_refused_as_the_door_refuses_them(
    tmp_path: Path,
) -> None:
    (tmp_path / "endpoints.toml").write_text("[[endpoints]]\nname = 'a'\n")
    assert isinstance(run().exception, SettingsInvalid)


def test_secret_of_two_endpoints_is_warned_of_beside_the_list_and_not_shown() -> None:
    for arguments in ((), ("--json",)):
        result = run(*arguments)
        assert result.exit_code == 0
        assert "one secret stands for main (new), connect (current)" in result.stderr
        assert "hidden" not in result.output
