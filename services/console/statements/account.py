"""An account's statement with its running balance, and the general ledger made of such."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime

from services.console.statements.figures import Figure
from shared.contracts.money import Currency


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where a posting stands in the order of an account's statement."""

    effective_at: datetime
    topic: str
    partition: int
    sequence: int
    ordinal: int


@dataclass(frozen=True, slots=True)
class Movement:
    """A posting with its entry, as a statement shows it; ``minor`` is debit positive.

    What was told of a closed day stands at the first day that was open then, its ``reported_day``;
    ``happened_at`` is its own time.
    """

    place: Place
    recorded_at: datetime
    reference: str
    kind: str
    description: str
    account: str
    key: str
    currency: Currency
    minor: int
    happened_at: datetime | None = None
    reported_day: date | None = None

    @property
    def effective_at(self) -> datetime:
        """When it happened, wherever it is reported."""
        return self.happened_at or self.place.effective_at


@dataclass(frozen=True, slots=True)
class StatementLine:
    """A movement and the account's balance in its currency after it, debit positive."""

    movement: Movement
    balance: int


@dataclass(frozen=True, slots=True)
class AccountStatement:
    """A page of an account's statement: balances before its first line and after its last.

    ``is_last`` is whether the period ends with this page.
    """

    account: str
    opening: Mapping[Currency, int]
    lines: tuple[StatementLine, ...]
    is_last: bool

    @property
    def closing(self) -> dict[Currency, int]:
        """Balances after the last line of this page."""
        found = dict(self.opening)
        for line in self.lines:
            found[line.movement.currency] = line.balance
        return dict(sorted(found.items()))

    @property
    def after(self) -> Place | None:
        """Where the next page begins; ``None`` at the end."""
        return None if self.is_last or not self.lines else self.lines[-1].movement.place


def account_statement(
    account: str,
    opening: Iterable[Figure],
    movements: Iterable[Movement],
    *,
    is_last: bool = True,
) -> AccountStatement:
    """A page from what the account had turned over before it and its movements in order."""
    balances: defaultdict[Currency, int] = defaultdict(int)
    for figure in opening:
        balances[figure.currency] += figure.net
    before = dict(sorted(balances.items()))
    lines: list[StatementLine] = []
    for movement in movements:
        before.setdefault(movement.currency, 0)
        balances[movement.currency] += movement.minor
        lines.append(StatementLine(movement, balances[movement.currency]))
    return AccountStatement(account, before, tuple(lines), is_last)
