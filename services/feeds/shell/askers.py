"""Each provider's bank put together: its adapter, and what reads an account of it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol, assert_never

from services.feeds.config import Bank, Provider
from services.feeds.shell.bank_api import BankAccountAt, Poll
from services.feeds.shell.bank_poll import AccountPoll, ReadingRules
from services.feeds.shell.bank_reader import Asker
from services.feeds.shell.changes_poll import ChangesPoll
from services.feeds.shell.increase import IncreaseApi
from services.feeds.shell.plaid import PlaidApi
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


class _Api(Protocol):
    """What an asker needs of a bank's adapter, whatever it reads by."""

    async def accounts(self) -> tuple[BankAccountAt, ...]:
        """The open accounts, by the bank's own names."""
        ...

    async def close(self) -> None:
        """Give the connections back."""
        ...


@dataclass(frozen=True, slots=True)
class _Asking:
    """A bank's adapter, and what makes the reading of one of its accounts."""

    api: _Api
    reading: Callable[[BankAccountAt, str], Poll]

    async def accounts(self) -> tuple[BankAccountAt, ...]:
        """The open accounts, by the bank's own names."""
        return await self.api.accounts()

    def poll(self, account: BankAccountAt, book: str) -> Poll:
        """What reads an account."""
        return self.reading(account, book)

    async def close(self) -> None:
        """Give the connections back."""
        await self.api.close()


def increase(bank: Bank, means: Means) -> Asker:
    """A bank of Increase's shape: windows of lines."""
    api = IncreaseApi(
        base_url=bank.base_url,
        key=bank.key,
        timeout_seconds=means.timeout_seconds,
        patience_seconds=means.patience_seconds,
    )

    def reading(account: BankAccountAt, book: str) -> Poll:
        return AccountPoll(
            api=api,
            account=account,
            book=book,
            store=means.store,
            publisher=means.publisher,
            kafka=means.kafka,
            rules=means.rules,
        )

    return _Asking(api, reading)


def plaid(bank: Bank, means: Means) -> Asker:
    """An Item at Plaid: changes since a cursor."""
    api = PlaidApi(
        base_url=bank.base_url,
        client_id=bank.client_id,
        secret=bank.key,
        access_token=bank.access_token,
        timeout_seconds=means.timeout_seconds,
        patience_seconds=means.patience_seconds,
    )

    def reading(account: BankAccountAt, book: str) -> Poll:
        return ChangesPoll(
            api=api,
            account=account,
            book=book,
            store=means.store,
            publisher=means.publisher,
            kafka=means.kafka,
            balance_tries=means.rules.balance_tries,
        )

    return _Asking(api, reading)


def asker(means: Means) -> Callable[[Bank], Asker]:
    """What makes the asker of a bank."""

    def made(bank: Bank) -> Asker:
        match bank.provider:
            case Provider.INCREASE:
                return increase(bank, means)
            case Provider.PLAID:
                return plaid(bank, means)
            case _:
                assert_never(bank.provider)

    return made
