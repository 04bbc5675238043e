"""``tallystick rules``: the rules by which lines are matched, checked and tried."""

import json as json_text
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tallystick.cli.problems import ExitCode

if TYPE_CHECKING:
    from services.reconciler.rules.matching_rules import MatchingRules

app = typer.Typer(no_args_is_help=True, help="How bank lines are matched: checked and tried.")


@app.callback()
def _noun() -> None:
    """How bank lines are matched: the rules in force, and others tried over what has happened."""


@app.command("test")
def try_rules(
    rules: Annotated[str, typer.Argument(metavar="RULES", help="The changed rules, TOML.")],
    files: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[FILE…]",
            help="JSON Lines as preview reads them; without any, the topics are read.",
        ),
    ] = None,
    *,
    against: Annotated[
        str,
        typer.Option(metavar="RULES", help="Compare with these rules, not with those in force."),
    ] = "",
    config: Annotated[
        str | None, typer.Option(metavar="FILE", help="TOML: books, as preview takes them.")
    ] = None,
    as_of: Annotated[
        str | None, typer.Option(metavar="TIME", help="The time of judgement, for files.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Write what differs as JSON.")] = False,
) -> None:
    """What other rules would match otherwise, over the whole history; nothing is changed.

    Ends with 1 where anything would differ.
    """
    from tallystick.cli.history import known_here  # noqa: PLC0415  # help answers at once
    from tallystick.rules_test.compare import compared  # noqa: PLC0415
    from tallystick.rules_test.history import rules_from  # noqa: PLC0415
    from tallystick.rules_test.show import as_json, show  # noqa: PLC0415

    changed = rules_from(Path(rules))
    before = rules_from(Path(against)) if against else _in_force()
    found = compared(known_here(files or [], config, as_of), before=before, after=changed)
    if json:
        sys.stdout.write(json_text.dumps(as_json(found), indent=2) + "\n")
    else:
        show(found, sys.stdout)
    if found.differs:
        raise typer.Exit(ExitCode.FOUND_A_PROBLEM)


def _in_force() -> "MatchingRules":
    """The rules that the reconciler of this environment goes by."""
    from services.reconciler.config import ReconcilerSettings  # noqa: PLC0415
    from tallystick.cli.reach import variables_here  # noqa: PLC0415

    return ReconcilerSettings.load(variables_here()).matching_rules()
