"""The `tallystick` command: finds the verb, loads only what that verb needs, shows errors.

A verb's module is imported when the verb stands on the command line; the list of verbs is known
without importing any, so that help and completion are quick.
"""

import inspect
import io
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Annotated, Final, NoReturn, cast

import typer

from tallystick.cli.problems import ExitCode, problem_from, show


@dataclass(frozen=True, slots=True)
class Verb:
    """A command: ``attribute`` of ``module`` is its function, or a Typer app of its own."""

    name: str
    module: str
    attribute: str
    about: str
    panel: str


START: Final = "Start"
STRIPE: Final = "Stripe"
LEDGER: Final = "Ledger"

VERBS: Final = (
    Verb("demo", "tallystick.cli.demo", "demo", "One simulated month, proved right", START),
    Verb("run", "tallystick.cli.run", "run", "Kafka, Postgres and all services, watched", START),
    Verb(
        "up", "tallystick.cli.stack", "up", "Start Kafka and Postgres and leave them running", START
    ),
    Verb("down", "tallystick.cli.stack", "down", "Stop what runs; data stays", START),
    Verb("status", "tallystick.cli.stack", "status", "What runs, where, and how it is", START),
    Verb(
        "doctor",
        "tallystick.cli.doctor",
        "doctor",
        "Look for what is wrong, with the way out",
        START,
    ),
    Verb("logs", "tallystick.cli.stack", "logs", "Show a log, or follow it", START),
    Verb(
        "listen", "tallystick.cli.listen", "listen", "Where webhooks go, and the verdicts", STRIPE
    ),
    Verb("trigger", "tallystick.cli.trigger", "trigger", "Make a simulated event happen", STRIPE),
    Verb("events", "tallystick.cli.events", "app", "What came: find, prove, send again", STRIPE),
    Verb("signature", "tallystick.cli.signature", "app", "Was a webhook Stripe's? Offline", LEDGER),
    Verb("ingest", "tallystick.cli.ingest", "app", "What comes from Stripe, looked at", LEDGER),
    Verb(
        "dead-letters",
        "tallystick.cli.dead_letters",
        "app",
        "Records that could not be read, dealt with",
        LEDGER,
    ),
    Verb("secrets", "tallystick.cli.secrets", "app", "The encrypted secrets file", LEDGER),
    Verb("topics", "tallystick.cli.topics", "app", "Create and check the topics", LEDGER),
    Verb(
        "preview",
        "tallystick.cli.preview",
        "preview",
        "A dry run over files: no Kafka, no Postgres",
        LEDGER,
    ),
    Verb(
        "rebuild",
        "tallystick.cli.rebuild",
        "rebuild",
        "The books once more from the topics",
        LEDGER,
    ),
    Verb("report", "tallystick.cli.report", "app", "Statements that a person signs", LEDGER),
    Verb("audit", "tallystick.cli.audit", "audit", "The books held against the topics", LEDGER),
    Verb(
        "export",
        "tallystick.cli.export",
        "export",
        "The books as CSV, JSON Lines, Parquet, Beancount, hledger",
        LEDGER,
    ),
    Verb(
        "trace",
        "tallystick.cli.trace",
        "trace",
        "From a figure to the bytes behind it, proved",
        LEDGER,
    ),
    Verb("archive", "tallystick.cli.archive", "app", "The copy of the topics: how it is", LEDGER),
    Verb(
        "restore",
        "tallystick.cli.restore",
        "restore",
        "Fill an empty broker from the copy",
        LEDGER,
    ),
    Verb("docs", "tallystick.cli.docs", "app", "The generated reference pages", LEDGER),
)


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
        found = getattr(import_module(verb.module), verb.attribute)
        if isinstance(found, typer.Typer):
            app.add_typer(found, name=verb.name, help=verb.about, rich_help_panel=verb.panel)
        else:
            app.command(verb.name, help=_flowing(found), rich_help_panel=verb.panel)(found)
    return app


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
