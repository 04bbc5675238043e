"""Accounts that commands open, close and rename, beside those of the chart.

An account is found by its own name and by nothing else; its display name may change, and every
change is kept. A closed account takes no command, and no match that somebody has laid on it. What
Stripe and banks tell is booked on it all the same: a fact is never refused.
"""

from dataclasses import dataclass

from services.ledger.chart import Chart, ChartAccount, Root
from shared.contracts.journal import Direction


@dataclass(frozen=True, slots=True)
class AccountChange:
    """How an account stands after a command about it; ``number`` counts its changes from 1.

    ``is_of_chart`` tells that the chart has it as well, and says what it is.
    """

    account: str
    number: int
    display: str
    is_open: bool
    is_of_chart: bool
    key: str = ""
    normal: Direction = Direction.DEBIT
    has_floor: bool = False


@dataclass(frozen=True, slots=True)
class KnownAccount:
    """An account as the judge sees it."""

    name: str
    display: str
    root: Root
    normal: Direction
    key: str
    is_open: bool
    is_clearing: bool
    is_mirror: bool
    has_floor: bool


def known_account(name: str, chart: Chart, change: AccountChange | None) -> KnownAccount | None:
    """What is known of an account: from the chart, from the last command about it, or nothing."""
    row = chart.find(name)
    if row is not None:
        return _of_chart(name, row, change)
    if change is None:
        return None
    return KnownAccount(
        name=name,
        display=change.display,
        root=Root(name.partition(":")[0]),
        normal=change.normal,
        key=change.key,
        is_open=change.is_open,
        is_clearing=False,
        is_mirror=False,
        has_floor=change.has_floor,
    )


def _of_chart(name: str, row: ChartAccount, change: AccountChange | None) -> KnownAccount:
    return KnownAccount(
        name=name,
        display=change.display if change is not None else row.display,
        root=row.root,
        normal=row.normal,
        key=row.key,
        is_open=change.is_open if change is not None else True,
        is_clearing=row.is_clearing,
        is_mirror=row.is_mirror,
        has_floor=row.has_floor,
    )
