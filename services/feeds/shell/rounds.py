"""Round after round over all accounts of all banks; who is away is waited for."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from pydantic import TypeAdapter, ValidationError

from services.feeds.config import Bank
from services.feeds.shell.bank_api import BankAccountAt, BankApi, BankRefused
from services.feeds.shell.bank_poll import AccountPoll, ReadingRules, poll_each
from services.feeds.shell.store import FeedStore
from shared.contracts.books import BookMap
from shared.contracts.errors import Unavailable
from shared.contracts.observations import Name
from shared.runtime import log
from shared.runtime.kafka import KafkaAddress, Publisher
from shared.runtime.lifecycle import pause
from shared.runtime.metrics import Health
from shared.runtime.settings import PREFIX, SettingsInvalid

BACK_OFF_SECONDS_MAX: Final = 300.0
ALIVE_WITHIN_SECONDS: Final = 600.0
_NAME: Final[TypeAdapter[str]] = TypeAdapter(Name)
_log = log.get(__name__)


class Rounds:
    """Reads every account, pauses, and begins again."""

    def __init__(
        self,
        *,
        banks: Sequence[tuple[Bank, BankApi]],
        books: BookMap,
        store: FeedStore,
        publisher: Publisher,
        kafka: KafkaAddress,
        rules: ReadingRules,
        health: Health,
        interval_seconds: float,
    ) -> None:
        self._banks = banks
        self._books = books
        self._store = store
        self._publisher = publisher
        self._kafka = kafka
        self._rules = rules
        self._health = health
        self._interval_seconds = interval_seconds
        self._polls: list[AccountPoll] | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """Go round until told to stop.

        Raises:
            SettingsInvalid: What the banks have does not fit the settings or the books.
        """
        failures = 0
        self._health.not_ready("banks", "not asked yet")
        while not stop.is_set():
            self._health.beat(
                "banks", next_within_seconds=ALIVE_WITHIN_SECONDS + self._interval_seconds
            )
            found = await self._round()
            if not found:
                failures = 0
                self._health.ready("banks")
                await pause(stop, self._interval_seconds)
                continue
            failures += 1
            self._health.not_ready("banks", "; ".join(f"{k}: {v}" for k, v in found.items()))
            await pause(
                stop, min(BACK_OFF_SECONDS_MAX, self._interval_seconds * 2 ** min(failures, 10))
            )

    async def _round(self) -> dict[str, str]:
        """Read every account once; gives what stood in the way."""
        try:
            if self._polls is None:
                self._polls = await self._all_polls()
        except (Unavailable, BankRefused) as error:
            _log.warning("accounts.failed", reason=str(error))
            return {"accounts": str(error)}
        return await poll_each(self._polls)

    async def _all_polls(self) -> list[AccountPoll]:
        found = [
            (api, account)
            for bank, api in self._banks
            for account in accounts_of(bank, await api.accounts())
        ]
        names = [account.name for _, account in found]
        if doubled := sorted({name for name in names if names.count(name) > 1}):
            raise SettingsInvalid(f"{PREFIX}FEEDS_…: accounts named twice: {', '.join(doubled)}")
        return [
            AccountPoll(
                api=api,
                account=account,
                book=_book_of(self._books, account.name),
                store=self._store,
                publisher=self._publisher,
                kafka=self._kafka,
                rules=self._rules,
            )
            for api, account in found
        ]


def accounts_of(bank: Bank, told: Sequence[BankAccountAt]) -> list[BankAccountAt]:
    """The accounts to be read, by our names: those that are named, or all of them.

    Raises:
        SettingsInvalid: One that is named is not at the bank, or a bank's name is none of ours.
    """
    by_id = {account.id: account for account in told}
    if bank.names:
        if missing := sorted(set(bank.names) - set(by_id)):
            raise SettingsInvalid(
                f"{PREFIX}FEEDS_…: bank {bank.name} has no open account {', '.join(missing)}"
            )
        return [replace(by_id[bank_id], name=name) for bank_id, name in bank.names.items()]
    for account in told:
        try:
            _NAME.validate_python(account.name)
        except ValidationError:
            raise SettingsInvalid(
                f"{PREFIX}FEEDS_…: bank {bank.name} calls account {account.id} {account.name!r},"
                " which is no account name; name its accounts in a banks file"
            ) from None
    return list(told)


def _book_of(books: BookMap, name: str) -> str:
    found = books.of_bank(name)
    if found is None:
        raise SettingsInvalid(
            f"{PREFIX}BOOKS_FILE: no book names the bank account {name!r}, and there are several"
        )
    return found.name
