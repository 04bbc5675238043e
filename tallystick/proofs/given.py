"""Heads from elsewhere: a head's file, a proof, or an export that tells them."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

from pydantic import ValidationError

from shared.contracts.tree_heads import TreeHead

_BYTES_MAX: Final = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Given:
    """What a file says of the journal: heads of books, and links of entries by origin."""

    heads: tuple[TreeHead, ...]
    links: tuple[tuple[str, int, str], ...]


def given_in(path: Path) -> Given:
    """The heads in a file.

    Raises:
        ValueError: There are none.
    """
    try:
        with path.open("rb") as file:
            start = file.read(_BYTES_MAX)
        told = _first_object(start)
        if told.get("line") == "header":
            links = told["journal"].items()
            return Given(
                tuple(map(TreeHead.model_validate, told.get("tree_heads", ()))),
                tuple((name, int(at["sequence"]), str(at["chain"])) for name, at in links),
            )
        if "heads" in told:
            return Given(tuple(map(TreeHead.model_validate, told["heads"])), ())
        return Given((TreeHead.model_validate(told.get("head", told)),), ())
    except ValidationError as error:
        raise ValueError(f"{path}: no tree head: {error.error_count()} mistakes") from None
    except (OSError, KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(
            f"{path} is no tree head, no proof and no export in JSON Lines: {error}"
        ) from None


def _first_object(start: bytes) -> dict[str, Any]:  # Any: JSON
    """The whole file as JSON, or else its first line."""
    try:
        found = json.loads(start)
    except ValueError:
        found = json.loads(start.split(b"\n", 1)[0])
    if not isinstance(found, dict):
        raise TypeError("not an object")
    return cast("dict[str, Any]", found)
