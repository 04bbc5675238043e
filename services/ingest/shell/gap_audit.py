"""Stripe's event list held against the log: what was never delivered is fetched.

What came is known from the index of the topic, which it brings up to date first.
"""

from collections.abc import Callable, Mapping
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from types import MappingProxyType

from prometheus_client import Counter, Gauge

from services.ingest.admission import Admitted, fetched
from services.ingest.catch_up import (
    Awaited,
    Fields,
    ListedEvent,
    Window,
    audit,
    audited_to,
    listed_event,
    start_of,
)
from services.ingest.endpoints import Whose
from services.ingest.shell.event_index import EventIndex
from services.ingest.shell.poll_store import PollStore
from services.ingest.shell.stripe_api import StripeApi
from services.ingest.shell.stripe_poll import PUBLISH_SECONDS_MAX, Listing
from shared.contracts.books import BookMap
from shared.contracts.topics import STRIPE_EVENTS
from shared.runtime import log
from shared.runtime.kafka import Publication, Publisher

_FETCHED = Counter("ingest_events_fetched_total", "Events whose webhook never came")
_REFUSED = Counter("ingest_events_refused_total", "Listed events that cannot be published")
_AWAITED = Gauge("ingest_events_awaited", "Events listed at Stripe and not yet here")
_log = log.get(__name__)


class GapAuditor:
    """Looks for events that Stripe lists and the topic lacks."""

    def __init__(
        self,
        *,
        api: StripeApi,
        store: PollStore,
        publisher: Publisher,
        index: EventIndex,
        whose: Whose,
        books: BookMap,
        listing: Listing,
        lookback_seconds: int,
        grace: timedelta,
        beat: Callable[[], None],
    ) -> None:
        self._api = api
        self._store = store
        self._publisher = publisher
        self._index = index
        self._whose = whose
        self._books = books
        self._listing = listing
        self._lookback_seconds = lookback_seconds
        self._grace = grace
        self._beat = beat
        self._awaited: Mapping[str, Awaited] = MappingProxyType({})

    async def look(self) -> None:
        """Read the topic to its end, then the list; fetch what has been lacking for long enough."""
        await self._index.catch_up()
        name = self._listing.name
        cursor = await self._store.cursor(name)
        newest, still = cursor, dict[str, Awaited]()
        try:
            since = start_of(
                cursor=cursor,
                now=int(datetime.now(UTC).timestamp()),
                overlap=self._listing.overlap_seconds,
                lookback=self._lookback_seconds,
            )
            async with aclosing(self._api.pages(self._listing.path, Window(since))) as pages:
                async for page in pages:
                    self._beat()
                    listed = _events(page)
                    newest = _newest(newest, listed)
                    still.update(await self._held_against_log(listed))
        except BaseException:
            # A pass cut short forgets nothing, else the grace would begin anew each time.
            self._awaited = MappingProxyType({**self._awaited, **still})
            raise
        self._awaited = MappingProxyType(still)
        _AWAITED.set(len(still))
        reached = audited_to(cursor, newest, still.values())
        if reached is not None and reached != cursor:
            await self._store.move_cursor(name, reached)

    async def _held_against_log(self, listed: list[ListedEvent]) -> Mapping[str, Awaited]:
        found = audit(
            listed,
            arrived=await self._index.arrived_of(e.id for e in listed),
            awaited=self._awaited,
            now=datetime.now(UTC),
            grace=self._grace,
        )
        if found.due:
            await self._fetch(found.due)
        return found.awaited

    async def _fetch(self, due: tuple[ListedEvent, ...]) -> None:
        at = datetime.now(UTC)
        publications: list[Publication] = []
        for event in due:
            told = fetched(event.body, self._whose, self._books, received_at=at)
            if isinstance(told, Admitted):
                publications.append(Publication(STRIPE_EVENTS, told.key, told.envelope))
                _log.info("event.fetched", event_id=told.event_id, type=told.event_type)
            else:
                _REFUSED.inc()
                _log.warning("event.refused", event_id=event.id, reason=told.detail)
        await self._publisher.publish_all(publications, PUBLISH_SECONDS_MAX)
        _FETCHED.inc(len(publications))


def _events(page: tuple[Fields, ...]) -> list[ListedEvent]:
    listed = [listed_event(item) for item in page]
    if None in listed:
        _REFUSED.inc(listed.count(None))
        _log.warning("event.unreadable", events=listed.count(None))
    return [event for event in listed if event is not None]


def _newest(newest: int | None, listed: list[ListedEvent]) -> int | None:
    times = [event.created for event in listed]
    return max([*times, *([] if newest is None else [newest])], default=None)
