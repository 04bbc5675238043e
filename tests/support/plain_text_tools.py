"""The programs that other people keep their books with, started to read ours.

Beancount is under the GPL, so it is no part of the project nor of its locks: it is put into an
environment of its own, from ``locks/plain-text.txt``, and only ever started as a program.
hledger is a package of the system (``apt-get install hledger``).
"""

import fcntl
import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
_PLACE: Final = ROOT / ".venv" / "plain-text"
_LOCK: Final = ROOT / "locks" / "plain-text.txt"
INSTALL_SECONDS_MAX: Final = 240


def bean_check() -> str:
    """Where ``bean-check`` is; it is installed when it is not there yet."""
    program = _PLACE / "bin" / "bean-check"
    if program.exists():
        return str(program)
    uv = ROOT / ".venv" / "bin" / "uv"
    if not uv.exists():
        why = "bean-check cannot be had: there is no uv in .venv to install it with"
        pytest.skip(why)  # another\'s program, not in our locks
    with (ROOT / ".venv" / "plain-text.lock").open("w") as lock:
        # Several workers may ask at once.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if program.exists():
            return str(program)
        for arguments in (
            ["venv", "--quiet", "--clear", str(_PLACE)],
            [
                "pip",
                "install",
                "--quiet",
                "--require-hashes",
                "--python",
                str(_PLACE / "bin" / "python"),
                "-r",
                str(_LOCK),
            ],
        ):
            done = run([str(uv), *arguments], seconds=INSTALL_SECONDS_MAX)
            if done.returncode != 0:
                shutil.rmtree(_PLACE, ignore_errors=True)
                why = done.stderr[-300:]
                pytest.skip(f"bean-check cannot be had here: {why}")  # not in our locks
    return str(program)


def hledger_program() -> str:
    """Where ``hledger`` is."""
    found = shutil.which("hledger")
    if found is None:
        pytest.skip("no hledger here (Debian: apt-get install hledger)")  # not in our locks
    return found


def run(command: list[str], *, seconds: float = 60) -> subprocess.CompletedProcess[str]:
    """A program's end, its output as text."""
    return subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)
