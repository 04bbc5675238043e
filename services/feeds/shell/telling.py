"""Telling what was decided: lines, then closing balances, each until Kafka has acknowledged it."""

from collections.abc import Iterator, Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Final

from pydantic import ValidationError

from services.feeds.revisions import Form, recollected
from services.feeds.shell.store import FeedStore, Untold
from shared.contracts.envelope import Envelope
from shared.contracts.observations import BANK_OBSERVATION, BankBalance, BankLine
from shared.contracts.topics import BANK_OBSERVATIONS
from shared.runtime import log
from shared.runtime.kafka import (
    KafkaAddress,
    Publication,
    Publisher,
    Record,
    end_offsets,
    scan,
)

LINE_TYPE: Final = "com.tallystick.bank.line.v1"
BALANCE_TYPE: Final = "com.tallystick.bank.balance.v1"
PUBLISH_SECONDS_MAX: Final = 30.0
TOLD_AT_ONCE: Final = 500
_log = log.get(__name__)


class Telling:
    """What is told of one account: its messages, under its key, of its book."""

    def __init__(
        self, *, account: str, book: str, provider: str, store: FeedStore, publisher: Publisher
    ) -> None:
        self._account = account
        self._book = book
        self._provider = provider
        self._store = store
        self._publisher = publisher

    async def tell_untold(self) -> None:
        """Publish what was decided earlier and is not acknowledged, in its words.

        Raises:
            Unavailable: Kafka or Postgres cannot be had now; the next time tells the same.
        """
        while untold := await self._store.untold(self._account, TOLD_AT_ONCE):
            await self._publisher.publish_all(
                [self._line(message) for message in untold], PUBLISH_SECONDS_MAX
            )
            await self._store.told(self._account, untold)
        while balances := await self._store.untold_balances(self._account, TOLD_AT_ONCE):
            await self._publisher.publish_all(
                [self._balance(one.reading, one.message) for one in balances], PUBLISH_SECONDS_MAX
            )
            await self._store.told_balances(self._account, [one.reading for one in balances])

    async def tell_balance(self, balance: BankBalance) -> None:
        """Publish a balance that nobody has to remember: the next reading tells another.

        Raises:
            Unavailable: Kafka cannot be had now.
        """
        message = balance.model_dump_json().encode()
        await self._publisher.publish_all(
            [self._balance(balance.reading, message)], PUBLISH_SECONDS_MAX
        )

    def _line(self, message: Untold) -> Publication:
        name = f"{self._account}:{message.line_id}:r{message.revision}"
        return self._publication(name, LINE_TYPE, message.line_id, message.message)

    def _balance(self, reading: str, message: bytes) -> Publication:
        name = f"{self._account}:balance:{reading}"
        return self._publication(name, BALANCE_TYPE, self._account, message)

    def _publication(self, name: str, kind: str, subject: str, data: bytes) -> Publication:
        envelope = Envelope(
            id=name,
            source=f"bank/{self._provider}",
            type=kind,
            time=datetime.now(UTC),
            data=data,
            subject=subject,
            extensions={"book": self._book},
        )
        return Publication(BANK_OBSERVATIONS, self._account.encode(), envelope)


async def forms_on_topic(kafka: KafkaAddress, account: str) -> tuple[Form, ...]:
    """The last forms that were told of an account: a database that is empty may be a lost one."""
    end = await end_offsets(kafka, [BANK_OBSERVATIONS])
    told: list[BankLine] = []
    async with aclosing(scan(kafka, {p: (0, at) for p, at in end.items()})) as batches:
        async for batch in batches:
            told.extend(_lines_of(account, batch))
    forms = recollected(told)
    if forms:
        _log.warning("lines.recollected", account=account, lines=len(forms))
    return forms


def _lines_of(account: str, batch: Sequence[Record]) -> Iterator[BankLine]:
    for record in batch:
        if record.key != account.encode():
            continue
        try:
            told = BANK_OBSERVATION.validate_json(record.value)
        except ValidationError:
            _log.warning("observation.unreadable", position=record.position)
            continue
        if isinstance(told, BankLine):
            yield told
