"""Round after round over all accounts of all banks; who is away is waited for.

Between two rounds an account is read when a look-up asks for it, by the same hand: an account is
never read by two at once.
Banks and accounts are read again every minute, so that a new one is read without a restart.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol

from pydantic import TypeAdapter, ValidationError

from services.feeds.config import Bank
from services.feeds.look_ups import PolledAccount
from services.feeds.shell.bank_api import BankAccountAt, BankRefused, Poll
from services.feeds.shell.bank_poll import poll_each
from services.feeds.shell.look_ups import LookUps
from services.feeds.shell.sources import SourcesInForce
from services.feeds.shell.staleness import Staleness
from shared.contracts.books import BookMap
from shared.contracts.errors import Unavailable
from shared.contracts.observations import Name
from shared.runtime import log
from shared.runtime.lifecycle import pause
from shared.runtime.metrics import Health
from shared.runtime.positions import Fenced

BACK_OFF_SECONDS_MAX: Final = 300.0
ALIVE_WITHIN_SECONDS: Final = 600.0
BANKS: Final = "banks"
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


@dataclass(slots=True)
class _Asked:
    """A bank with its adapter, and the reading of each of its accounts."""

    bank: Bank
    asker: Asker
    polls: dict[BankAccountAt, Poll]
    problems: dict[str, str]


class Rounds:
    """Reads every account, pauses, and begins again."""

    def __init__(
        self,
        *,
        sources: SourcesInForce,
        asker: Callable[[Bank], Asker],
        books: BookMap,
        staleness: Staleness,
        look_ups: LookUps,
        health: Health,
        interval_seconds: float,
        accounts_seconds: float,
        look_ups_seconds: float,
    ) -> None:
        self._sources = sources
        self._asker = asker
        self._books = books
        self._staleness = staleness
        self._look_ups = look_ups
        self._health = health
        self._interval_seconds = interval_seconds
        self._accounts_seconds = accounts_seconds
        self._look_ups_seconds = look_ups_seconds
        self._asked: dict[str, _Asked] = {}
        self._looked_at = 0.0
        self._looked_up_at = 0.0

    async def run(self, stop: asyncio.Event) -> None:
        """Go round until told to stop."""
        failures = 0
        self._health.not_ready(BANKS, "not asked yet")
        try:
            while not stop.is_set():
                self._health.beat(
                    BANKS, next_within_seconds=ALIVE_WITHIN_SECONDS + self._interval_seconds
                )
                found = await self._round()
                failures = failures + 1 if found else 0
                if found:
                    said = "; ".join(f"{name}: {why}" for name, why in found.items())
                    self._health.not_ready(BANKS, said)
                else:
                    self._health.ready(BANKS)
                slower = self._interval_seconds * 2 ** min(failures, 10)
                # With nothing in the way the pause is as it was asked for, however long.
                most = max(BACK_OFF_SECONDS_MAX, self._interval_seconds) if failures else slower
                await self._rest(stop, min(most, slower))
        finally:
            for asked in self._asked.values():
                await asked.asker.close()

    async def _rest(self, stop: asyncio.Event, seconds: float) -> None:
        """The pause between two rounds, in which what look-ups ask for is read."""
        until = time.monotonic() + seconds
        while not stop.is_set() and (left := until - time.monotonic()) > 0:
            since = time.monotonic() - self._looked_up_at
            if since >= self._look_ups_seconds:
                await self._look_up()
                self._looked_up_at = time.monotonic()
            else:
                await pause(stop, min(left, self._look_ups_seconds - since))

    async def _look_up(self) -> None:
        polled = {
            PolledAccount(account.name, book.name, account.currency): poll
            for asked in self._asked.values()
            for account, poll in asked.polls.items()
            if (book := self._books.of_bank(account.name)) is not None
        }
        sources = self._sources.in_force
        try:
            await self._look_ups.note()
            await self._look_ups.answer(
                polled,
                by_files=[account.name for account in sources.statements],
                has_banks=bool(sources.banks),
            )
        except (Unavailable, Fenced) as error:
            # What is asked for stands on its topic and in its table, and has its next turn.
            _log.warning("look_ups.waited", reason=str(error))

    async def _round(self) -> dict[str, str]:
        """Read every account once; gives what stood in the way."""
        problems = await self._learn()
        polls = [poll for asked in self._asked.values() for poll in asked.polls.values()]
        problems |= await poll_each(polls)
        polled, elsewhere = self._feeds(problems)
        problems |= await self._staleness.tell(
            polled, self._sources.in_force.statements, elsewhere=elsewhere
        )
        return problems

    def _feeds(self, problems: Mapping[str, str]) -> tuple[dict[str, str], str]:
        """Every account that is to be read, with what stands in its way; and what in unnamed ones'.

        A bank that is away, or refuses the key, tells no accounts: those that are named for it are
        to be read all the same, or nobody would hear of it.
        """
        found: dict[str, str] = {}
        elsewhere = ""
        for asked in self._asked.values():
            refusal = asked.problems.get("", "")
            names = {*asked.bank.names.values(), *(poll.name for poll in asked.polls.values())}
            for name in sorted(names):
                if self._books.of_bank(name) is not None:
                    found[name] = problems.get(name) or asked.problems.get(name) or refusal
            if not names:
                elsewhere = elsewhere or refusal
        return found, elsewhere

    async def _learn(self) -> dict[str, str]:
        """The banks and accounts as they are now; gives what is wrong with them."""
        is_due = time.monotonic() - self._looked_at >= self._accounts_seconds
        if is_due:
            await asyncio.to_thread(self._sources.look)
        wanted = {bank.name: bank for bank in self._sources.in_force.banks}
        for name in [n for n, asked in self._asked.items() if wanted.get(n) != asked.bank]:
            await self._asked.pop(name).asker.close()
        for name, bank in wanted.items():
            if name not in self._asked:
                self._asked[name] = _Asked(bank, self._asker(bank), {}, {})
                is_due = True
        if is_due:
            self._looked_at = time.monotonic()
        problems: dict[str, str] = {}
        taken: set[str] = set()
        for name, asked in self._asked.items():
            if is_due or not asked.polls or asked.problems:
                asked.problems = await self._learn_accounts(asked, taken)
            taken.update(account.name for account in asked.polls)
            problems |= {f"{name} {what}".strip(): why for what, why in asked.problems.items()}
        return problems

    async def _learn_accounts(self, asked: _Asked, taken: set[str]) -> dict[str, str]:
        try:
            told = await asked.asker.accounts()
        except (Unavailable, BankRefused) as error:
            # What is known of it is read on: a list that is away closes no account.
            said = _log.error if isinstance(error, BankRefused) else _log.warning
            said("accounts.failed", bank=asked.bank.name, reason=str(error))
            return {"": str(error)}
        problems: dict[str, str] = {}
        found: dict[BankAccountAt, Poll] = {}
        for account in accounts_of(asked.bank, told, problems):
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
            found[account] = asked.polls.get(account) or asked.asker.poll(account, book.name)
        for name, why in problems.items():
            if asked.problems.get(name) != why:
                _log.error("account.unfit", bank=asked.bank.name, account=name, reason=why)
        for account in found.keys() - asked.polls.keys():
            _log.info("account.begun", bank=asked.bank.name, account=account.name)
        for account in asked.polls.keys() - found.keys():
            _log.info("account.ended", bank=asked.bank.name, account=account.name)
        asked.polls = found
        return problems


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
