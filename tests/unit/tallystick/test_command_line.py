import subprocess
import sys
import time

import pytest

from sandbox.stack import StackProblem
from shared.contracts.errors import CurrencyUnknown, InvariantBroken, Unavailable
from tallystick.cli.main import VERBS, build
from tallystick.cli.problems import ExitCode, Problem, problem_from, show

START_SECONDS_MAX = 0.25


def tallystick(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tallystick", *arguments],
        check=False,
        capture_output=True,
        text=True,
    )


def test_help_starts_in_a_quarter_of_a_second_and_lists_every_verb() -> None:
    # The best of five: the machine may be busy with something else, the command may not.
    seconds: list[float] = []
    for _ in range(5):
        started = time.perf_counter()
        shown = tallystick("--help")
        seconds.append(time.perf_counter() - started)
        assert shown.returncode == ExitCode.OK
        assert all(verb.name in shown.stdout for verb in VERBS)
    assert min(seconds) < START_SECONDS_MAX


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.name)
def test_every_verb_can_be_loaded_and_explains_itself(verb: object) -> None:
    name = getattr(verb, "name", "")
    shown = tallystick(name, "--help")
    assert shown.returncode == ExitCode.OK, shown.stderr
    assert "Usage" in shown.stdout


def test_only_the_named_verb_is_loaded() -> None:
    code = (
        "import sys; from tallystick.cli.main import build; build(['--help']);"
        "print('sandbox.stack' in sys.modules, 'aiokafka' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == "False False\n"
    assert build(["up"]).registered_commands


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
