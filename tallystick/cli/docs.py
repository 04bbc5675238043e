"""`tallystick docs`: make the reference pages from the registries, or check that they are fresh."""

from pathlib import Path
from typing import Annotated

import typer

from tallystick.cli.problems import Problem
from tallystick.contracts_docs import FOLDER, generate, stale

app = typer.Typer(help="The generated reference pages.", no_args_is_help=True)

Root = Annotated[Path, typer.Option(help="The project's folder.", file_okay=False)]


def _project(root: Path) -> Path:
    if not (root / FOLDER).is_dir():
        raise Problem(
            f"{root.resolve()} has no {FOLDER}",
            why="the pages are made from a checkout, not from an installation",
            fix="go to the project's folder, or give it with --root",
        )
    return root


@app.command("generate")
def make(root: Root = Path()) -> None:
    """Write every page that is missing or stale."""
    for path in generate(_project(root)):
        print(f"wrote {path}")


@app.command()
def check(root: Root = Path()) -> None:
    """Say which pages are missing or stale; exit 1 when there are any."""
    found = stale(_project(root))
    for path in found:
        print(f"stale {path}")
    if found:
        raise typer.Exit(1)
    print("every page is what the registries make")
