"""A walk through a list of Stripe's, page by page, holding each page against the log.

Stripe's list, newest first ──page──▶ on the log? ──no──▶ fetched, or said why it cannot be
│
└──▶ where the walk stands, in Postgres: it goes on from there
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import aclosing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

from prometheus_client import Counter

from services.ingest.catch_up import Fields, Window
from services.ingest.gaps import (
    MISSING_SHOWN_MAX,
    Looked,
    Missing,
    Tally,
    after_fetching,
    held_against,
    item_of,
)
from services.ingest.shell.gap_lists import AuditedList
from services.ingest.shell.gap_store import GapStore, Walk
from services.ingest.shell.stripe_api import ApiRefused
from shared.runtime import log

_GONE: Final = (400, 404)

_LOOKED_FOR = Counter(
    "tallystick_ingest_audit_found_total", "Items of lists that were audited", ["list"]
)
_LACKED = Counter("tallystick_ingest_audit_lacking_total", "Of those, not on the log", ["list"])
_UNREADABLE = Counter("tallystick_ingest_audit_unreadable_total", "Items of lists that are none")
_log = log.get(__name__)


class GapWalk:
    """Walks one list; ``is_fetching`` off, it only looks.

    What lacks is fetched once it is known to lack for ``grace``: it may still come by itself.
    """

    def __init__(
        self,
        audited: AuditedList,
        store: GapStore,
        *,
        is_fetching: bool,
        beat: Callable[[], None],
        grace: timedelta = timedelta(0),
    ) -> None:
        self._list = audited
        self._store = store
        self._is_fetching = is_fetching
        self._beat = beat
        self._grace = grace
        self.pages = 0

    @property
    def resource(self) -> str:
        """The name of the list."""
        return self._list.resource

    async def whole(self, since: int, until: int) -> Looked:
        """The whole of a window in one go, from its end to its beginning.

        Raises:
            ApiRefused: Stripe refuses the key or the question.
            Unavailable: Stripe, Kafka or Postgres is away.
        """
        await self._list.catch_up()
        missing: dict[str, Missing] = {}
        tally = Tally()
        pages = self._list.api.pages(
            self._list.path,
            Window(since, until),
            expand=self._list.expand,
            where=self._list.where,
        )
        async with aclosing(pages):
            async for page in pages:
                self._beat()
                told, lacking = await self._page(page, is_kept=False)
                tally = tally.plus(told)
                missing |= {m.id: m for m in lacking}
        return await self._closed(Walk(since, until, "", tally), missing.values())

    async def step(self, since: int, until: int, *, pages_max: int) -> Looked | None:
        """Go on where the last step stopped, or begin; the report once the walk is at its end.

        The window is that of the beginning. What is fetched is acknowledged before the walk is
        remembered as further, so a step that is cut short is only done again.

        Raises:
            ApiRefused: Stripe refuses the key or the question.
            Unavailable: Stripe, Kafka or Postgres is away.
        """
        await self._list.catch_up()
        walk = await self._store.walk(self.resource) or Walk(since, until)
        try:
            return await self._on(walk, pages_max)
        except ApiRefused as error:
            if walk.after_id and error.status in _GONE:
                # The item that it stood at is gone from the list: begin anew.
                await self._store.end_walk(self.resource)
                _log.warning("audit.begun_anew", list=self.resource, reason=str(error))
            raise

    async def _on(self, walk: Walk, pages_max: int) -> Looked | None:
        where = {**self._list.where, **({"starting_after": walk.after_id} if walk.after_id else {})}
        pages = self._list.api.pages(
            self._list.path, Window(walk.since, walk.until), expand=self._list.expand, where=where
        )
        self.pages = 0
        async with aclosing(pages):
            async for page in pages:
                self._beat()
                told, _ = await self._page(page, is_kept=True)
                after_id = str(page[-1].get("id") or walk.after_id)
                walk = replace(walk, after_id=after_id, tally=walk.tally.plus(told))
                await self._store.keep_walk(self.resource, walk)
                self.pages += 1
                if self.pages >= pages_max:
                    return None
        looked = await self._closed(walk, (await self._store.missing(self.resource)).values())
        await self._store.end_walk(self.resource)
        return looked

    async def _closed(self, walk: Walk, missing: Iterable[Missing]) -> Looked:
        shown = sorted(missing, key=lambda m: (m.created, m.id))
        looked = Looked(
            account=self._list.account,
            resource=self.resource,
            since=walk.since,
            until=walk.until,
            tally=walk.tally,
            missing=tuple(shown[:MISSING_SHOWN_MAX]),
        )
        # What was fetched counts as on the log, in this step or in one before it.
        await self._list.catch_up()
        window = (walk.since, walk.until)
        return looked.closed(
            on_the_log=await self._list.count(*window),
            expected=await self._list.count_listable(*window),
        )

    async def _page(self, page: Sequence[Fields], *, is_kept: bool) -> tuple[Tally, list[Missing]]:
        """Hold a page against the log; ``is_kept`` where what lacks is remembered."""
        items = {item.id: item for value in page if (item := item_of(value)) is not None}
        if len(items) < len(page):
            _UNREADABLE.inc(len(page) - len(items))
            _log.warning("audit.unreadable", list=self.resource, items=len(page) - len(items))
        before = await self._store.missing_of(self.resource, items) if is_kept else {}
        # What was refused before is tried once more.
        known = {item_id: replace(m, reason="") for item_id, m in before.items()}
        held = await self._list.held(items)
        due, after = held_against(
            items.values(), held, known, now=datetime.now(UTC), grace=self._grace
        )
        lacking = len(after)
        if self._is_fetching and due:
            after = after_fetching(after, due, await self._list.fetch(due))
        if is_kept:
            await self._store.note(self.resource, before=before, after=after)
        name = self.resource.partition("/")[0]
        _LOOKED_FOR.labels(name).inc(len(items))
        _LACKED.labels(name).inc(lacking)
        tally = Tally(
            found=len(items),
            already_had=len(items) - lacking,
            fetched=lacking - len(after),
            still_lacking=len(after),
        )
        return tally, list(after.values())
