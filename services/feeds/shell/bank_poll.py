"""Reading a bank account: balance, lines, balance; news decided, told, and then forgotten.

balance ─▶ lines since the window ─▶ balance      agreed when it stood still
   └▶ new forms ─▶ Postgres, with their messages ─▶ Kafka ─▶ acknowledged, so told
and last the balance, in the same partition: whoever reads it has read the lines before it
"""

import uuid
from collections.abc import Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from prometheus_client import Counter, Gauge
from pydantic import ValidationError

from services.feeds.revisions import (
    Form,
    ToldBalance,
    ToldLine,
    balance_observation,
    in_order,
    line_observation,
    recollected,
    removed,
    reread_from,
    successors,
    vanished,
    watermark_after,
)
from services.feeds.shell.bank_api import BankAccountAt, BankApi, BankRefused, ReadingBroken
from services.feeds.shell.store import FeedStore, Untold
from shared.contracts.envelope import Envelope
from shared.contracts.errors import Unavailable
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
WALKS_MAX: Final = 3

_TOLD = Counter(
    "tallystick_feeds_bank_lines_told_total", "Bank lines told, by what became of them", ["state"]
)
_UNREADABLE = Counter(
    "tallystick_feeds_bank_lines_unreadable_total", "Bank lines that make no sense"
)
_DISAGREED = Counter(
    "tallystick_feeds_bank_balances_disagreed_total", "Readings whose balance moved meanwhile"
)
_READ_AT = Gauge(
    "tallystick_feeds_bank_read_timestamp_seconds", "When an account was last read", ["account"]
)
_log = log.get(__name__)


@dataclass(frozen=True, slots=True)
class ReadingRules:
    """How an account is read."""

    lookback: timedelta
    reread: timedelta
    balance_tries: int


@dataclass(frozen=True, slots=True)
class _Reading:
    lines: tuple[ToldLine, ...]
    is_whole: bool
    before: ToldBalance
    after: ToldBalance

    @property
    def has_agreed(self) -> bool:
        return self.before.ledger == self.after.ledger


