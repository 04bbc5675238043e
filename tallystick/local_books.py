"""The books of this folder's sandbox: what a command reads where no books file is given."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from sandbox.stack import StackSettings
from shared.runtime.settings import variables

VARIABLE: Final = "TALLYSTICK_BOOKS_FILE"


def sandbox_folder(settings: StackSettings) -> Path:
    """Where a sandbox keeps what it remembers."""
    return settings.dir.absolute() / "sandbox"


def books_file(folder: Path) -> Path:
    """The file that says which accounts belong to a sandbox's one book."""
    return folder / "books.toml"


def books_variables(settings: StackSettings, environment: Mapping[str, str]) -> dict[str, str]:
    """The variable that names it; none where there is no sandbox, or another file is given."""
    path = books_file(sandbox_folder(settings))
    if variables(environment).get(VARIABLE) or not path.is_file():
        return {}
    return {VARIABLE: str(path)}
