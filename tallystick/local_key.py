"""The signing key of this folder, for trying out: made by `run` where none is given.

Not for real money: it lies beside the database that it is to bear witness of.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from sandbox.stack import StackSettings
from shared.runtime.settings import Settings, SettingsInvalid, variables
from tallystick.cli.problems import ExitCode, Problem

VARIABLE: Final = "TALLYSTICK_LEDGER_TREE_HEAD_KEY"
FILE_VARIABLE: Final = f"{VARIABLE}_FILE"
PRIVATE: Final = 0o600
_NAME: Final = "tree-head.key"


def key_file(settings: StackSettings) -> Path:
    """Where it is."""
    return settings.dir.absolute() / _NAME


def key_variables(settings: StackSettings, environment: Mapping[str, str]) -> dict[str, str]:
    """The variable that names it; none where it is not there, or another key is given."""
    if _is_given(environment) or not key_file(settings).is_file():
        return {}
    return {FILE_VARIABLE: str(key_file(settings))}


def ensure_key(settings: StackSettings, environment: Mapping[str, str]) -> None:
    """Make it where none is given and no book is of real money."""
    path = key_file(settings)
    if _is_given(environment) or path.exists() or _is_live(environment):
        return
    # Loaded here: most commands that ask for variables sign nothing.
    from services.ledger.shell.proof.signing import SigningKey  # noqa: PLC0415

    path.parent.mkdir(parents=True, exist_ok=True)
    write_key(path, SigningKey.new().text)


def write_key(path: Path, text: str) -> None:
    """Put a key into a new file that only its owner reads.

    Raises:
        Problem: It is there already, or cannot be made.
    """
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE)
    except FileExistsError:
        raise Problem(
            f"{path} is there already",
            why="a key that heads are signed with is not written over",
            fix="another --output; for a new key beside it see docs/howto/prove-the-books.md",
            code=ExitCode.REFUSED,
        ) from None
    except OSError as error:
        raise Problem(
            f"{path} cannot be written", why=str(error.strerror), code=ExitCode.USAGE
        ) from None
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text + "\n")


def _is_given(environment: Mapping[str, str]) -> bool:
    told = variables(environment)
    return bool(told.get(VARIABLE) or told.get(FILE_VARIABLE))


def _is_live(environment: Mapping[str, str]) -> bool:
    try:
        return Settings.load(environment).is_live()
    except SettingsInvalid:
        return True  # what is wrong is said where the settings are used
