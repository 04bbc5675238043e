"""Each provider's bank put together: its adapter, and what reads an account of it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, assert_never

from services.feeds.config import Bank, Provider
from services.feeds.shell.bank_api import BankAccountAt, Poll
from services.feeds.shell.bank_poll import AccountPoll, ReadingRules
from services.feeds.shell.changes_poll import ChangesPoll
from services.feeds.shell.increase import IncreaseApi
from services.feeds.shell.plaid import PlaidApi
from services.feeds.shell.rounds import Asker
from services.feeds.shell.store import FeedStore
from shared.runtime.kafka import KafkaAddress, Publisher

PATIENCE_IN_TIMEOUTS: Final = 1.5


@dataclass(frozen=True, slots=True)
class Means:
    """What every reading needs beside its bank."""

    store: FeedStore
    publisher: Publisher
    kafka: KafkaAddress
    rules: ReadingRules
    timeout_seconds: float

    @property
    def patience_seconds(self) -> float:
        """For how long one question is asked again in place; longer than one answer may take."""
        return self.timeout_seconds * PATIENCE_IN_TIMEOUTS


class IncreaseAsker:
    """A bank of Increase's shape: windows of lines."""

    def __init__(self, bank: Bank, means: Means) -> None:
        self._means = means
        self._api = IncreaseApi(
            base_url=bank.base_url,
            key=bank.key,
            timeout_seconds=means.timeout_seconds,
            patience_seconds=means.patience_seconds,
        )

    async def accounts(self) -> tuple[BankAccountAt, ...]:
        """The open accounts, by the bank's own names."""
        return await self._api.accounts()

    def poll(self, account: BankAccountAt, book: str) -> Poll:
        """What reads an account."""
        means = self._means
        return AccountPoll(
            api=self._api,
            account=account,
            book=book,
            store=means.store,
            publisher=means.publisher,
            kafka=means.kafka,
            rules=means.rules,
        )

    async def close(self) -> None:
        """Give the connections back."""
        await self._api.close()


class PlaidAsker:
    """An Item at Plaid: changes since a cursor."""

    def __init__(self, bank: Bank, means: Means) -> None:
        self._means = means
        self._api = PlaidApi(
            base_url=bank.base_url,
            client_id=bank.client_id,
            secret=bank.key,
            access_token=bank.access_token,
            timeout_seconds=means.timeout_seconds,
            patience_seconds=means.patience_seconds,
        )

    async def accounts(self) -> tuple[BankAccountAt, ...]:
        """The Item's accounts."""
        return await self._api.accounts()

    def poll(self, account: BankAccountAt, book: str) -> Poll:
        """What reads an account."""
        means = self._means
        return ChangesPoll(
            api=self._api,
            account=account,
            book=book,
            store=means.store,
            publisher=means.publisher,
            kafka=means.kafka,
            balance_tries=means.rules.balance_tries,
        )

    async def close(self) -> None:
        """Give the connections back."""
        await self._api.close()


def asker(means: Means) -> Callable[[Bank], Asker]:
    """What makes the asker of a bank."""

    def made(bank: Bank) -> Asker:
        match bank.provider:
            case Provider.INCREASE:
                return IncreaseAsker(bank, means)
            case Provider.PLAID:
                return PlaidAsker(bank, means)
            case _:
                assert_never(bank.provider)

    return made
