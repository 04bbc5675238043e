"""`tallystick keys`: the key that tree heads are signed with, made and shown."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from services.ledger.config import LedgerSettings
from services.ledger.proof.tree_heads import known_public_keys
from services.ledger.shell.proof.signing import SigningKey
from services.ledger.shell.service import signing_key_of
from shared.contracts.tree_heads import key_id_of
from tallystick.cli.problems import ExitCode, Problem
from tallystick.cli.reach import variables_here
from tallystick.local_key import VARIABLE, write_key

app = typer.Typer(
    help="The key that tree heads are signed with.",
    no_args_is_help=True,
    add_completion=False,
)


@app.callback()
def _keys() -> None:
    """The key that tree heads are signed with."""


@app.command()
def new(
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="A file that is not there yet (0600).")
    ] = None,
) -> None:
    """Make a signing key: into a file, or into a pipe; never onto a screen.

    Into the encrypted secrets file: tallystick keys new | tallystick secrets set
    TALLYSTICK_LEDGER_TREE_HEAD_KEY
    """
    if output is None and sys.stdout.isatty():
        raise Problem(
            "No key was made",
            why="a secret does not belong on a screen",
            fix=f"tallystick keys new | tallystick secrets set {VARIABLE}\n"
            "or: tallystick keys new --output FILE",
            code=ExitCode.USAGE,
        )
    key = SigningKey.new()
    if output is None:
        print(key.text)
    else:
        write_key(output, key.text)
    shown = [f"public key  {key.public_key}", f"key id      {key_id_of(key.public_key)}"]
    if output is not None:
        shown.append(f"next        export {VARIABLE}_FILE={output}")
    sys.stderr.write("\n".join(shown) + "\n")


@app.command()
def show(
    as_json: Annotated[bool, typer.Option("--json", help="Data for programs on stdout.")] = False,
) -> None:
    """Show the public half of the key in use, and the older ones that are ours too.

    Give it to whoever is to check heads, on a way that the database's administrator has no hand in.
    """
    settings = LedgerSettings.load(variables_here())
    key = signing_key_of(settings)
    older = list(known_public_keys(settings.ledger_tree_head_public_keys))
    in_use = key.public_key if key is not None else ""
    if as_json:
        print(json.dumps({"public_key": in_use, "key_id": key_id_of(in_use), "older": older}))
        return
    print(f"{in_use}  in use, key id {key_id_of(in_use)}" if in_use else f"no key: {VARIABLE}")
    for each in older:
        print(f"{each}  older, key id {key_id_of(each)}")
