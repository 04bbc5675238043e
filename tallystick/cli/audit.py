"""`tallystick audit`: the independent oracle, run as a process of its own.

It is never imported here: what checks the house shares no process and no code with it.
"""

import os
import subprocess
import sys
from typing import Annotated

import typer

from tallystick.cli.reach import require_database, settings_here


def audit(
    truth: Annotated[
        str, typer.Option(help="File or URL of the world's own balances, for a three-way check.")
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="The whole report as JSON.")] = False,
) -> None:
    """Recompute the books from the raw topics and compare every entry and balance.

    Exit 0: equal. 1: differences. 2: could not decide.
    """
    settings = settings_here()
    require_database(settings)
    command = [sys.executable, "-m", "oracle", "--kafka", settings.kafka_bootstrap]
    if settings.books_file is not None:
        command += ["--books", str(settings.books_file)]
    if truth:
        command += ["--truth", truth]
    if as_json:
        command.append("--json")
    # The address holds a password: it goes by the environment, out of sight of `ps`.
    address = {"TALLYSTICK_POSTGRES_DSN": settings.postgres_dsn.get_secret_value()}
    kept = {n: v for n, v in os.environ.items() if n != "TALLYSTICK_POSTGRES_DSN_FILE"}
    done = subprocess.run(command, check=False, env=kept | address)
    raise typer.Exit(done.returncode if done.returncode in (0, 1) else 2)
