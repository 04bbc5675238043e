"""Feeds that were not read for too long: told on ``feeds.audits``, and taken back when they are."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from prometheus_client import Gauge

from services.feeds.shell.file_store import FileStore
from services.feeds.shell.store import FeedStore, LastRead
from services.feeds.staleness import FeedState, report
from services.feeds.statements.accounts import StatementAccount
from shared.contracts.audit_messages import audit_message
from shared.contracts.audits import AuditReport
from shared.contracts.books import BookMap
from shared.contracts.errors import Unavailable
from shared.contracts.topics import FEEDS_AUDITS
from shared.runtime import log
from shared.runtime.kafka import Publication, Publisher

PUBLISH_SECONDS_MAX: Final = 30.0
_STALE = Gauge("tallystick_feeds_stale_now", "Accounts that were not read for too long")
_log = log.get(__name__)


class Staleness:
    """Says of each account, once and at each change, whether its feed is stale."""

    def __init__(
        self,
        *,
        store: FeedStore,
        files: FileStore,
        publisher: Publisher,
        books: BookMap,
        stale_after: timedelta,
    ) -> None:
        self._store = store
        self._files = files
        self._publisher = publisher
        self._books = books
        self._stale_after = stale_after
        # Of this process: a new one says of each how it stands, whatever an old one has said.
        self._told: dict[str, bool] = {}

    async def tell(
        self, polled: Mapping[str, str], files: Sequence[StatementAccount], *, elsewhere: str = ""
    ) -> dict[str, str]:
        """Tell what has changed; gives what stood in the way of that.

        ``polled`` has what stands in the way of each account, empty where nothing does.
        ``elsewhere``, if it is said, stands in the way of accounts that nobody has named and that
        were asked for earlier.
        """
        at = datetime.now(UTC)
        try:
            if elsewhere:
                earlier = [n for n in await self._store.accounts_asked() if self._book(n)]
                polled = dict.fromkeys(earlier, elsewhere) | dict(polled)
            states = [*await self._polled(polled, at), *await self._by_files(files)]
            changed = [s for s in states if self._told.get(s.account) != s.is_stale(at)]
            await self._publisher.publish_all(
                [_publication(report(state, at=at)) for state in changed], PUBLISH_SECONDS_MAX
            )
        except Unavailable as error:
            return {"audits": str(error)}
        for state in changed:
            is_stale = state.is_stale(at)
            if is_stale or self._told.get(state.account):
                said = _log.error if is_stale else _log.info
                name = "feed.stale" if is_stale else "feed.fresh"
                said(name, account=state.account, since=state.since.isoformat(), why=state.reason)
            self._told[state.account] = is_stale
        _STALE.set(sum(state.is_stale(at) for state in states))
        return {}

    async def _polled(self, polled: Mapping[str, str], at: datetime) -> list[FeedState]:
        reads = await self._store.last_reads(polled)
        for name in sorted(polled.keys() - reads.keys()):
            # A bank that never let us in is asked for its account from now on.
            await self._store.note_asked(name, at)
            reads[name] = LastRead(at, None)
        return [
            FeedState(
                account=name,
                book=self._book(name),
                since=reads[name].read_at or reads[name].first_asked_at,
                stale_after=self._stale_after,
                reason=reason,
            )
            for name, reason in sorted(polled.items())
        ]

    async def _by_files(self, accounts: Sequence[StatementAccount]) -> list[FeedState]:
        found: list[FeedState] = []
        for account in accounts:
            if account.stale_after_days is None:
                continue
            read_at = await self._files.last_read(account.name)
            if read_at is None:
                # Nobody has said since when there should be files.
                continue
            found.append(
                FeedState(
                    account=account.name,
                    book=self._book(account.name),
                    since=read_at,
                    stale_after=timedelta(days=account.stale_after_days),
                    reason="no statement file came",
                )
            )
        return found

    def _book(self, account: str) -> str:
        book = self._books.of_bank(account)
        return "" if book is None else book.name


def _publication(told: AuditReport) -> Publication:
    envelope = audit_message(told, source=f"bank/{told.account}")
    return Publication(FEEDS_AUDITS, told.id.encode(), envelope)
