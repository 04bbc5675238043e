import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sandbox.stack import StackProblem
from shared.contracts.errors import CurrencyUnknown, InvariantBroken, Unavailable
from shared.runtime.settings import SettingsInvalid
from tallystick.cli.main import build
from tallystick.cli.problems import ExitCode, Problem, problem_from, show
from tallystick.cli.verbs import VERBS, Verb

# What makes a command slow to start; each verb loads what it needs.
SLOW_TO_LOAD = {"aiokafka", "asyncpg", "faust", "httpx", "pydantic", "stripe", "uvicorn"}


def tallystick(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tallystick", *arguments],
        check=False,
        capture_output=True,
        text=True,
    )


def test_help_lists_every_verb_and_loads_nothing_that_a_verb_needs() -> None:
    shown = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "tallystick", "--help"],
        check=True,
        capture_output=True,
        text=True,
    )
    assert all(verb.name in shown.stdout for verb in VERBS)
    loaded = {row.rpartition("|")[2].strip() for row in shown.stderr.splitlines()}
    assert "typer" in loaded
    assert not loaded & SLOW_TO_LOAD


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.name)
def test_every_verb_can_be_loaded_and_explains_itself(verb: Verb) -> None:
    arguments = [verb.name, "--help"]
    shown = CliRunner().invoke(build(arguments), arguments)
    assert shown.exit_code == ExitCode.OK, shown.stderr
    assert "Usage" in shown.stdout


def test_only_the_named_verb_is_loaded() -> None:
    code = (
        "import sys; from tallystick.cli.main import build; build(['--help']);"
        "print('sandbox.stack' in sys.modules, 'aiokafka' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == "False False\n"
    assert build(["up"]).registered_commands


def test_help_of_a_verb_breaks_lines_only_where_the_terminal_ends() -> None:
    shown = tallystick("run", "--help").stdout.splitlines()
    told = next(line for line in shown if "TALLYSTICK_KAFKA_BOOTSTRAP" in line)
    after = shown[shown.index(told) + 1]
    assert len(after.split()) > 3, shown


def test_unknown_variable_is_named_before_anything_starts(tmp_path: Path) -> None:
    environment = os.environ | {
        "TALLYSTICK_FOO": "1",
        "TALLYSTICK_STACK_DIR": str(tmp_path / "data"),
    }
    done = subprocess.run(
        [sys.executable, "-m", "tallystick", "run"],
        check=False,
        capture_output=True,
        text=True,
        env=environment,
    )
    assert done.returncode == ExitCode.USAGE
    assert done.stderr.startswith("The settings are not right\n  why: TALLYSTICK_FOO: no such")
    assert "  do:  " in done.stderr
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("arguments", [("topics", "check"), ("audit",), ("rebuild",)])
def test_verb_without_a_running_stack_says_how_to_start_one(
    arguments: tuple[str, ...], tmp_path: Path
) -> None:
    ours = {"TALLYSTICK_KAFKA_BOOTSTRAP", "TALLYSTICK_POSTGRES_DSN"}
    environment = {name: value for name, value in os.environ.items() if name not in ours}
    done = subprocess.run(
        [sys.executable, "-m", "tallystick", *arguments],
        check=False,
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=environment | {"TALLYSTICK_STACK_KAFKA_PORT": "1"},
    )
    assert done.returncode == ExitCode.UNREACHABLE, done.stderr
    what, why, fix = done.stderr.splitlines()
    assert why.startswith("  why: ")
    assert fix.startswith("  do:  start it with `tallystick up`")
    assert what


def test_output_that_the_terminal_has_no_letters_for_is_shown_by_its_number(tmp_path: Path) -> None:
    (tmp_path / "books.toml").write_text('[[books]]\nname = "bücher"\n', encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "tallystick", "ingest", "endpoints"],
        check=False,
        capture_output=True,
        cwd=tmp_path,
        env=os.environ
        | {
            "PYTHONIOENCODING": "ascii",
            "TALLYSTICK_BOOKS_FILE": str(tmp_path / "books.toml"),
            "TALLYSTICK_INGEST_WEBHOOK_SECRET": "whsec_x",
        },
    )
    assert done.returncode == 0, done.stderr
    assert rb"b\xfccher" in done.stdout


def test_unknown_verb_is_a_usage_error() -> None:
    assert tallystick("frobnicate").returncode == ExitCode.USAGE


def test_version_is_the_distribution_s() -> None:
    shown = tallystick("--version")
    assert shown.returncode == ExitCode.OK
    assert shown.stdout.strip()[0].isdigit()


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (StackProblem("w", why="y", fix="f"), ExitCode.UNREACHABLE),
        (Unavailable("no broker"), ExitCode.UNREACHABLE),
        (CurrencyUnknown("xyz"), ExitCode.REFUSED),
        (InvariantBroken("sums differ"), ExitCode.FOUND_A_PROBLEM),
        (Problem("nothing there", code=ExitCode.USAGE), ExitCode.USAGE),
        (SettingsInvalid("TALLYSTICK_FOO: no such setting"), ExitCode.USAGE),
        (RuntimeError("a bug"), ExitCode.FOUND_A_PROBLEM),
    ],
)
def test_error_of_each_kind_has_its_exit_code(error: Exception, code: ExitCode) -> None:
    assert problem_from(error).code is code


def test_problem_is_shown_as_what_why_and_do(capsys: pytest.CaptureFixture[str]) -> None:
    show(Problem("The port is taken", why="process 7 has it\nsince noon", fix="stop it"))
    assert capsys.readouterr().err == (
        "The port is taken\n  why: process 7 has it\n       since noon\n  do:  stop it\n"
    )
