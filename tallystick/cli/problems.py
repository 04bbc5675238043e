"""How the command line says what went wrong: what, why, and what to do; and its exit codes."""

import os
import sys
from enum import IntEnum
from typing import Protocol, runtime_checkable

from shared.contracts.errors import InvariantBroken, Refused, TallystickError, Unavailable


class ExitCode(IntEnum):
    """What a caller may rely on."""

    OK = 0
    FOUND_A_PROBLEM = 1
    USAGE = 2
    UNREACHABLE = 3
    REFUSED = 4


@runtime_checkable
class Explained(Protocol):
    """An error that says itself what, why and what to do; the stack's are of this form."""

    what: str
    why: str
    fix: str


class Problem(Exception):
    """A command cannot go on; said in the form in which it is shown.

    Args:
        what: What happened, in one sentence.
        why: The fact behind it.
        fix: What a person does about it.
        code: How the command ends.
    """

    def __init__(
        self, what: str, *, why: str = "", fix: str = "", code: ExitCode = ExitCode.FOUND_A_PROBLEM
    ) -> None:
        self.what = what
        self.why = why
        self.fix = fix
        self.code = code
        super().__init__(what)


def problem_from(error: Exception) -> Problem:
    """How an error of any kind is shown."""
    match error:
        case Problem():
            return error
        case Unavailable() if isinstance(error, Explained):
            return Problem(error.what, why=error.why, fix=error.fix, code=ExitCode.UNREACHABLE)
        case ValueError() if isinstance(error, Explained):
            return Problem(error.what, why=error.why, fix=error.fix, code=ExitCode.USAGE)
        case Unavailable():
            return Problem(
                str(error),
                fix="look with `tallystick status` and `tallystick doctor`",
                code=ExitCode.UNREACHABLE,
            )
        case Refused():
            return Problem(str(error), why=error.reason, code=ExitCode.REFUSED)
        case InvariantBroken():
            return Problem(
                "The state found here is not to be trusted",
                why=str(error),
                fix="stop, keep the data as it is, and read docs/runbooks",
            )
        case TallystickError():
            return Problem(str(error))
        case _:
            return Problem(
                "Something happened that this command does not know",
                why=f"{type(error).__name__}: {error}",
                fix="run it again with TALLYSTICK_RUN_DEBUG=1 for the whole story, and report it",
            )


def show(problem: Problem) -> None:
    """Write a problem to stderr."""
    is_coloured = sys.stderr.isatty() and "NO_COLOR" not in os.environ
    what = f"\033[1;31m{problem.what}\033[0m" if is_coloured else problem.what
    lines = [what]
    if problem.why:
        lines.append("  why: " + problem.why.replace("\n", "\n       "))
    if problem.fix:
        lines.append("  do:  " + problem.fix.replace("\n", "\n       "))
    sys.stderr.write("\n".join(lines) + "\n")
