"""Lines of Stripe accounts that no book names: whose they are, and how to have them booked."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final

ACCOUNTS_SHOWN: Final = 5
NAME_SHOWN: Final = 80
Foreign = tuple[str, int]


def counted(accounts: Iterable[str]) -> tuple[Foreign, ...]:
    """Each account with its number of lines, most lines first."""
    return tuple(sorted(Counter(accounts).items(), key=lambda each: (-each[1], each[0])))


def hints(foreign: Sequence[Foreign]) -> list[str]:
    """What to say of them, one line for each account; of many accounts, the first few."""
    said = [
        f"{_lines(count)} of {name}, which is not in the book map and so is not booked:"
        f" if it is yours, give --account {name}"
        for name, count in ((_shown(account), count) for account, count in foreign[:ACCOUNTS_SHOWN])
    ]
    rest = foreign[ACCOUNTS_SHOWN:]
    if rest:
        accounts = "1 further account" if len(rest) == 1 else f"{len(rest)} further accounts"
        said.append(f"{_lines(sum(count for _, count in rest))} of {accounts} not in the book map")
    return said


def _lines(count: int) -> str:
    return "1 line is" if count == 1 else f"{count} lines are"


def _shown(account: str) -> str:
    """A file's text without what a terminal would obey."""
    return ascii(account)[1:-1][:NAME_SHOWN]
