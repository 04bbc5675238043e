"""`tallystick secrets`: the encrypted secrets file made, changed and moved to another identity.

No value is ever printed; a clear text exists in memory and, while an editor is open, in a folder
in memory that only this user can read.
"""

import getpass
import json
import os
import sys
from pathlib import Path
from typing import Annotated, Final

import typer

from shared.runtime import age
from shared.runtime.secrets_file import (
    FILE_VARIABLE,
    IDENTITY_FILE_VARIABLE,
    IDENTITY_VARIABLE,
    SecretsInvalid,
    cautions,
    content_of,
    parsed,
)
from tallystick import secret_files
from tallystick.clear_text import edited, is_in_memory, memory_folder
from tallystick.cli.problems import ExitCode, Problem
from tallystick.secret_files import SecretFiles

EDITOR_USUAL: Final = "vi"

app = typer.Typer(
    help="The encrypted secrets file.",
    no_args_is_help=True,
    add_completion=False,
)

File = Annotated[
    Path | None, typer.Option("--file", help=f"The encrypted file, if not {FILE_VARIABLE}.")
]
IdentityFile = Annotated[
    Path | None,
    typer.Option("--identity-file", help=f"The identity, if not {IDENTITY_FILE_VARIABLE}."),
]
Recipients = Annotated[
    list[str] | None,
    typer.Option("--recipient", help="Who else may read it: age1…; may be given several times."),
]
Json = Annotated[bool, typer.Option("--json", help="For machines.")]


@app.callback()
def _secrets() -> None:
    """The encrypted secrets file."""


@app.command()
def init(
    file: File = None, identity_file: IdentityFile = None, recipient: Recipients = None
) -> None:
    """Make an identity (0600) and an empty encrypted file that it reads."""
    path, identity = _path(file, FILE_VARIABLE), _path(identity_file, IDENTITY_FILE_VARIABLE)
    public = secret_files.create(path, identity, _checked(recipient))
    print(f"made {path}, encrypted to {public}")
    print(f"made {identity}: keep a copy of it in another place, and never beside the file")
    print(f"next: export {FILE_VARIABLE}={path} {IDENTITY_FILE_VARIABLE}={identity}")
    print("      tallystick secrets set TALLYSTICK_INGEST_WEBHOOK_SECRET")


@app.command()
def edit(file: File = None, identity_file: IdentityFile = None) -> None:
    """Open the secrets in $VISUAL or $EDITOR, and encrypt what is left there."""
    files = _files(file, identity_file)
    before = text = files.text()
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or EDITOR_USUAL
    if not is_in_memory(memory_folder()):
        sys.stderr.write(f"caution: no memory file system; it is opened in {memory_folder()}\n")
    while True:
        try:
            text = edited(text, editor)
            _require_known(text)
            break
        except (SecretsInvalid, UnicodeDecodeError) as error:
            said = str(error) if isinstance(error, SecretsInvalid) else "it is no UTF-8 text"
            if not sys.stdin.isatty():
                raise SecretsInvalid(f"nothing was changed: {said}") from None
            sys.stderr.write(f"{said}\n")
            typer.confirm("Edit again? Otherwise nothing is changed.", default=True, abort=True)
    if text == before:
        print("nothing was changed")
        return
    files.store(text)
    print(f"stored {_count(len(parsed(text.encode()).values))} in {files.file}")


@app.command("show-names")
def show_names(
    file: File = None, identity_file: IdentityFile = None, as_json: Json = False
) -> None:
    """List the names in the file; their values are never shown."""
    found = _files(file, identity_file).secrets()
    if as_json:
        print(json.dumps({"names": list(found.values), "recipients": found.recipients}))
        return
    for name in found.values:
        print(name)


