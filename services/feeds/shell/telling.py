"""Telling what was decided: lines, then closing balances, each until Kafka has acknowledged it."""

import uuid
from collections.abc import Iterator, Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Final

from prometheus_client import Counter, Gauge
from pydantic import ValidationError

from services.feeds.revisions import (
    Form,
    ToldBalance,
    balance_observation,
    in_order,
    line_observation,
    recollected,
)
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

_TOLD = Counter(
    "tallystick_feeds_bank_lines_told_total", "Bank lines told, by what became of them", ["state"]
)
UNREADABLE: Final = Counter(
    "tallystick_feeds_bank_lines_unreadable_total", "Bank lines that make no sense"
)
_DISAGREED = Counter(
    "tallystick_feeds_bank_balances_disagreed_total", "Readings whose balance moved meanwhile"
)
_READ_AT = Gauge(
    "tallystick_feeds_bank_read_timestamp_seconds", "When an account was last read", ["account"]
)
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

    async def tell_forms(
        self,
        forms: Sequence[Form],
        at: datetime,
        *,
        watermark: datetime | None,
        place: str | None = None,
    ) -> None:
        """Write new forms of lines down, read at a time, with what they lead to; then tell them.

        Raises:
            Unavailable: Kafka or Postgres cannot be had now; what is written down is told later.
        """
        decided = [(form, self._line_message(form, at)) for form in in_order(forms)]
        await self._store.decide(self._account, decided, watermark=watermark, place=place)
        for form in forms:
            _TOLD.labels(form.line.state.value).inc()
        await self.tell_untold()

    async def tell_reading(self, before: ToldBalance, after: ToldBalance, at: datetime) -> None:
        """Tell the balance before and after the lines: with it the account has been read.

        Raises:
            Unavailable: Kafka or Postgres cannot be had now.
        """
        if before.ledger != after.ledger:
            _DISAGREED.inc()
        observation = balance_observation(
            before,
            after,
            account=self._account,
            provider=self._provider,
            observed_at=at,
            reading=uuid.uuid4().hex,
        )
        await self.tell_balance(observation)
        await self._store.note_read(self._account, at)
        _READ_AT.labels(self._account).set(at.timestamp())

    def _line_message(self, form: Form, at: datetime) -> bytes:
        observation = line_observation(
            form, account=self._account, provider=self._provider, observed_at=at
        )
        return observation.model_dump_json().encode()

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
