"""The parts of the gap audit put together from the settings: for the poller, and for one look."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from services.ingest.catch_up import DAY_SECONDS
from services.ingest.config import IngestSettings
from services.ingest.endpoints import Endpoint
from services.ingest.gaps import type_sets, types_of
from services.ingest.polled import PolledAccount, speaker_for
from services.ingest.shell.audit_reports import AuditReports
from services.ingest.shell.event_index import EventIndex
from services.ingest.shell.gap_audit import GapAuditor
from services.ingest.shell.gap_lists import EventList, TransactionList
from services.ingest.shell.gap_store import GapStore
from services.ingest.shell.gap_watch import Audited, Expectations, GapWatch, nothing_expected
from services.ingest.shell.poll_store import PollStore
from services.ingest.shell.stripe_api import API_VERSION, StripeApi
from services.ingest.shell.teller import Teller
from services.ingest.shell.transaction_index import TransactionIndex
from shared.contracts.books import BookMap
from shared.runtime.kafka import Publisher
from shared.runtime.postgres import Database
from shared.runtime.settings import SettingsInvalid


@dataclass(frozen=True, slots=True, kw_only=True)
class Auditing:
    """What the audit of one key needs; an empty account means the key's own."""

    settings: IngestSettings
    books: BookMap
    polled: PolledAccount
    database: Database
    publisher: Publisher
    api: StripeApi
    events: EventIndex
    transactions: TransactionIndex
    beat: Callable[[], None]

    def auditor(self) -> GapAuditor:
        """The look at the own account's events, from where it stopped."""
        settings = self.settings
        return GapAuditor(
            store=self._poll_store(""),
            gaps=self._store(""),
            lists=self.event_lists("", types_of(settings.ingest_event_types)),
            lookback_seconds=settings.ingest_poll_lookback_days * DAY_SECONDS,
            grace=timedelta(seconds=settings.ingest_event_grace_seconds),
            beat=self.beat,
        )

    def watch(
        self,
        connected: Callable[[], Sequence[str]],
        expectations: Expectations = nothing_expected,
    ) -> GapWatch:
        """Whole audits of the own and the connected accounts, and the watch over the way in."""
        settings, whose = self.settings, self.polled.whose
        types = types_of(settings.ingest_event_types)
        return GapWatch(
            api=self.api,
            store=self._store(""),
            reports=AuditReports(
                settings.kafka, self.publisher, book=str(whose.book), account=whose.account
            ),
            lists=lambda: self.lists(("", *connected()), types),
            ours=self._endpoints,
            account=whose.account,
            book=str(whose.book),
            public_url=settings.ingest_public_url,
            window_days=settings.ingest_audit_window_days,
            grace=timedelta(seconds=settings.ingest_event_grace_seconds),
            interval=timedelta(seconds=settings.ingest_audit_interval_seconds),
            beat=self.beat,
            expectations=expectations,
        )

    def lists(self, accounts: Sequence[str], types: tuple[str, ...]) -> list[Audited]:
        """Every list of these accounts: events first, then the money."""
        found: list[Audited] = []
        for account in accounts:
            store = self._store(account)
            found.extend(Audited(each, store) for each in self.event_lists(account, types))
            found.append(Audited(self.transaction_list(account), store))
        return found

    def event_lists(self, account: str, types: tuple[str, ...]) -> list[EventList]:
        """The event list of an account, once for each set of types."""
        is_own = account in ("", self.polled.whose.account)
        return [
            EventList(
                api=self._api(account),
                publisher=self.publisher,
                index=self.events,
                store=self._store(account),
                whose=self.polled.whose,
                books=self.books,
                types=types_set,
                connected="" if is_own else account,
            )
            for types_set in type_sets(types)
        ]

    def transaction_list(self, account: str) -> TransactionList:
        """The balance transactions of an account."""
        teller = Teller(
            api=self._api(account),
            store=self._poll_store(account),
            publisher=self.publisher,
            speaker=speaker_for(account, self.polled, self.books, version=API_VERSION),
            watch_pause=timedelta(seconds=self.settings.ingest_watch_seconds),
        )
        return TransactionList(
            api=self._api(account),
            teller=teller,
            index=self.transactions,
            store=self._store(account),
        )

    def _name(self, account: str) -> str:
        return account or self.polled.whose.account

    def _store(self, account: str) -> GapStore:
        return GapStore(self.database, account=self._name(account), mode=self.polled.mode)

    def _poll_store(self, account: str) -> PollStore:
        return PollStore(self.database, account=self._name(account), mode=self.polled.mode)

    def _api(self, account: str) -> StripeApi:
        is_own = account in ("", self.polled.whose.account)
        return self.api if is_own else self.api.behalf(account=account)

    def _endpoints(self) -> list[Endpoint]:
        """Our endpoints that this key's account and mode are about, as they are by now."""
        try:
            every = self.settings.endpoints(self.books).values()
        except SettingsInvalid:
            # The poller may run without the door's secrets: then it knows no endpoint.
            return []
        whose = self.polled.whose
        return [
            e
            for e in every
            if e.mode in (None, self.polled.mode) and e.account in ("", whose.account)
        ]
