"""Telling: an object that the API showed becomes records on ``stripe.objects``, if it is news."""

from collections.abc import Sequence
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import Final

from prometheus_client import Counter

from services.ingest.catch_up import Fields, Speaker, Telling, news, telling
from services.ingest.long_invoices import is_cut, lines_path, told_whole
from services.ingest.mirrored import (
    has_told_contents,
    is_open,
    parent_of,
    parted,
    unshown_children,
    watched,
)
from services.ingest.shell.poll_store import PollStore
from services.ingest.shell.stripe_api import StripeApi
from shared.contracts.errors import Refused
from shared.contracts.topics import STRIPE_OBJECTS
from shared.runtime import log
from shared.runtime.kafka import Publication, Publisher

PUBLISH_SECONDS_MAX: Final = 30.0

_PUBLISHED = Counter(
    "tallystick_ingest_objects_published_total", "Objects whose content was news", ["list"]
)
_UNREADABLE = Counter(
    "tallystick_ingest_objects_unreadable_total", "Objects that cannot be published"
)
_log = log.get(__name__)


class Teller:
    """Publishes what is news of an account, and notes what must be asked for again."""

    def __init__(
        self,
        *,
        api: StripeApi,
        store: PollStore,
        publisher: Publisher,
        speaker: Speaker,
        watch_pause: timedelta,
    ) -> None:
        self._api = api
        self._store = store
        self._publisher = publisher
        self._speaker = speaker
        self._watch_pause = watch_pause

    @property
    def speaker(self) -> Speaker:
        """Whose objects are told."""
        return self._speaker

    async def tell(self, name: str, items: Sequence[Fields]) -> list[Telling]:
        """Publish what is news of these objects; gives the tellings of the objects themselves.

        The digests are remembered last, so that whatever fails is done again as a whole.
        """
        at = datetime.now(UTC)
        own: list[Telling] = []
        values: dict[str, Fields] = {}
        all_told: list[Telling] = []
        for item in items:
            for place, value in enumerate(parted(await self._whole(name, item))):
                try:
                    told = telling(value, self._speaker, told_at=at)
                except Refused as error:
                    _UNREADABLE.inc()
                    _log.warning("object.unreadable", list=name, reason=str(error))
                    continue
                all_told.append(told)
                values[told.object_id] = value
                if place == 0:
                    own.append(told)
        fresh = await self._news(all_told)
        for each in fresh:
            await self._tell_children(name, values[each.object_id])
        await self._publish(name, fresh)
        await self._note([values[each.object_id] for each in fresh], at)
        await self._store.remember(fresh, told_at=at)
        return own

    async def tell_again(self, value: Fields) -> None:
        """Publish an object that was asked for by its id, if it is news; let it go if final."""
        await self.tell("asked_again", [value])
        asked = watched(value)
        if asked is not None and not is_open(value):
            await self._store.unwatch([asked.object_id])

    async def tell_records(self, name: str, told: Sequence[Telling]) -> None:
        """Publish records of our own making, if they are news."""
        fresh = await self._news(told)
        await self._publish(name, fresh)
        await self._store.remember(fresh, told_at=datetime.now(UTC))

    async def _news(self, told: Sequence[Telling]) -> tuple[Telling, ...]:
        return news(told, await self._store.known(t.object_id for t in told))

    async def _publish(self, name: str, fresh: Sequence[Telling]) -> None:
        await self._publisher.publish_all(
            [Publication(STRIPE_OBJECTS, t.key, t.envelope) for t in fresh], PUBLISH_SECONDS_MAX
        )
        _PUBLISHED.labels(name).inc(len(fresh))

    async def _whole(self, name: str, value: Fields) -> Fields:
        """An invoice or a credit note with all of its lines; any other object is as it is.

        Of very many lines, those before the last hundreds are told.
        """
        if not is_cut(value):
            return value
        lines: list[Fields] = []
        async with aclosing(self._api.pages(lines_path(value))) as pages:
            async for page in pages:
                lines.extend(page)
        *before, last = told_whole(value, lines)
        at = datetime.now(UTC)
        await self._publish(name, [telling(each, self._speaker, told_at=at) for each in before])
        return last

    async def _tell_children(self, name: str, value: Fields) -> None:
        children = unshown_children(value)
        if children is None:
            return
        async with aclosing(self._api.pages(children.path, expand=children.expand)) as pages:
            async for page in pages:
                await self.tell(name, page)

    async def _note(self, fresh: Sequence[Fields], at: datetime) -> None:
        """Have asked again what is open and what a child has changed; forget what is final."""
        kept = [(value, asked) for value in fresh if (asked := watched(value)) is not None]
        final = [asked.object_id for value, asked in kept if not is_open(value)]
        if final:
            await self._store.unwatch(final)
        await self._store.watch(
            [asked for value, asked in kept if is_open(value)], at=at, ask_at=at + self._watch_pause
        )
        parents = {asked.object_id: asked for v in fresh if (asked := parent_of(v)) is not None}
        await self._store.watch(list(parents.values()), at=at, ask_at=at)
        payouts = [asked.object_id for value, asked in kept if has_told_contents(value)]
        if payouts:
            await self._store.note_contents(payouts, at=at)
