"""Stripe's event list held against the log: what was never delivered is fetched.

What came is known from the index of the topic, which it brings up to date first.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import Final

from services.ingest.catch_up import Fields, Window, start_of
from services.ingest.gaps import Item, Missing, after_fetching, audited_to, held_against, item_of
from services.ingest.shell.gap_lists import AuditedList
from services.ingest.shell.gap_store import GapStore
from services.ingest.shell.poll_store import PollStore
from shared.runtime import log

EVENT_OVERLAP_SECONDS: Final = 600
_log = log.get(__name__)


class GapAuditor:
    """Looks, from where it stopped, for events that Stripe lists and the topic lacks."""

    def __init__(
        self,
        *,
        store: PollStore,
        gaps: GapStore,
        lists: Sequence[AuditedList],
        lookback_seconds: int,
        grace: timedelta,
        beat: Callable[[], None],
    ) -> None:
        self._store = store
        self._gaps = gaps
        self._lists = lists
        self._lookback_seconds = lookback_seconds
        self._grace = grace
        self._beat = beat

    async def look(self) -> None:
        """Read the topic to its end, then the lists; fetch what has been lacking long enough.

        Raises:
            ApiRefused: Stripe refuses the key or the question.
            Unavailable: Stripe, Kafka or Postgres is away; it goes on from the same place.
        """
        for audited in self._lists:
            await audited.catch_up()
            await self._look(audited)

    async def _look(self, audited: AuditedList) -> None:
        name = audited.resource
        cursor = await self._store.cursor(name)
        known = await self._gaps.missing(name)
        newest = cursor
        since = start_of(
            cursor=cursor,
            now=int(datetime.now(UTC).timestamp()),
            overlap=EVENT_OVERLAP_SECONDS,
            lookback=self._lookback_seconds,
        )
        pages = audited.api.pages(
            audited.path, Window(since), expand=audited.expand, where=audited.where
        )
        async with aclosing(pages):
            async for page in pages:
                self._beat()
                items = _items(page)
                newest = max([*(i.created for i in items), newest or 0])
                # Written down page by page: a pass cut short forgets nothing, else the grace
                # would begin anew each time.
                known = await self._held_against_log(audited, items, known)
        held = await audited.held(known)
        left = {item_id: m for item_id, m in known.items() if item_id not in held}
        await self._gaps.note(name, before=known, after=left)
        reached = audited_to(cursor, newest, left.values())
        if reached is not None and reached != cursor:
            await self._store.move_cursor(name, reached)

    async def _held_against_log(
        self, audited: AuditedList, items: Sequence[Item], known: Mapping[str, Missing]
    ) -> dict[str, Missing]:
        """What lacks after a page: waiting, refused, or no longer."""
        due, after = held_against(
            items,
            await audited.held(item.id for item in items),
            known,
            now=datetime.now(UTC),
            grace=self._grace,
        )
        if due:
            after = after_fetching(after, due, await audited.fetch(due))
        await self._gaps.note(audited.resource, before=known, after=after)
        return after


def _items(page: Sequence[Fields]) -> list[Item]:
    items = [item for value in page if (item := item_of(value)) is not None]
    if len(items) < len(page):
        _log.warning("event.unreadable", events=len(page) - len(items))
    return items
