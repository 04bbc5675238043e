"""The mirror: what Stripe's API tells and no event does, to ``stripe.objects``."""

from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Final

from prometheus_client import Counter

from services.ingest.catch_up import (
    DAY_SECONDS,
    Fields,
    Speaker,
    Telling,
    Window,
    cuts,
    furthest,
    news,
    start_of,
    telling,
    with_source,
)
from services.ingest.shell.poll_store import PollStore
from services.ingest.shell.stripe_api import StripeApi
from shared.contracts.errors import Refused
from shared.contracts.topics import STRIPE_OBJECTS
from shared.runtime import log
from shared.runtime.kafka import Publication, Publisher

PUBLISH_SECONDS_MAX: Final = 30.0
WINDOW_SECONDS: Final = 30 * DAY_SECONDS

_PUBLISHED = Counter("ingest_objects_published_total", "Objects whose content was news", ["list"])
_UNREADABLE = Counter("ingest_objects_unreadable_total", "Objects that cannot be published")
_log = log.get(__name__)


@dataclass(frozen=True, slots=True)
class Listing:
    """A list of Stripe's API, and how much of it is read again each time."""

    name: str
    path: str
    overlap_seconds: int
    expand: tuple[str, ...] = ()


def listings(*, overlap_seconds: int, payout_overlap_seconds: int) -> tuple[Listing, ...]:
    """What is mirrored, in this order: money first, then where it goes."""
    return (
        Listing(
            "balance_transactions",
            "/v1/balance_transactions",
            overlap_seconds,
            ("data.source",),
        ),
        Listing("payouts", "/v1/payouts", payout_overlap_seconds),
        Listing("topups", "/v1/topups", payout_overlap_seconds),
    )


class Mirror:
    """Publishes each object whose content changed, and then moves the cursor."""

    def __init__(
        self,
        *,
        api: StripeApi,
        store: PollStore,
        publisher: Publisher,
        speaker: Speaker,
        lists: Sequence[Listing],
        lookback_seconds: int,
        beat: Callable[[], None],
    ) -> None:
        self._api = api
        self._store = store
        self._publisher = publisher
        self._speaker = speaker
        self._lists = lists
        self._lookback_seconds = lookback_seconds
        self._beat = beat

    async def poll(self) -> None:
        """Read every list once, and last the balance, so that it stands behind its movements."""
        for listing in self._lists:
            await self._read(listing)
        await self._publish("balance", [await self._api.one("/v1/balance")])

    async def _read(self, listing: Listing) -> None:
        cursor = await self._store.cursor(listing.name)
        now = int(datetime.now(UTC).timestamp())
        start = partial(
            start_of, now=now, overlap=listing.overlap_seconds, lookback=self._lookback_seconds
        )
        for until in cuts(since=start(cursor=cursor), now=now, span=WINDOW_SECONDS):
            window = Window(start(cursor=cursor), until)
            reached = cursor
            async with aclosing(
                self._api.pages(listing.path, window, expand=listing.expand)
            ) as pages:
                async for page in pages:
                    self._beat()
                    reached = furthest(reached, await self._publish(listing.name, page))
            # Pages come newest first: only the whole window is a step.
            if reached is not None and reached != cursor:
                await self._store.move_cursor(listing.name, reached)
                cursor = reached

    async def _publish(self, name: str, items: Sequence[Fields]) -> list[Telling]:
        """Publish what is news of a page and its sources; gives the tellings of its own items."""
        at = datetime.now(UTC)
        own: list[Telling] = []
        all_told: list[Telling] = []
        for item in items:
            for place, value in enumerate(with_source(item)):
                try:
                    told = telling(value, self._speaker, told_at=at)
                except Refused as error:
                    _UNREADABLE.inc()
                    _log.warning("object.unreadable", list=name, reason=str(error))
                    continue
                all_told.append(told)
                if place == 0:
                    own.append(told)
        fresh = news(all_told, await self._store.known(t.object_id for t in all_told))
        await self._publisher.publish_all(
            [Publication(STRIPE_OBJECTS, t.key, t.envelope) for t in fresh], PUBLISH_SECONDS_MAX
        )
        await self._store.remember(fresh, told_at=at)
        _PUBLISHED.labels(name).inc(len(fresh))
        return own
