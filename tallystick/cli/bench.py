"""``tallystick bench``: how right and how fast, on made worlds of which the truth is known."""

import json as json_text
import sys
from pathlib import Path
from typing import Annotated

import typer

from tallystick.cli.problems import ExitCode, Problem

app = typer.Typer(no_args_is_help=True, help="How right and how fast, on made worlds.")


@app.callback()
def _noun() -> None:
    """How right and how fast, on made worlds of which the truth is known."""


@app.command()
def recon(
    *,
    seed: Annotated[int, typer.Option(help="The world's seed: the same one, the same world.")] = 1,
    lines: Annotated[int, typer.Option(min=100, help="How many bank lines, at least.")] = 10_000,
    rules: Annotated[
        str, typer.Option(metavar="FILE", help="Other rules than those that are shipped.")
    ] = "",
    out: Annotated[
        str, typer.Option(metavar="DIR", help="Write the world too: ledger, bank, truth.")
    ] = "",
    json: Annotated[bool, typer.Option("--json", help="Write the measures as JSON.")] = False,
) -> None:
    """Match a made world in four ways and hold each against the truth.

    Ours, an exact reference only, greedy by amount and date, and the best assignment without a
    margin. Ends with 1 where a goal is not met.
    """
    from tallystick.reconbench.report import as_json, show  # noqa: PLC0415  # help answers at once
    from tallystick.reconbench.run import run  # noqa: PLC0415

    given = None
    if rules:
        from tallystick.rules_test.history import rules_from  # noqa: PLC0415

        given = rules_from(Path(rules))
    if out:
        _write(seed, lines, Path(out))
    result = run(seed, lines, given)
    if json:
        sys.stdout.write(json_text.dumps(as_json(result), indent=2) + "\n")
    else:
        show(result, sys.stdout)
    if result.unmet:
        raise typer.Exit(ExitCode.FOUND_A_PROBLEM)


def _write(seed: int, lines: int, folder: Path) -> None:
    from sandbox.reconbench.generate import world_of, write  # noqa: PLC0415

    try:
        write(world_of(seed, lines), folder)
    except OSError as error:
        raise Problem(
            f"The world cannot be written to {folder}",
            why=error.strerror or str(error),
            fix="name a folder that you may write to",
            code=ExitCode.USAGE,
        ) from None
