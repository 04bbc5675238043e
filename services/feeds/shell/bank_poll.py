"""Reading a bank account: balance, lines, balance; news decided, told, and then forgotten.

balance ─▶ lines since the window ─▶ balance      agreed when it stood still
   └▶ new forms ─▶ Postgres, with their messages ─▶ Kafka ─▶ acknowledged, so told
and last the balance, in the same partition: whoever reads it has read the lines before it
"""

from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from services.feeds.revisions import (
    Form,
    ToldBalance,
    ToldLine,
    removed,
    reread_from,
    successors,
    vanished,
    watermark_after,
)
from services.feeds.shell.bank_api import BankAccountAt, BankApi, BankRefused, Poll, ReadingBroken
from services.feeds.shell.store import FeedStore
from services.feeds.shell.telling import UNREADABLE, Telling, forms_on_topic
from shared.contracts.errors import Unavailable
from shared.runtime import log
from shared.runtime.kafka import KafkaAddress, Publisher

WALKS_MAX: Final = 3
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
        self._store = store
        self._kafka = kafka
        self._rules = rules
        self._telling = Telling(
            account=account.name, book=book, provider=api.provider, store=store, publisher=publisher
        )
        self._has_recollected = False

    @property
    def name(self) -> str:
        """Our name of the account."""
        return self._account.name

    async def poll(self, *, since: datetime | None = None) -> None:
        """Read the account once and tell what is new; from ``since`` on, if that is further back.

        Raises:
            Unavailable: The bank, Kafka or Postgres cannot be had now; nothing is lost by it.
            BankRefused: The bank refuses us.
        """
        # What an earlier process decided and did not tell comes first, in its words.
        await self._telling.tell_untold()
        at = datetime.now(UTC)
        await self._store.note_asked(self.name, at)
        watermark = await self._store.watermark(self.name)
        if watermark is None and not self._has_recollected:
            await self._recollect()
        begin = reread_from(
            watermark, now=at, reread=self._rules.reread, lookback=self._rules.lookback
        )
        begin = begin if since is None else min(begin, since)
        reading = await self._reading(begin)
        known = await self._store.known(
            self.name, since=begin, ids=[line.id for line in reading.lines]
        )
        forms = successors(known, reading.lines) + await self._gone(known, reading, begin)
        await self._telling.tell_forms(
            forms, at, watermark=watermark_after(watermark, reading.lines)
        )
        await self._telling.tell_reading(reading.before, reading.after, at)

    async def _recollect(self) -> None:
        forms = await forms_on_topic(self._kafka, self.name)
        await self._store.decide(self.name, [(form, None) for form in forms], watermark=None)
        self._has_recollected = True

    async def _reading(self, since: datetime) -> _Reading:
        """Lines between two balances, again until they agree, at most as often as the rules say."""
        reading = await self._read_once(since, await self._api.balance(self._account))
        for _ in range(self._rules.balance_tries - 1):
            if reading.has_agreed:
                return reading
            reading = await self._read_once(since, reading.after)
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
            UNREADABLE.inc(unreadable)
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


async def poll_each(polls: Sequence[Poll]) -> dict[str, str]:
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
