"""Pages of the bank's lists: an opaque cursor that names the last thing shown."""

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar

from sandbox.world.jsons import Misshapen, as_int, as_list

LIMIT_MAX: Final = 100


class Ordered(Protocol):
    """A thing of a list that is ordered by time and sequence, newest first."""

    @property
    def created(self) -> int:
        """The second of its making."""
        ...

    @property
    def sequence(self) -> int:
        """Its place in the order of making."""
        ...


Item = TypeVar("Item", bound=Ordered)


class CursorRefused(Exception):
    """A cursor that this bank did not hand out, or hands out no more."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """The last thing that a page showed, and the generation in which that was."""

    generation: int
    created: int
    sequence: int

    def text(self) -> str:
        """The cursor as it is handed out."""
        raw = json.dumps([self.generation, self.created, self.sequence])
        return base64.urlsafe_b64encode(raw.encode()).decode().rstrip("=")

    @classmethod
    def read(cls, text: str, *, generation: int) -> "Cursor":
        """A cursor that came back.

        Raises:
            CursorRefused: It is unreadable, or of an earlier generation.
        """
        try:
            padded = text + "=" * (-len(text) % 4)
            parts = as_list(json.loads(base64.urlsafe_b64decode(padded)))
            found = cls(*(as_int(part) for part in parts))
        except (Misshapen, TypeError, ValueError, binascii.Error) as error:
            raise CursorRefused(f"cursor {text!r} is not ours") from error
        if found.generation != generation:
            raise CursorRefused("cursor has expired")
        return found


def page(
    newest_first: Sequence[Item], *, cursor: Cursor | None, limit: int, generation: int
) -> tuple[list[Item], str | None]:
    """The items after the cursor, and the cursor of the next page if there is one.

    The cursor is a place in time, so a late line that sorts above it is seen only by a reader
    who starts again at the top.
    """
    if cursor is None:
        rest = list(newest_first)
    else:
        place = (cursor.created, cursor.sequence)
        rest = [item for item in newest_first if (item.created, item.sequence) < place]
    shown = rest[:limit]
    if len(rest) <= limit:
        return shown, None
    last = shown[-1]
    return shown, Cursor(generation, last.created, last.sequence).text()
