"""Round after round over all banks, which are read side by side; who is away is waited for alone.

Between two rounds an account is read when a look-up asks for it, while its bank is not being read:
an account is never read by two at once.
Banks and accounts are read again every minute, so that a new one is read without a restart.
"""

import asyncio
import time
from collections.abc import Callable
from functools import partial
from typing import Final

from services.feeds.config import Bank
from services.feeds.look_ups import PolledAccount
from services.feeds.shell.bank_reader import Asker, BankReader
from services.feeds.shell.look_ups import LookUps
from services.feeds.shell.sources import SourcesInForce
from services.feeds.shell.staleness import Staleness
from shared.contracts.books import BookMap
from shared.contracts.errors import Unavailable
from shared.runtime import log
from shared.runtime.lifecycle import pause
from shared.runtime.metrics import Health
from shared.runtime.positions import Fenced

ALIVE_WITHIN_SECONDS: Final = 600.0
# As many banks are read at once; each of them one account after the other.
BANKS_AT_ONCE: Final = 8
# A round waits so long for its banks; a slower one is heard of when it has been read.
ROUND_SECONDS_MAX: Final = 2.0
BANKS: Final = "banks"
_log = log.get(__name__)


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
        self._readers: dict[str, BankReader] = {}
        self._turns = asyncio.Semaphore(BANKS_AT_ONCE)
        self._looked_at = float("-inf")
        self._looked_up_at = 0.0

    async def run(self, stop: asyncio.Event) -> None:
        """Go round until told to stop."""
        self._health.not_ready(BANKS, "not asked yet")
        try:
            while not stop.is_set():
                await self._round()
                await self._rest(stop)
        finally:
            for reader in self._readers.values():
                await reader.close()

    async def _rest(self, stop: asyncio.Event) -> None:
        """The pause between two rounds, in which what look-ups ask for is read."""
        until = time.monotonic() + self._interval_seconds
        while not stop.is_set() and (left := until - time.monotonic()) > 0:
            if [reader for reader in self._readers.values() if reader.hear()]:
                await self._tell()
            since = time.monotonic() - self._looked_up_at
            if since >= self._look_ups_seconds:
                await self._look_up()
                self._looked_up_at = time.monotonic()
            else:
                is_read = any(reader.task is not None for reader in self._readers.values())
                most = ROUND_SECONDS_MAX if is_read else left
                await pause(stop, min(left, most, self._look_ups_seconds - since))

    async def _look_up(self) -> None:
        readers = self._readers.values()
        polled = {
            PolledAccount(account.name, book.name, account.currency): poll
            for reader in readers
            for account, poll in reader.polls.items()
            if (book := self._books.of_bank(account.name)) is not None
        }
        busy = {name for reader in readers if reader.task is not None for name in reader.names}
        away = {
            name: why for reader in readers for name in reader.names
            if (why := reader.problem_of(name))
        }  # fmt: skip
        sources = self._sources.in_force
        try:
            await self._look_ups.note()
            await self._look_ups.answer(
                polled,
                by_files=[account.name for account in sources.statements],
                has_banks=bool(sources.banks),
                busy=busy,
                away=away,
            )
        except (Unavailable, Fenced) as error:
            # What is asked for stands on its topic and in its table, and has its next turn.
            _log.warning("look_ups.waited", reason=str(error))

    async def _round(self) -> None:
        """Begin to read every bank, and tell what stands in the way of those that were."""
        await self._follow_sources()
        for reader in self._readers.values():
            reader.begin(
                accounts_seconds=self._accounts_seconds,
                others=partial(self._names_beside, reader),
            )
        running = [reader.task for reader in self._readers.values() if reader.task is not None]
        if running:
            await asyncio.wait(running, timeout=ROUND_SECONDS_MAX)
        for reader in self._readers.values():
            reader.hear()
        await self._tell()

    def _names_beside(self, reader: BankReader) -> set[str]:
        """The accounts that other banks have told."""
        return {
            poll.name
            for other in self._readers.values()
            if other is not reader
            for poll in other.polls.values()
        }

    async def _tell(self) -> None:
        """Say how the feeds are: whether they are ready, which are stale."""
        if all(reader.seconds < ALIVE_WITHIN_SECONDS for reader in self._readers.values()):
            self._health.beat(
                BANKS, next_within_seconds=ALIVE_WITHIN_SECONDS + self._interval_seconds
            )
        problems: dict[str, str] = {}
        for reader in self._readers.values():
            problems |= reader.problems
            if not reader.polls and reader.task is not None and not reader.problems:
                problems[reader.bank.name] = "not read yet"
        polled, elsewhere = self._feeds()
        problems |= await self._staleness.tell(
            polled, self._sources.in_force.statements, elsewhere=elsewhere
        )
        if problems:
            said = "; ".join(f"{name}: {why}" for name, why in problems.items())
            self._health.not_ready(BANKS, said)
        else:
            self._health.ready(BANKS)

    def _feeds(self) -> tuple[dict[str, str], str]:
        """Every account that is to be read, with what stands in its way; and what in unnamed ones'.

        A bank that is away, or refuses the key, tells no accounts: those that are named for it are
        to be read all the same, or nobody would hear of it.
        """
        found: dict[str, str] = {}
        elsewhere = ""
        for reader in self._readers.values():
            for name in sorted(reader.names):
                if self._books.of_bank(name) is not None:
                    found[name] = reader.problem_of(name)
            if not reader.names:
                elsewhere = elsewhere or reader.refusal
        return found, elsewhere

    async def _follow_sources(self) -> None:
        """The banks as they are now: one that changed is begun anew."""
        if time.monotonic() - self._looked_at >= self._accounts_seconds:
            await asyncio.to_thread(self._sources.look)
            self._looked_at = time.monotonic()
        wanted = {bank.name: bank for bank in self._sources.in_force.banks}
        for name in [n for n, r in self._readers.items() if wanted.get(n) != r.bank]:
            await self._readers.pop(name).close()
        for name, bank in wanted.items():
            if name not in self._readers:
                self._readers[name] = BankReader(
                    bank,
                    self._asker(bank),
                    books=self._books,
                    turns=self._turns,
                    interval_seconds=self._interval_seconds,
                )
