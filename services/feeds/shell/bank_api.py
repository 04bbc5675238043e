"""What the feed asks of any bank; each adapter says it in its bank's own words."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from services.feeds.revisions import ToldBalance, ToldLine
from shared.contracts.errors import TallystickError


class BankRefused(TallystickError):
    """The bank refuses the key or the question: a person must mend it, no retry will."""


class ReadingBroken(TallystickError):
    """The bank can no longer go on with this walk through its pages: begin it anew."""


@dataclass(frozen=True, slots=True)
class BankAccountAt:
    """An account at a bank: the bank's id for it, and ours."""

    id: str
    name: str
    currency: str


@dataclass(frozen=True, slots=True)
class LinePage:
    """Some lines; ``unreadable`` counts those that make no sense, each told in the log."""

    lines: tuple[ToldLine, ...]
    unreadable: int = 0


class Poll(Protocol):
    """What reads one account, whichever way its bank tells it."""

    @property
    def name(self) -> str:
        """Our name of the account."""
        ...

    async def poll(self, *, since: datetime | None = None) -> None:
        """Read the account once and tell what is new; from ``since`` on, if that is further back.

        Raises:
            Unavailable: The bank, Kafka or Postgres cannot be had now; nothing is lost by it.
            BankRefused: The bank refuses us.
        """
        ...


class BankApi(Protocol):
    """A bank that can be asked.

    Every method raises ``Unavailable`` when it does not answer, ``BankRefused`` when it refuses.
    """

    @property
    def provider(self) -> str:
        """The name under which its observations stand."""
        ...

    async def accounts(self) -> tuple[BankAccountAt, ...]:
        """The open accounts, by the bank's own names."""
        ...

    async def balance(self, account: BankAccountAt) -> ToldBalance:
        """What the account holds, by the bank's books."""
        ...

    def lines(self, account: BankAccountAt, *, since: datetime) -> AsyncGenerator[LinePage, None]:
        """All lines made since a time, pending ones too; whole when it ends without an error.

        Raises:
            ReadingBroken: The pages do not go on; what came so far is no whole reading.
        """
        ...

    async def has_line(self, line: ToldLine) -> bool:
        """Whether the bank still knows a line that its list does not show."""
        ...

    async def close(self) -> None:
        """Give the connections back."""
        ...
