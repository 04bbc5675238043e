"""Look-ups at a bank: which accounts are read because of one, from when on, and when again."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

# How far back a look-up reads, whatever it asks for: pages of a bank, and not its history.
LOOK_BACK_MAX: Final = timedelta(days=400)
# A line is booked on a day of the bank's, and was made a day or two before it.
MADE_BEFORE: Final = timedelta(days=3)
PAUSE_MAX: Final = timedelta(hours=6)
_DOUBLINGS_MAX: Final = 16


@dataclass(frozen=True, slots=True)
class PolledAccount:
    """An account that can be asked for now."""

    name: str
    book: str
    currency: str


@dataclass(frozen=True, slots=True)
class DueLookUp:
    """A look-up whose turn it is. ``account`` is empty where any in the currency may be the one."""

    id: str
    book: str
    account: str
    currency: str
    since: date
    tries: int


def accounts_of(due: DueLookUp, polled: Iterable[PolledAccount]) -> tuple[str, ...]:
    """The accounts that a look-up is about, of those that can be asked for."""
    return tuple(
        sorted(
            each.name
            for each in polled
            if each.book == due.book
            and (each.name == due.account or (not due.account and each.currency == due.currency))
        )
    )


def read_from(since: date, *, now: datetime) -> datetime:
    """From when on an account is read, so that what a bank books on a day is among it."""
    begins = datetime.combine(max(since, date(1970, 2, 1)), time(), UTC) - MADE_BEFORE
    return min(max(begins, now - LOOK_BACK_MAX), now)


def next_try(at: datetime, *, tries: int, pause: timedelta) -> datetime:
    """When an account is asked for again: the pause doubles with each try, to six hours."""
    return at + min(PAUSE_MAX, pause * (1 << min(tries, _DOUBLINGS_MAX)))