class AccountPoll:
    """One account at one bank."""

    def __init__(
        self,
        *,
        api: BankApi,
        account: BankAccountAt,
        book: str,
        store: FeedStore,
        publisher: Publisher,
        kafka: KafkaAddress,
        rules: ReadingRules,
    ) -> None:
        self._api = api
        self._account = account
        self._book = book
        self._store = store
        self._publisher = publisher
        self._kafka = kafka
        self._rules = rules
        self._has_recollected = False

    @property
    def name(self) -> str:
        """Our name of the account."""
        return self._account.name

    async def poll(self) -> None:
        """Read the account once and tell what is new.

        Raises:
            Unavailable: The bank, Kafka or Postgres cannot be had now; nothing is lost by it.
            BankRefused: The bank refuses us.
        """
        # What an earlier process decided and did not tell comes first, in its words.
        await self._tell_untold()
        at = datetime.now(UTC)
        watermark = await self._store.watermark(self.name)
        if watermark is None and not self._has_recollected:
            await self._recollect()
        since = reread_from(
            watermark, now=at, reread=self._rules.reread, lookback=self._rules.lookback
        )
        reading = await self._reading(since)
        known = await self._store.known(
            self.name, since=since, ids=[line.id for line in reading.lines]
        )
        forms = successors(known, reading.lines) + await self._gone(known, reading, since)
        await self._store.decide(
            self.name,
            [(form, self._line_message(form, at)) for form in in_order(forms)],
            watermark=watermark_after(watermark, reading.lines),
        )
        for form in forms:
            _TOLD.labels(form.line.state.value).inc()
        await self._tell_untold()
        await self._tell_balance(reading, at)
        _READ_AT.labels(self.name).set(at.timestamp())

    async def _recollect(self) -> None:
        """Learn from the topic what was told before: a database that is empty may be a lost one."""
        end = await end_offsets(self._kafka, [BANK_OBSERVATIONS])
        told: list[BankLine] = []
        async with aclosing(scan(self._kafka, {p: (0, at) for p, at in end.items()})) as batches:
            async for batch in batches:
                told.extend(_lines_of(self.name, batch))
        forms = recollected(told)
        await self._store.decide(self.name, [(form, None) for form in forms], watermark=None)
        self._has_recollected = True
        if forms:
            _log.warning("lines.recollected", account=self.name, lines=len(forms))

    async def _reading(self, since: datetime) -> _Reading:
        """Lines between two balances, again until they agree, at most as often as the rules say."""
        reading = await self._read_once(since, await self._api.balance(self._account))
        for _ in range(self._rules.balance_tries - 1):
            if reading.has_agreed:
                return reading
            reading = await self._read_once(since, reading.after)
        if not reading.has_agreed:
            _DISAGREED.inc()
        return reading

    async def _read_once(self, since: datetime, before: ToldBalance) -> _Reading:
        lines, is_whole = await self._walk(since)
        return _Reading(lines, is_whole, before, await self._api.balance(self._account))

    async def _walk(self, since: datetime) -> tuple[tuple[ToldLine, ...], bool]:
        for _ in range(WALKS_MAX):
            lines: list[ToldLine] = []
            unreadable = 0
            try:
                async with aclosing(self._api.lines(self._account, since=since)) as pages:
                    async for page in pages:
                        lines.extend(page.lines)
                        unreadable += page.unreadable
            except ReadingBroken as error:
                _log.info("reading.begun_anew", account=self.name, reason=str(error))
                continue
            _UNREADABLE.inc(unreadable)
            return tuple(lines), unreadable == 0
        raise Unavailable(f"{self.name}: the bank's pages broke off {WALKS_MAX} times")

    async def _gone(
        self, known: dict[str, Form], reading: _Reading, since: datetime
    ) -> tuple[Form, ...]:
        """The lines that the bank has taken back: only a whole, agreed reading proves it."""
        if not (reading.is_whole and reading.has_agreed):
            return ()
        return tuple(
            [
                removed(form)
                for form in vanished(known, reading.lines, since=since)
                # A list that lags behind must not undo a booking that stands.
                if not await self._api.has_line(form.line)
            ]
        )

    async def _tell_untold(self) -> None:
        while untold := await self._store.untold(self.name, TOLD_AT_ONCE):
            await self._publisher.publish_all(
                [self._publication(message) for message in untold], PUBLISH_SECONDS_MAX
            )
            await self._store.told(self.name, untold)

    async def _tell_balance(self, reading: _Reading, at: datetime) -> None:
        observation: BankBalance = balance_observation(
            reading.before,
            reading.after,
            account=self.name,
            provider=self._api.provider,
            observed_at=at,
            reading=uuid.uuid4().hex,
        )
        envelope = self._envelope(
            f"{self.name}:balance:{observation.reading}",
            BALANCE_TYPE,
            subject=self.name,
            data=observation.model_dump_json().encode(),
        )
        await self._publisher.publish_all(
            [Publication(BANK_OBSERVATIONS, self.name.encode(), envelope)], PUBLISH_SECONDS_MAX
        )

    def _line_message(self, form: Form, at: datetime) -> bytes:
        observation: BankLine = line_observation(
            form, account=self.name, provider=self._api.provider, observed_at=at
        )
        return observation.model_dump_json().encode()

    def _publication(self, message: Untold) -> Publication:
        envelope = self._envelope(
            f"{self.name}:{message.line_id}:r{message.revision}",
            LINE_TYPE,
            subject=message.line_id,
            data=message.message,
        )
        return Publication(BANK_OBSERVATIONS, self.name.encode(), envelope)

    def _envelope(self, name: str, kind: str, *, subject: str, data: bytes) -> Envelope:
        return Envelope(
            id=name,
            source=f"bank/{self._api.provider}",
            type=kind,
            time=datetime.now(UTC),
            data=data,
            subject=subject,
            extensions={"book": self._book},
        )


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


async def poll_each(polls: Sequence[AccountPoll]) -> dict[str, str]:
    """Read every account once; gives what stood in the way, by account."""
    failures: dict[str, str] = {}
    for poll in polls:
        try:
            await poll.poll()
        except (Unavailable, BankRefused) as error:
            # One bank that is away must not keep another's lines from being read.
            failures[poll.name] = str(error)
            level = _log.error if isinstance(error, BankRefused) else _log.warning
            level("reading.failed", account=poll.name, reason=str(error))
    return failures