@app.command("set")
def set_value(
    name: Annotated[str, typer.Argument(help="The name of the secret.")],
    file: File = None,
    identity_file: IdentityFile = None,
) -> None:
    """Set one secret: its value is asked for without an echo, or read from stdin."""
    files = _files(file, identity_file)
    if sys.stdin.isatty():
        value = getpass.getpass(f"value of {name} (not shown): ").strip()
    else:
        value = sys.stdin.read().strip()
    if not value:
        raise Problem(
            "Nothing was changed",
            why=f"no value for {name} came on stdin",
            fix=f"tallystick secrets set {name} < FILE",
            code=ExitCode.USAGE,
        )
    # The file as it is now: somebody may have changed it while the value was typed.
    text = secret_files.with_value(files.text(), name, value)
    _require_known(text, name)
    files.store(text)
    print(f"set {name} in {files.file}")


@app.command()
def rotate(
    file: File = None,
    identity_file: IdentityFile = None,
    recipient: Recipients = None,
    keep_identity: Annotated[
        bool, typer.Option("--keep-identity", help="Change the recipients alone.")
    ] = False,
) -> None:
    """Encrypt to a new identity; with --recipient also to these, instead of those of before.

    At each step a running service can read the file. The older one is replaced only when the new
    one was read back. Whoever has a copy of the older file and of the older identity still reads
    that: when an identity was lost to somebody, change the secrets too.
    """
    files = _files(file, identity_file)
    others = _checked(recipient) if recipient is not None else None
    public = files.rotate(others, keeps_identity=keep_identity)
    print(f"{files.file} is encrypted to {public}, and {_count(_others(files), 'other reader')}")
    if not keep_identity:
        print(f"the new identity is in {files.identity_file}: copy it to where the older one was")


def _others(files: SecretFiles) -> int:
    identity = files.identity_file
    now = files if identity is None else _files(files.file, identity)
    return len(now.secrets().recipients)


def _files(file: Path | None, identity_file: Path | None) -> SecretFiles:
    path = _path(file, FILE_VARIABLE)
    identity_path: Path | None = None
    text = os.environ.get(IDENTITY_VARIABLE, "") if identity_file is None else ""
    if not text:
        identity_path = _path(identity_file, IDENTITY_FILE_VARIABLE)
        try:
            text = content_of(identity_path).decode("utf-8")
        except UnicodeDecodeError:
            raise SecretsInvalid(f"{identity_path}: not UTF-8 text") from None
    try:
        identities = age.identities_of(text)
    except age.AgeError as error:
        raise SecretsInvalid(f"{identity_path or IDENTITY_VARIABLE}: {error}") from None
    told = {FILE_VARIABLE: str(path), IDENTITY_FILE_VARIABLE: str(identity_path or "")}
    for caution in cautions(told):
        sys.stderr.write(f"caution: {caution}\n")
    return SecretFiles(path, identities, identity_path)


def _path(given: Path | None, variable: str) -> Path:
    if given is not None:
        return given
    told = os.environ.get(variable, "")
    if not told:
        option = "--file" if variable == FILE_VARIABLE else "--identity-file"
        raise Problem(
            "No secrets file is named",
            why=f"{variable} is not set",
            fix=f"set it, or give {option}",
            code=ExitCode.USAGE,
        )
    return Path(told)


def _checked(recipients: list[str] | None) -> tuple[str, ...]:
    try:
        return tuple(age.check_recipient(each) for each in recipients or ())
    except age.AgeError as error:
        raise Problem("Nothing was changed", why=str(error), code=ExitCode.USAGE) from None


def _require_known(text: str, *only: str) -> None:
    """Refuse names that would be taken for a setting and are none: no service would start."""
    # Loaded here: it reads every service's settings.
    from tallystick.settings_docs import unknown_names  # noqa: PLC0415

    names = only or tuple(parsed(text.encode()).values)
    if unknown := unknown_names(names):
        raise SecretsInvalid(f"no such setting: {', '.join(unknown)}")


def _count(count: int, what: str = "secret") -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"
