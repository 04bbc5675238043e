"""What an export is asked for, read from what stands on the command line."""

import re
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import orjson

from services.ledger.shell.reading.export import Since
from tallystick.events.moments import moment_of

_PLACE: Final = re.compile(r"([a-z0-9._-]+/[0-9]{1,5})([@#])([0-9]{1,18})", re.ASCII)
_TRAILER_BYTES_MAX: Final = 16 * 1024 * 1024


def moment_in(text: str, zone: ZoneInfo, *, now: datetime) -> datetime | None:
    """A moment as a person writes it, a day being its midnight in the book's time zone.

    Raises:
        ValueError: It is none.
    """
    if not text:
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return moment_of(text, now=now)
    return datetime.combine(day, time(), zone).astimezone(UTC)


def since_of(texts: list[str]) -> list[Since]:
    """Places in the journal: positions, entries, and where earlier exports end.

    ``stripe.events/3@17`` is behind that message, ``stripe.events/3#120`` behind that entry; all
    else is a file, an export in JSON Lines.

    Raises:
        ValueError: It is neither.
    """
    found: list[Since] = []
    for text in texts:
        place = _PLACE.fullmatch(text)
        if place is None:
            found += _ends_of(Path(text))
        elif place[2] == "@":
            found.append(Since(place[1], offset=int(place[3])))
        else:
            found.append(Since(place[1], sequence=int(place[3])))
    return found


def _ends_of(path: Path) -> list[Since]:
    """Where an earlier export ends: the trailer is its last line but one."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - _TRAILER_BYTES_MAX))
            lines = file.read().splitlines()
        header, trailer = _header_of(path), _trailer_of(lines)
        ends = {name: (at["sequence"], at["chain"]) for name, at in header["starts"].items()}
        ends |= {name: (at["last"], at["chain"]) for name, at in trailer["origins"].items()}
        found = [
            Since(name, sequence=int(sequence), chain=str(chain))
            for name, (sequence, chain) in sorted(ends.items())
        ]
    except (OSError, IndexError, KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(
            f"{str(path)[:200]!r} is neither a place, such as stripe.events/0@17 or"
            f" stripe.events/0#120, nor an export in JSON Lines with its end: {error}"
        ) from None
    return found


def _header_of(path: Path) -> dict[str, Any]:  # Any: JSON
    with path.open("rb") as file:
        found: dict[str, Any] = orjson.loads(file.readline(_TRAILER_BYTES_MAX))  # Any: JSON
    if found["whole"] is not True:
        raise ValueError("it is of a part of the journal")
    return found


def _trailer_of(lines: list[bytes]) -> dict[str, Any]:  # Any: JSON
    found: dict[str, Any] = orjson.loads(lines[-2])  # Any: JSON
    if found["line"] != "trailer":
        raise ValueError("its end is missing")
    return found
