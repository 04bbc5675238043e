"""The `tallystick` command: finds the verb, loads only what that verb needs, shows errors.

A verb's module is imported when the verb stands on the command line; the list of verbs is known
without importing any, so that help and completion are quick.
"""

import contextlib
import gc
import inspect
import io
import os
import sys
from collections.abc import Generator, Sequence
from importlib import import_module
from typing import Annotated, NoReturn, cast

import typer

from tallystick.cli.problems import ExitCode, problem_from, show
from tallystick.cli.verbs import VERBS


def _not_loaded() -> None:
    """Stand in for a verb that is not on the command line: it is listed, never called."""


def _show_version(value: bool) -> None:
    if value:
        from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415 - here alone

        try:
            print(version("tallystick"))
        except PackageNotFoundError:
            print("run from its source, without a version")
        raise typer.Exit


def _root(
    _version: Annotated[
        bool,
        typer.Option("--version", help="Show the version.", callback=_show_version, is_eager=True),
    ] = False,
) -> None:
    """Stripe, bank and chain events in; balanced books and discrepancies out."""


def build(arguments: Sequence[str]) -> typer.Typer:
    """The command line, with the modules of those verbs loaded that are named in it."""
    app = typer.Typer(
        name="tallystick",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_root)
    for verb in VERBS:
        if verb.name not in arguments:
            app.command(verb.name, help=verb.about, rich_help_panel=verb.panel)(_not_loaded)
            continue
        with _garbage_left_lying():
            found = getattr(import_module(verb.module), verb.attribute)
        if isinstance(found, typer.Typer):
            app.add_typer(found, name=verb.name, help=verb.about, rich_help_panel=verb.panel)
        else:
            app.command(verb.name, help=_flowing(found), rich_help_panel=verb.panel)(found)
    return app


@contextlib.contextmanager
def _garbage_left_lying() -> Generator[None]:
    """Modules are loaded without looks for garbage: all that comes is kept, and the looks are dear.

    They were a sixth of what it cost to load a verb.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()  # What was loaded stays; later looks need not walk through it.
        gc.enable()


def _flowing(verb: object) -> str:
    """A verb's docstring with each paragraph on one line: a terminal breaks it where it must."""
    paragraphs = inspect.cleandoc(verb.__doc__ or "").split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


def main() -> NoReturn:
    """Run the command line and leave with its exit code."""
    if sys.stdout is not None:
        # What a terminal has no letters for is shown by its number, and ends nothing.
        cast("io.TextIOWrapper", sys.stdout).reconfigure(errors="backslashreplace")
    try:
        build(sys.argv[1:])()
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        if os.environ.get("TALLYSTICK_RUN_DEBUG"):
            raise
        problem = problem_from(error)
        show(problem)
        sys.exit(problem.code)
    sys.exit(ExitCode.OK)
