"""`tallystick rebuild` where there is nothing yet to lay the books beside."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.stack


def test_rebuild_where_the_ledger_never_ran_says_so_and_what_to_do(
    kafka_bootstrap: str, empty_database_dsn: str, tmp_path: Path
) -> None:
    given = {k: v for k, v in os.environ.items() if not k.startswith("TALLYSTICK_")}
    done = subprocess.run(
        [sys.executable, "-m", "tallystick", "rebuild"],
        cwd=Path(__file__).parents[2],
        env=given
        | {
            "TALLYSTICK_KAFKA_BOOTSTRAP": kafka_bootstrap,
            "TALLYSTICK_POSTGRES_DSN": empty_database_dsn,
            "TALLYSTICK_STACK_DIR": str(tmp_path),
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 1
    what, why, fix = done.stderr.splitlines()
    assert what == "There are no books here yet"
    assert why.startswith("  why: the database ")
    assert "has no schema `ledger`: no ledger has run on it" in why
    assert empty_database_dsn.rpartition("@")[2] in why
    assert fix.startswith("  do:  start the ledger")
    assert done.stdout == ""
