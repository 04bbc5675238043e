"""Times and durations as a person writes them on a command line."""

import re
from datetime import UTC, date, datetime, timedelta
from typing import Final

from shared.contracts.envelope import instant_of
from shared.contracts.errors import Unreadable

_UNITS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 7 * 86_400}
_DURATION: Final = re.compile(r"(?:[0-9]{1,9}[smhdw])+", re.ASCII)
_PART: Final = re.compile(r"([0-9]+)([smhdw])", re.ASCII)


def duration_of(text: str) -> timedelta:
    """A duration: ``90`` and ``90s`` are seconds, ``15m``, ``2h30m``, ``7d``, ``4w``.

    Raises:
        ValueError: Not of that form.
    """
    if text.isascii() and text.isdigit() and len(text) < 10:  # about 30 years
        return timedelta(seconds=int(text))
    if not _DURATION.fullmatch(text):
        raise ValueError(f"{text[:40]!r} is no duration; write 90s, 15m, 2h30m, 7d")
    seconds = sum(int(count) * _UNITS[unit] for count, unit in _PART.findall(text))
    try:
        return timedelta(seconds=seconds)
    except OverflowError:
        raise ValueError(f"{text[:40]!r} is too long") from None


def moment_of(text: str, *, now: datetime) -> datetime:
    """A moment: RFC 3339, a day (its beginning in UTC), or how long ago: ``15m``, ``7d``.

    Raises:
        ValueError: Not of any of these forms.
    """
    if text == "now":
        return now
    try:
        return datetime.combine(date.fromisoformat(text), datetime.min.time(), UTC)
    except ValueError:
        pass
    try:
        return instant_of(text)
    except Unreadable:
        pass
    try:
        return now - duration_of(text)
    except (ValueError, OverflowError):
        raise ValueError(
            f"{text[:40]!r} is no time; write 2026-11-21, 2026-11-21T04:05:06Z, or 2h for"
            " two hours ago"
        ) from None
