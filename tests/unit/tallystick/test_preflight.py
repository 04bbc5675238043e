"""What is looked at before anything starts: ports, files, and what stands in the files."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from shared.runtime.settings import SettingsInvalid
from tallystick.cli.problems import ExitCode, problem_from
from tallystick.doctor import Verdict, service_findings, service_settings_findings
from tallystick.installation import Installation
from tallystick.preflight import (
    FilesUnreadable,
    PortInvalid,
    check_before_start,
    require_files,
    service_port,
    stack_settings,
)
from tallystick.processes import SERVICES

NO_PORTS = ["abc", "8400.5", "0", "-1", "65536", "99999999999999999999", "8_400", "½", "８４００"]  # noqa: RUF001
BOOKS = '[[books]]\nname = "main"\nmode = "test"\nstripe_accounts = ["acct_1"]\n'
BANKS = '[[banks]]\nname = "first"\nbase_url = "https://bank.example"\nkey_file = "first.key"\n'


def tallystick(folder: Path, *arguments: str, **given: str) -> subprocess.CompletedProcess[str]:
    kept = {n: v for n, v in os.environ.items() if not n.startswith("TALLYSTICK_")}
    return subprocess.run(
        [sys.executable, "-m", "tallystick", *arguments],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
        env=kept | {"TALLYSTICK_STACK_DIR": str(folder / "data")} | given,
    )


# ---------------------------------------------------------------- ports


@pytest.mark.parametrize("service", SERVICES, ids=lambda each: each.name)
@pytest.mark.parametrize("text", NO_PORTS)
def test_port_of_a_service_that_is_none_is_told_with_variable_value_and_way_out(
    service: object, text: str
) -> None:
    process = next(each for each in SERVICES if each is service)
    with pytest.raises(PortInvalid) as caught:
        service_port(process, {process.port_variable: text})
    problem = problem_from(caught.value)
    assert problem.what == f"{process.port_variable}={text!r} is no port"
    assert "whole number from 1 to 65535" in problem.why
    assert str(process.port) in problem.fix
    assert problem.code is ExitCode.USAGE


@pytest.mark.parametrize("text", ["1", "8400", " 8400 ", "65535"])
def test_port_of_a_service_that_is_one_is_taken(text: str) -> None:
    assert service_port(SERVICES[-1], {"TALLYSTICK_INGEST_DOOR_PORT": text}) == int(text)


def test_port_of_a_service_may_stand_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "port").write_text("9400\n")
    given = {"TALLYSTICK_INGEST_DOOR_PORT_FILE": str(tmp_path / "port")}
    assert service_port(SERVICES[-1], given) == 9400
    assert service_port(SERVICES[-1], {}) == 8400


@pytest.mark.parametrize("name", ["TALLYSTICK_STACK_KAFKA_PORT", "TALLYSTICK_STACK_POSTGRES_PORT"])
@pytest.mark.parametrize("text", ["abc", "-1", "65535", "1.5"])
def test_port_of_the_stack_that_is_none_is_told_with_variable_value_and_way_out(
    name: str, text: str
) -> None:
    with pytest.raises(PortInvalid) as caught:
        stack_settings({name: text})
    assert caught.value.what == f"{name}={text!r} is no port"
    assert "whole number from 0 to 65534" in caught.value.why


def test_other_setting_of_the_stack_that_does_not_fit_names_its_variable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TALLYSTICK_STACK_KAFKA_HEAP_MB", "much")
    with pytest.raises(SettingsInvalid, match=r"TALLYSTICK_STACK_KAFKA_HEAP_MB='much': "):
        stack_settings()


@pytest.mark.parametrize("verb", ["run", "status", "up", "down", "logs", "doctor"])
def test_verb_with_a_stack_port_that_is_none_ends_with_the_reason(
    verb: str, tmp_path: Path
) -> None:
    done = tallystick(tmp_path, verb, TALLYSTICK_STACK_KAFKA_PORT="abc")
    assert done.returncode == ExitCode.USAGE
    assert done.stderr.startswith("TALLYSTICK_STACK_KAFKA_PORT='abc' is no port\n  why: ")
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("verb", ["run", "status"])
def test_verb_with_a_service_port_that_is_none_ends_with_the_reason(
    verb: str, tmp_path: Path
) -> None:
    done = tallystick(tmp_path, verb, TALLYSTICK_INGEST_DOOR_PORT="abc")
    assert done.returncode == ExitCode.USAGE
    assert done.stderr.startswith("TALLYSTICK_INGEST_DOOR_PORT='abc' is no port\n  why: ")
    assert not (tmp_path / "data").exists()


def test_doctor_finds_a_port_that_is_none_and_goes_on(tmp_path: Path) -> None:
    settings = stack_settings({}).model_copy(update={"dir": tmp_path})
    found = list(service_findings(settings, {"TALLYSTICK_LEDGER_PORT": "abc"}))
    (wrong,) = [each for each in found if each.subject == "ledger"]
    assert wrong.verdict is Verdict.BAD
    assert wrong.fact.startswith("TALLYSTICK_LEDGER_PORT='abc' is no port")


# ---------------------------------------------------------------- files

FILES = [
    "TALLYSTICK_BOOKS_FILE",
    "TALLYSTICK_FEEDS_BANKS_FILE",
    "TALLYSTICK_INGEST_WEBHOOK_SECRET_FILE",
    "TALLYSTICK_INGEST_STRIPE_API_KEY_FILE",
    "TALLYSTICK_INGEST_ENDPOINTS_FILE",
    "TALLYSTICK_CONSOLE_TOKENS_FILE",
    "TALLYSTICK_POSTGRES_DSN_FILE",
    "TALLYSTICK_KAFKA_CA_FILE",
]


@pytest.mark.parametrize("name", FILES)
def test_run_with_a_wrong_path_names_variable_path_and_way_out_before_anything_starts(
    name: str, tmp_path: Path
) -> None:
    wrong = str(tmp_path / "nowhere")
    done = tallystick(tmp_path, "run", **{name: wrong})
    assert done.returncode == ExitCode.USAGE
    what, why, fix = done.stderr.splitlines()
    assert what == "A file of the settings cannot be read"
    assert why == f"  why: {name}={wrong}: No such file or directory"
    assert fix.startswith("  do:  correct the path")
    assert not (tmp_path / "data").exists()


def test_every_wrong_path_is_named_at_once_and_a_folder_is_no_file(tmp_path: Path) -> None:
    right = tmp_path / "books.toml"
    right.write_text(BOOKS)
    given = {
        "TALLYSTICK_BOOKS_FILE": str(right),
        "TALLYSTICK_FEEDS_BANKS_FILE": str(tmp_path),
        "TALLYSTICK_INGEST_WEBHOOK_SECRET_FILE": str(tmp_path / "nowhere"),
        "OTHER_FILE": "nowhere",
    }
    with pytest.raises(FilesUnreadable) as caught:
        require_files(given)
    assert caught.value.why.splitlines() == [
        f"TALLYSTICK_FEEDS_BANKS_FILE={tmp_path}: Is a directory",
        f"TALLYSTICK_INGEST_WEBHOOK_SECRET_FILE={tmp_path / 'nowhere'}: No such file or directory",
    ]
    require_files({"TALLYSTICK_BOOKS_FILE": str(right)})


@pytest.mark.parametrize(
    ("name", "text", "part"),
    [
        ("TALLYSTICK_BOOKS_FILE", "books = 3", "TALLYSTICK_BOOKS_FILE: "),
        ("TALLYSTICK_FEEDS_BANKS_FILE", "[[banks]]", "TALLYSTICK_FEEDS_…: "),
        ("TALLYSTICK_FEEDS_BANKS_FILE", BANKS, "first.key"),
        ("TALLYSTICK_INGEST_ENDPOINTS_FILE", "what", "TALLYSTICK_INGEST_ENDPOINTS_FILE: "),
        ("TALLYSTICK_CONSOLE_TOKENS_FILE", "[[tokens]]", "TALLYSTICK_CONSOLE_TOKENS: "),
        ("TALLYSTICK_INGEST_STRIPE_API_KEY_FILE", "sk_other", "TALLYSTICK_INGEST_MODE"),
    ],
)
def test_file_whose_content_does_not_fit_is_told_before_anything_starts(
    name: str, text: str, part: str, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text(text)
    done = tallystick(tmp_path, "run", **{name: str(tmp_path / "file")})
    assert done.returncode == ExitCode.USAGE
    assert done.stderr.startswith("The settings are not right\n  why: ")
    assert part in done.stderr
    assert not (tmp_path / "data").exists()


def test_chart_that_a_book_names_and_nobody_finds_is_told_before_anything_starts(
    tmp_path: Path,
) -> None:
    (tmp_path / "books.toml").write_text(BOOKS + 'chart = "nowhere.toml"\n')
    with pytest.raises(SettingsInvalid, match=r"chart nowhere\.toml"):
        check_before_start(SERVICES, {"TALLYSTICK_BOOKS_FILE": str(tmp_path / "books.toml")})


def test_right_settings_pass_and_a_service_that_is_left_out_is_not_asked(tmp_path: Path) -> None:
    for name, text in (
        ("books.toml", BOOKS),
        ("banks.toml", BANKS),
        ("first.key", "key"),
        ("webhook_secret", "whsec_abc"),
        ("stripe_api_key", "rk_test_abc"),
    ):
        (tmp_path / name).write_text(text)
    check_before_start(SERVICES, {})
    given = {
        "TALLYSTICK_BOOKS_FILE": str(tmp_path / "books.toml"),
        "TALLYSTICK_INGEST_STRIPE_ACCOUNT": "acct_1",
        "TALLYSTICK_INGEST_WEBHOOK_SECRET_FILE": str(tmp_path / "webhook_secret"),
        "TALLYSTICK_INGEST_STRIPE_API_KEY_FILE": str(tmp_path / "stripe_api_key"),
        "TALLYSTICK_FEEDS_BANKS_FILE": str(tmp_path / "banks.toml"),
    }
    check_before_start(SERVICES, given)
    assert list(service_settings_findings(given)) == []


def test_doctor_finds_a_key_that_the_banks_file_names_and_nobody_finds(tmp_path: Path) -> None:
    (tmp_path / "banks.toml").write_text(BANKS)
    given = {"TALLYSTICK_FEEDS_BANKS_FILE": str(tmp_path / "banks.toml")}
    (wrong,) = service_settings_findings(given)
    assert (wrong.subject, wrong.verdict) == ("feeds settings", Verdict.BAD)
    assert "first.key" in wrong.fact


def test_installation_given_a_wrong_file_does_not_make_its_folder(tmp_path: Path) -> None:
    settings = stack_settings({}).model_copy(update={"dir": tmp_path / "data"})
    given = {"TALLYSTICK_BOOKS_FILE": str(tmp_path / "nowhere")}
    with pytest.raises(FilesUnreadable):
        Installation(settings, environment=given).start()
    assert not (tmp_path / "data").exists()
