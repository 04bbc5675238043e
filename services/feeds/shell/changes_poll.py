"""Reading an account by its changes: balance, changes since the cursor, balance; then told.

The cursor moves in the transaction that writes what it led to: a process that dies in between
reads the same changes again, and nothing is new about them.
"""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, Protocol

from services.feeds.plaid import Changes
from services.feeds.revisions import (
    Form,
    ToldBalance,
    ToldLine,
    removed,
    successors,
)
from services.feeds.shell.bank_api import BankAccountAt, ReadingBroken
from services.feeds.shell.plaid import CursorForgotten
from services.feeds.shell.store import FeedStore
from services.feeds.shell.telling import UNREADABLE, Telling, forms_on_topic
from shared.contracts.errors import Unavailable
from shared.contracts.observations import LineState
from shared.runtime import log
from shared.runtime.kafka import KafkaAddress, Publisher

WALKS_MAX: Final = 5
_EVER: Final = datetime(1970, 1, 1, tzinfo=UTC)
_log = log.get(__name__)


class ChangesApi(Protocol):
    """A bank that tells what changed since a cursor."""

    @property
    def provider(self) -> str:
        """The name under which its observations stand."""
        ...

    async def balance(self, account: BankAccountAt) -> ToldBalance:
        """What the account holds."""
        ...

    def changes(self, account: BankAccountAt, cursor: str) -> AsyncGenerator[Changes, None]:
        """What changed since a cursor, page by page."""
        ...


@dataclass(slots=True)
class _Walk:
    """What a whole walk told; ``is_from_start`` where it began without a cursor."""

    is_from_start: bool
    lines: dict[str, ToldLine] = field(default_factory=dict[str, ToldLine])
    gone: set[str] = field(default_factory=set[str])
    cursor: str = ""
    is_ready: bool = True
    unreadable: int = 0


class ChangesPoll:
    """One account at a bank that tells changes."""

    def __init__(
        self,
        *,
        api: ChangesApi,
        account: BankAccountAt,
        book: str,
        store: FeedStore,
        publisher: Publisher,
        kafka: KafkaAddress,
        balance_tries: int,
    ) -> None:
        self._api = api
        self._account = account
        self._store = store
        self._kafka = kafka
        self._balance_tries = balance_tries
        self._telling = Telling(
            account=account.name, book=book, provider=api.provider, store=store, publisher=publisher
        )

    @property
    def name(self) -> str:
        """Our name of the account."""
        return self._account.name

    async def poll(self, *, since: datetime | None = None) -> None:  # noqa: ARG002  # told below
        """Read the account once and tell what is new, however old: changes have no window.

        Raises:
            Unavailable: The bank, Kafka or Postgres cannot be had now; nothing is lost by it.
            BankRefused: The bank refuses us.
        """
        await self._telling.tell_untold()
        at = datetime.now(UTC)
        await self._store.note_asked(self.name, at)
        if not await self._store.place(self.name):
            # Without a cursor the database may be a lost one: revisions go on where they stood.
            forms = await forms_on_topic(self._kafka, self.name)
            await self._store.decide(self.name, [(form, None) for form in forms], watermark=None)
        before = after = await self._api.balance(self._account)
        for _ in range(self._balance_tries):
            before = after
            await self._read(at)
            after = await self._api.balance(self._account)
            if after.ledger == before.ledger:
                break
        await self._telling.tell_reading(before, after, at)

    async def _read(self, at: datetime) -> None:
        """Read what changed, write it down with the cursor behind it, and tell it."""
        walk = await self._walked()
        if not walk.is_ready:
            raise Unavailable(f"{self.name}: Plaid has not read the account at its bank yet")
        known = await self._known(walk)
        told = [line for line_id, line in walk.lines.items() if line_id not in walk.gone]
        gone = set(walk.gone)
        if walk.is_from_start and not walk.unreadable:
            gone |= _unmentioned(known, walk)
        forms = successors(known, told) + tuple(
            removed(known[line_id])
            for line_id in sorted(gone & known.keys())
            if known[line_id].line.state is not LineState.REMOVED
        )
        # A line that makes no sense is asked for again: the cursor waits for it.
        place = None if walk.unreadable else walk.cursor
        await self._telling.tell_forms(forms, at, watermark=None, place=place)

    async def _known(self, walk: _Walk) -> dict[str, Form]:
        since = _EVER if walk.is_from_start else datetime.max.replace(tzinfo=UTC)
        return await self._store.known(
            self.name, since=since, ids=sorted({*walk.lines, *walk.gone})
        )

    async def _walked(self) -> _Walk:
        cursor = await self._store.place(self.name)
        for _ in range(WALKS_MAX):
            try:
                return await self._walk(cursor)
            except CursorForgotten as error:
                _log.warning("reading.from_start", account=self.name, reason=str(error))
                cursor = ""
            except ReadingBroken as error:
                _log.info("reading.begun_anew", account=self.name, reason=str(error))
        raise Unavailable(f"{self.name}: the bank's pages broke off {WALKS_MAX} times")

    async def _walk(self, cursor: str) -> _Walk:
        walk = _Walk(is_from_start=not cursor, cursor=cursor)
        async with aclosing(self._api.changes(self._account, cursor)) as pages:
            async for page in pages:
                for line in page.lines:
                    walk.lines[line.id] = line
                    walk.gone.discard(line.id)
                walk.gone.update(page.removed, page.replaced)
                walk.unreadable += len(page.unreadable)
                for why in page.unreadable:
                    _log.warning("bank_line.unreadable", account=self.name, reason=why)
                walk.is_ready = page.is_ready
                walk.cursor = page.cursor
        UNREADABLE.inc(walk.unreadable)
        return walk


def _unmentioned(known: Mapping[str, Form], walk: _Walk) -> set[str]:
    """Known lines that went while nobody looked: a walk from the start has all of its days.

    How far back it tells is Plaid's choice: some weeks at first, never more than two years. What
    lies before its first day is out of sight and not gone.
    """
    first = min((line.booked_on for line in walk.lines.values()), default=None)
    return {
        line_id
        for line_id, form in known.items()
        if line_id not in walk.lines and first is not None and form.line.booked_on >= first
    }
