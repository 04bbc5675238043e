"""Set-up on machines that lack something: each says what, why, and what to do."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

ROOT = Path(__file__).parents[2]
INSTALLED = ROOT / ".venv" / ".installed"
# What a POSIX system has; Python is on the path only where a test puts it there.
TOOLS = (
    "awk",
    "cat",
    "cksum",
    "cut",
    "df",
    "dirname",
    "env",
    "grep",
    "rm",
    "sh",
    "tail",
    "tee",
    "tr",
)


class Machine:
    """A checkout of the set-up and a path with nothing on it but what a test adds."""

    def __init__(self, folder: Path) -> None:
        self.checkout = folder / "checkout"
        self.programs = folder / "bin"
        self.programs.mkdir()
        for tool in TOOLS:
            found = shutil.which(tool)
            assert found is not None
            (self.programs / tool).symlink_to(found)
        (self.checkout / "tools").mkdir(parents=True)
        shutil.copy(ROOT / "tools" / "setup", self.checkout / "tools" / "setup")
        for name in ("pyproject.toml", "sandbox/stack/locks/kafka.toml"):
            (self.checkout / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, self.checkout / name)
        self.lock("tallystick-nowhere==1.0 --hash=sha256:" + "0" * 64 + "\n")

    def lock(self, text: str) -> None:
        (self.checkout / "locks").mkdir(exist_ok=True)
        (self.checkout / "locks" / "dev.txt").write_text(text)

    def program(self, name: str, script: str) -> None:
        path = self.programs / name
        path.unlink(missing_ok=True)
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def set_up(self, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(self.checkout / "tools" / "setup")],
            check=False,
            capture_output=True,
            text=True,
            env={"PATH": str(self.programs), "HOME": str(self.checkout), **variables},
        )


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_no_python_at_all_names_the_versions_that_will_do(machine: Machine) -> None:
    said = machine.set_up()
    assert said.returncode == 2
    assert "No Python 3.11 or newer was found" in said.stderr
    assert "make PYTHON=" in said.stderr


def test_shim_that_does_not_run_is_passed_over(machine: Machine) -> None:
    machine.program("python3.13", "echo 'version manager: python3.13: not installed' >&2; exit 127")
    said = machine.set_up()
    assert said.returncode == 2
    assert "python3.13 does not run" in said.stderr


def test_old_python_is_named_with_its_version(machine: Machine) -> None:
    # The second question is whether it is new enough; an old one says no.
    machine.program("python3", 'case "$2" in *print*) echo 3.9.18 ;; *) exit 1 ;; esac')
    said = machine.set_up()
    assert said.returncode == 2
    assert "python3 is 3.9.18" in said.stderr


def test_python_without_venv_names_the_package_to_install(machine: Machine) -> None:
    machine.program(
        "python3",
        'case "$2" in *print*) echo 3.11.2 ;; *ensurepip*) exit 1 ;; *) exit 0 ;; esac',
    )
    said = machine.set_up()
    assert said.returncode == 1
    assert "cannot make a virtual environment" in said.stderr
    assert "apt-get install python3.11-venv" in said.stderr


def test_full_disk_is_seen_before_anything_is_written(machine: Machine) -> None:
    machine.program("df", "echo head; echo '/dev/x 1000 900 102400 90% /'")
    said = machine.set_up()
    assert said.returncode == 1
    assert "Too little disk space" in said.stderr
    assert "100 MB are free" in said.stderr
    assert not (machine.checkout / ".venv").exists()


def test_no_network_says_so_and_keeps_what_it_has(machine: Machine) -> None:
    said = machine.set_up(
        PYTHON=sys.executable, PIP_INDEX_URL="http://127.0.0.1:1/simple", PIP_RETRIES="0"
    )
    assert said.returncode == 3, said.stderr
    assert "The packages could not be fetched" in said.stderr
    assert "check the network" in said.stderr
    assert (machine.checkout / ".venv").is_dir()
    assert not (machine.checkout / ".venv" / ".installed").exists()


def test_package_with_another_sum_is_refused(machine: Machine, tmp_path: Path) -> None:
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    (wheels / "tallystick_nowhere-1.0-py3-none-any.whl").write_bytes(b"not what was locked")
    said = machine.set_up(PYTHON=sys.executable, PIP_NO_INDEX="1", PIP_FIND_LINKS=str(wheels))
    assert said.returncode == 1, said.stderr
    assert "not the one that was locked" in said.stderr


# Set-up would make the environment of another checkout its own.
IS_OURS: Final = INSTALLED.exists() and not INSTALLED.parent.is_symlink()


@pytest.mark.skipif(not IS_OURS, reason="this environment was made by hand, or elsewhere")
def test_second_run_needs_no_network_and_says_nothing() -> None:
    again = subprocess.run(
        [str(ROOT / "tools" / "setup")],
        check=False,
        capture_output=True,
        text=True,
        timeout=10,
        env={"PATH": os.environ["PATH"], "PIP_INDEX_URL": "http://127.0.0.1:1/simple"},
    )
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")
