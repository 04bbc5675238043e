"""`verify.py` as it leaves the house: one file, put together of two, that needs nothing of ours."""

import ast
from pathlib import Path
from typing import Final

from tallystick.exports import hashes, verify

NAME: Final = "verify.py"


def verifier_source() -> str:
    """The source of the one file: where it imports its other half, that stands instead."""
    source = Path(verify.__file__).read_text("utf-8")
    lines = source.splitlines(keepends=True)
    for statement in ast.parse(source).body:
        if isinstance(statement, ast.ImportFrom) and statement.module == hashes.__name__:
            before, behind = lines[: statement.lineno - 1], lines[statement.end_lineno :]
            return "".join([*before, _body_of_hashes(), *behind])
    raise LookupError(f"{verify.__file__} does not import {hashes.__name__}")


def write_verifier(folder: Path) -> Path:
    """Put it into a folder."""
    path = folder / NAME
    path.write_text(verifier_source(), "utf-8")
    return path


def _body_of_hashes() -> str:
    """What stands behind its docstring and its imports; both files import the same."""
    source = Path(hashes.__file__).read_text("utf-8")
    first = next(
        statement
        for statement in ast.parse(source).body[1:]
        if not isinstance(statement, ast.Import | ast.ImportFrom)
    )
    return "".join(source.splitlines(keepends=True)[first.lineno - 1 :])
