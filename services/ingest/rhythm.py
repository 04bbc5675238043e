"""Is it longer than usual that nothing came? By the hours of the week, of the weeks before.

For each hour of the week it is known in how many of the weeks before something came. If silence
went on through hours in which something nearly always comes, it is no chance:

    chance of this silence = product over its full hours of (1 - weeks with something / (weeks + 1))

A shop that sells by day alone is not missed at night; one that sells all round the clock is missed
within hours; one that sells once a week is never called silent for a quiet weekend.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Final

HOUR: Final = timedelta(hours=1)
WEEK: Final = timedelta(weeks=1)
WEEKS_MAX: Final = 8
WEEKS_MIN: Final = 2
CHANCE_MAX: Final = Fraction(1, 10_000)
# A silence of a year says no more than one of a month.
HOURS_JUDGED_MAX: Final = 24 * 31
_HOURS_OF_WEEK: Final = 24 * 7


@dataclass(frozen=True, slots=True)
class Silence:
    """Nothing came since ``since``; by chance that happens as often as ``chance`` says."""

    since: datetime
    chance: Fraction
    weeks: int

    @property
    def is_unusual(self) -> bool:
        """Whether a person should look."""
        return self.chance < CHANCE_MAX


def history_from(last_at: datetime) -> datetime:
    """From when on arrivals are asked for, to judge a silence after ``last_at``."""
    return _hour(last_at) + HOUR - WEEKS_MAX * WEEK


def silence(
    hours: Iterable[datetime], *, first_at: datetime | None, last_at: datetime | None, now: datetime
) -> Silence | None:
    """The silence that reigns now; ``None`` while it is too early to know what is usual.

    Args:
        hours: Hours in which something came, each as its beginning or any time within it.
        first_at: When the very first thing came.
        last_at: When the last thing came.
        now: The moment of judging.
    """
    if first_at is None or last_at is None or now <= last_at:
        return None
    # The last hour in which something came is no silent one; weeks are counted back from its end.
    end = _hour(last_at) + HOUR
    weeks = min(WEEKS_MAX, (end - first_at) // WEEK)
    if weeks < WEEKS_MIN:
        return None
    seen: dict[int, set[int]] = {}
    for moment in hours:
        hour = _hour(moment)
        ago = (end - hour - HOUR) // WEEK
        if hour < end and 0 <= ago < weeks:
            seen.setdefault(_hour_of_week(hour), set()).add(ago)
    silent = min((now - end) // HOUR, HOURS_JUDGED_MAX)
    # Whole numbers, divided once: a silence of a month multiplies hundreds of them.
    passing, total = 1, 1
    for passed in range(silent):
        active = len(seen.get(_hour_of_week(end + passed * HOUR), ()))
        if active:
            passing *= weeks + 1 - active
            total *= weeks + 1
    return Silence(last_at, Fraction(passing, total), weeks)


def _hour(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def _hour_of_week(hour: datetime) -> int:
    return (hour.weekday() * 24 + hour.hour) % _HOURS_OF_WEEK
