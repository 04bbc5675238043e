"""One bank, read by a task of its own: a bank that is away keeps no other one waiting.

A reading learns which accounts there are, when that is due, and then reads each in turn: banks
limit their calls. What stands in the way is kept, and the bank is left alone for a growing while.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Final, Protocol

from pydantic import TypeAdapter, ValidationError

from services.feeds.config import Bank
from services.feeds.shell.bank_api import BankAccountAt, BankRefused, Poll
from services.feeds.shell.bank_poll import poll_each
from shared.contracts.books import BookMap
from shared.contracts.errors import Unavailable
from shared.contracts.observations import Name
from shared.runtime import log

BACK_OFF_SECONDS_MAX: Final = 300.0
_DOUBLINGS_MAX: Final = 10
_NAME: Final[TypeAdapter[str]] = TypeAdapter(Name)
_log = log.get(__name__)


class Asker(Protocol):
    """A bank that is asked: which accounts it has, and how one of them is read."""

    async def accounts(self) -> tuple[BankAccountAt, ...]:
        """The open accounts, by the bank's own names."""
        ...

    def poll(self, account: BankAccountAt, book: str) -> Poll:
        """What reads an account."""
        ...

    async def close(self) -> None:
        """Give the connections back."""
        ...


class BankReader:
    """Reads the accounts of one bank, one reading at a time.

    ``turns`` bounds how many banks are read at once. ``polls`` are its accounts as they were last
    learnt.
    """

    def __init__(
        self,
        bank: Bank,
        asker: Asker,
        *,
        books: BookMap,
        turns: asyncio.Semaphore,
        interval_seconds: float,
    ) -> None:
        self.bank = bank
        self.polls: dict[BankAccountAt, Poll] = {}
        self._asker = asker
        self._books = books
        self._turns = turns
        self._interval_seconds = interval_seconds
        self._unfit: dict[str, str] = {}
        self._failed: dict[str, str] = {}
        self._failures = 0
        self._begun_at = self._learned_at = self._due_at = float("-inf")
        self._task: asyncio.Task[None] | None = None

    @property
    def task(self) -> asyncio.Task[None] | None:
        """The reading that runs, or that ended and was not heard of yet."""
        return self._task

    @property
    def seconds(self) -> float:
        """For how long a reading has been running; 0 while none is."""
        return 0.0 if self._task is None else time.monotonic() - self._begun_at

    @property
    def names(self) -> set[str]:
        """The accounts that are to be read, by our names, whether or not the bank tells them."""
        return {*self.bank.names.values(), *(poll.name for poll in self.polls.values())}

    @property
    def problems(self) -> dict[str, str]:
        """What stood in the way of the last reading, by account or by bank and account."""
        unfit = {f"{self.bank.name} {what}".strip(): why for what, why in self._unfit.items()}
        return unfit | self._failed

    @property
    def refusal(self) -> str:
        """Why the bank tells no accounts; empty when it does."""
        return self._unfit.get("", "")

    def problem_of(self, account: str) -> str:
        """What stands in the way of one account; empty when nothing does."""
        return self._failed.get(account) or self._unfit.get(account) or self.refusal

    def begin(self, *, accounts_seconds: float, others: Callable[[], Collection[str]]) -> None:
        """Begin a reading, unless one runs or the bank is left alone for a while.

        ``others`` are the accounts of other banks: a name is of the bank that told it first.
        """
        if self._task is not None or time.monotonic() < self._due_at:
            return
        is_due = time.monotonic() - self._learned_at >= accounts_seconds
        learns = is_due or not self.polls or bool(self._unfit)
        self._begun_at = time.monotonic()
        self._task = asyncio.create_task(self._read(others if learns else None))

    def hear(self) -> bool:
        """Take note of a reading that has ended; gives whether one has.

        Raises:
            Exception: What ended it, when it was no bank that is away or refuses.
        """
        if self._task is None or not self._task.done():
            return False
        ended, self._task = self._task, None
        ended.result()
        self._failures = self._failures + 1 if self.problems else 0
        if self._failures:
            slower = self._interval_seconds * 2 ** min(self._failures, _DOUBLINGS_MAX)
            most = max(BACK_OFF_SECONDS_MAX, self._interval_seconds)
            # Counted from the end of the pause that comes anyway.
            self._due_at = time.monotonic() + min(most, slower) - self._interval_seconds
        return True

    async def close(self) -> None:
        """Break off a reading, which loses nothing, and give the connections back."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        await self._asker.close()

    async def _read(self, others: Callable[[], Collection[str]] | None) -> None:
        async with self._turns:
            if others is not None:
                self._unfit = await self._learn(others)
            self._failed = await poll_each(list(self.polls.values()))

    async def _learn(self, others: Callable[[], Collection[str]]) -> dict[str, str]:
        """The accounts as they are now; gives what is wrong with them."""
        try:
            told = await self._asker.accounts()
        except (Unavailable, BankRefused) as error:
            # What is known of it is read on: a list that is away closes no account.
            said = _log.error if isinstance(error, BankRefused) else _log.warning
            said("accounts.failed", bank=self.bank.name, reason=str(error))
            return {"": str(error)}
        self._learned_at = time.monotonic()
        problems: dict[str, str] = {}
        found: dict[BankAccountAt, Poll] = {}
        taken = others()
        for account in accounts_of(self.bank, told, problems):
            if account.name in taken:
                problems[account.name] = "another bank has an account of that name already"
                continue
            book = self._books.of_bank(account.name)
            if book is None:
                problems[account.name] = (
                    f"no book names the bank account {account.name!r}, and there are several: name"
                    " it in the books file (TALLYSTICK_BOOKS_FILE)"
                )
                continue
            found[account] = self.polls.get(account) or self._asker.poll(account, book.name)
        self._say(found, problems)
        self.polls = found
        return problems

    def _say(self, found: Mapping[BankAccountAt, Poll], problems: Mapping[str, str]) -> None:
        for name, why in problems.items():
            if self._unfit.get(name) != why:
                _log.error("account.unfit", bank=self.bank.name, account=name, reason=why)
        for account in found.keys() - self.polls.keys():
            _log.info("account.begun", bank=self.bank.name, account=account.name)
        for account in self.polls.keys() - found.keys():
            _log.info("account.ended", bank=self.bank.name, account=account.name)


def accounts_of(
    bank: Bank, told: Sequence[BankAccountAt], problems: dict[str, str]
) -> list[BankAccountAt]:
    """The accounts to be read, by our names: those that are named, or all; what is wrong is noted.

    A named one that is not at the bank, and a bank's name that is none of ours, are left out.
    """
    by_id = {account.id: account for account in told}
    if bank.names:
        for bank_id in sorted(set(bank.names) - set(by_id)):
            problems[bank.names[bank_id]] = f"bank {bank.name} has no open account {bank_id}"
        return [
            replace(by_id[bank_id], name=name)
            for bank_id, name in bank.names.items()
            if bank_id in by_id
        ]
    found: list[BankAccountAt] = []
    for account in told:
        try:
            _NAME.validate_python(account.name)
        except ValidationError:
            problems[account.id] = (
                f"bank {bank.name} calls account {account.id} {account.name!r}, which is no"
                " account name; name its accounts in a banks file"
            )
            continue
        found.append(account)
    return found
