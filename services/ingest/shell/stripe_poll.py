"""The mirror: what Stripe's API tells and no event does, to ``stripe.objects``."""

from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final

from prometheus_client import Counter, Gauge

from services.ingest.balance_reading import Newest
from services.ingest.catch_up import DAY_SECONDS, Window, cuts, furthest, start_of
from services.ingest.mirrored import (
    WATCHED_FOR,
    asked_of,
    contents,
    expanded_in_list,
    next_ask,
    path_of,
)
from services.ingest.shell.balance_poll import BalancePoll, Ends
from services.ingest.shell.poll_store import PollStore, Watched
from services.ingest.shell.stripe_api import ApiRefused, StripeApi
from services.ingest.shell.teller import PUBLISH_SECONDS_MAX, Teller
from shared.runtime import log

__all__ = ["PUBLISH_SECONDS_MAX", "Listing", "Mirror", "listings"]

WINDOW_SECONDS: Final = 30 * DAY_SECONDS
MOVEMENTS: Final = "balance_transactions"
# So that a round stays short whatever has piled up: the rest has its turn in the next ones.
OPEN_ASKED_MAX: Final = 50
CONTENTS_TOLD_MAX: Final = 10
_WRONG_KEY: Final = 401
_GONE: Final = 404

_OPEN = Gauge(
    "tallystick_ingest_open_objects", "Objects asked for again until they are final", ["account"]
)
_LEFT = Counter(
    "tallystick_ingest_open_objects_left_total", "Objects that never became final, or are gone"
)
_log = log.get(__name__)


@dataclass(frozen=True, slots=True)
class Listing:
    """A list of Stripe's API, and how much of it is read again each time."""

    name: str
    path: str
    overlap_seconds: int
    expand: tuple[str, ...] = ()


def listings(*, overlap_seconds: int, payout_overlap_seconds: int) -> tuple[Listing, ...]:
    """What is mirrored, in this order: money first, then where it goes, then what tells of it.

    One list of balance transactions holds those of every balance type.
    """
    return tuple(
        Listing(f"{kind}s", path_of(kind), overlap, expanded_in_list(kind))
        for kind, overlap in (
            ("balance_transaction", overlap_seconds),
            ("payout", payout_overlap_seconds),
            ("topup", payout_overlap_seconds),
            ("refund", overlap_seconds),
            ("dispute", overlap_seconds),
            ("transfer", overlap_seconds),
            ("application_fee", overlap_seconds),
        )
    )


class Mirror:
    """Publishes each object of an account whose content changed, and then moves the cursors."""

    def __init__(
        self,
        *,
        api: StripeApi,
        store: PollStore,
        teller: Teller,
        lists: Sequence[Listing],
        lookback_seconds: int,
        watch_pause: timedelta,
        beat: Callable[[], None],
        ends: Ends | None = None,
    ) -> None:
        self._balance = BalancePoll(api=api, store=store, teller=teller, ends=ends)
        self._api = api
        self._store = store
        self._teller = teller
        self._lists = lists
        self._lookback_seconds = lookback_seconds
        self._watch_pause = watch_pause
        self._beat = beat

    async def poll(self) -> None:
        """Read every list once, and the balance behind its movements.

        Raises:
            ApiRefused: Stripe refuses the key, or one list to it; the other lists were read.
            Unavailable: Stripe, Kafka or Postgres is away.
        """
        refused: list[str] = []
        for listing in self._lists:
            try:
                if listing.name == MOVEMENTS:
                    await self._balance.around(partial(self._read, listing))
                else:
                    await self._read(listing)
            except ApiRefused as error:
                if error.status == _WRONG_KEY:
                    raise
                refused.append(str(error))
                if listing.name == MOVEMENTS:
                    await self._balance.tell()
        refused.extend(await self._ask_open())
        await self._tell_contents()
        if refused:
            raise ApiRefused("; ".join(refused))

    async def _read(self, listing: Listing) -> Newest | None:
        """Tell what is news of a list; gives the newest of what it listed.

        ``None`` where nothing was listed of a time of which something had been.
        """
        cursor = await self._store.cursor(listing.name)
        newest = Newest()
        now = int(datetime.now(UTC).timestamp())
        start = partial(
            start_of, now=now, overlap=listing.overlap_seconds, lookback=self._lookback_seconds
        )
        since = start(cursor=cursor)
        if now - since > WINDOW_SECONDS and await self._api.is_empty(listing.path, Window(since)):
            # Such a list never gets a cursor: it is not gone through in cuts each time.
            return newest if cursor is None else None
        for until in cuts(since=since, now=now, span=WINDOW_SECONDS):
            window = Window(start(cursor=cursor), until)
            reached = cursor
            async with aclosing(
                self._api.pages(listing.path, window, expand=listing.expand)
            ) as pages:
                async for page in pages:
                    self._beat()
                    told = await self._teller.tell(listing.name, page)
                    newest = newest.with_page(told)
                    reached = furthest(reached, told)
            # Pages come newest first: only the whole window is a step.
            if reached is not None and reached != cursor:
                await self._store.move_cursor(listing.name, reached)
                cursor = reached
        return newest if newest.created == cursor else None

    async def _ask_open(self) -> list[str]:
        """Ask again for what is not final: a bounded number each round, at growing pauses.

        Gives what Stripe refused; each is asked again at its next turn.
        """
        at = datetime.now(UTC)
        refused: list[str] = []
        for watched in await self._store.due(at=at, count_max=OPEN_ASKED_MAX):
            self._beat()
            if at - watched.since >= WATCHED_FOR:
                await self._leave(watched, "it did not become final in time")
                continue
            asked = asked_of(watched.path)
            try:
                await self._teller.tell_again(await self._api.one(asked.path, expand=asked.expand))
            except ApiRefused as error:
                if error.status == _GONE:
                    await self._leave(watched, str(error))
                    continue
                refused.append(str(error))
            ask_at = next_ask(at, asks=watched.asks + 1, pause=self._watch_pause)
            await self._store.asked(watched.object_id, ask_at=ask_at)
        _OPEN.labels(self._teller.speaker.account).set(await self._store.open_count())
        return refused

    async def _leave(self, watched: Watched, reason: str) -> None:
        _LEFT.inc()
        _log.warning("object.left_open", object_id=watched.object_id, reason=reason)
        await self._store.unwatch([watched.object_id])

    async def _tell_contents(self) -> None:
        """Tell once of each automatic payout which balance transactions it pays out."""
        for payout in await self._store.untold_contents(count_max=CONTENTS_TOLD_MAX):
            movements: list[str] = []
            async with aclosing(
                self._api.pages(
                    path_of("balance_transaction"),
                    expand=expanded_in_list("balance_transaction"),
                    where={"payout": payout},
                )
            ) as pages:
                async for page in pages:
                    self._beat()
                    told = await self._teller.tell("payout_contents", page)
                    movements.extend(t.object_id for t in told)
            at = datetime.now(UTC)
            speaker = self._teller.speaker
            await self._teller.tell_records(
                "payout_contents", list(contents(payout, movements, speaker, told_at=at))
            )
            await self._store.told_contents(payout, at=at)
