"""Thin events resolved: what they name is asked for, and told on ``stripe.objects``.

    stripe.events ──index──▶ ingest.thin_events ──GET related_object.url──▶ stripe.objects

What they mean is in the object as it is now; the ledger books by the object's own ids, so that the
snapshot event of the same change, when it comes as well, is a repeat.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import Final

from prometheus_client import Counter, Gauge

from services.ingest.polled import Connected, PolledAccount
from services.ingest.shell.event_index import EventIndex
from services.ingest.shell.stripe_api import ApiRefused, StripeApi
from services.ingest.shell.teller import Teller
from services.ingest.shell.thin_store import DueEvent, ThinStore
from services.ingest.thin import NotResolvable, next_try, notification, runs
from shared.contracts.topics import STRIPE_EVENTS
from shared.runtime import log
from shared.runtime.kafka import KafkaAddress, Partition, scan

RESOLVED: Final = "resolved"
UNRESOLVED: Final = "unresolved"
EVENTS_MAX: Final = 100
# Offsets this near to one another are read in one go, with what stands between them.
GAP_MAX: Final = 500
_WRONG_KEY: Final = 401

_RESOLVED = Counter(
    "tallystick_ingest_thin_events_resolved_total", "Thin events whose object was told"
)
_FAILED = Counter(
    "tallystick_ingest_thin_events_failed_total", "Tries to resolve a thin event that failed"
)
_OPEN = Gauge("tallystick_ingest_thin_events_open", "Thin events that are still to be resolved")
_UNRESOLVED = Gauge("tallystick_ingest_thin_events_unresolved", "Thin events that were given up")
_log = log.get(__name__)


class ThinResolver:
    """Resolves the thin events of one polled account, within the rate of its key.

    Args:
        api: By the account's key.
        teller: Gives who tells for an account that an event names.
        index: The index of ``stripe.events``, which it brings up to date.
        store: What became of each event.
        polled: The account.
        everyone: All polled accounts: what is another one's is left to its key.
    """

    def __init__(
        self,
        *,
        api: StripeApi,
        teller: Callable[[str], Teller],
        kafka: KafkaAddress,
        index: EventIndex,
        store: ThinStore,
        polled: PolledAccount,
        everyone: Sequence[PolledAccount],
        pause: timedelta,
        give_up_after: timedelta,
        beat: Callable[[], None],
    ) -> None:
        self._api = api
        self._teller = teller
        self._kafka = kafka
        self._index = index
        self._store = store
        self._polled = polled
        self._connected: list[Connected] = [each.connected for each in everyone]
        self._others = [e.whose.account for e in everyone if e.whose != polled.whose]
        self._pause = pause
        self._give_up_after = give_up_after
        self._beat = beat

    async def resolve(self) -> None:
        """Resolve what is due: a bounded number each round, each try noted.

        Raises:
            ApiRefused: Stripe refuses the key.
            Unavailable: Stripe, Kafka or Postgres is away; nothing of it counts as a try.
        """
        await self._index.catch_up()
        at = datetime.now(UTC)
        await self._store.note(self._connected, at=at)
        whose = self._polled.whose
        due = await self._store.due(
            at=at,
            mode=self._polled.mode,
            account=whose.account,
            book=str(whose.book),
            others=self._others,
            count_max=EVENTS_MAX,
        )
        if due:
            bodies = await self._bodies(due)
            for event in due:
                self._beat()
                await self._settle(event, bodies.get((event.partition, event.offset)))
        await self._give_up()

    async def _settle(self, event: DueEvent, body: bytes | None) -> None:
        at = datetime.now(UTC)
        try:
            reason = await self._resolved(event, body)
        except NotResolvable as error:
            _log.warning("thin_event.unresolved", event_id=event.event_id, reason=str(error))
            await self._store.settle(event.event_id, UNRESOLVED, str(error), at=at)
        except ApiRefused as error:
            if error.status == _WRONG_KEY:
                raise
            _FAILED.inc()
            _log.info("thin_event.failed", event_id=event.event_id, reason=str(error))
            try_at = next_try(at, tries=event.tries, pause=self._pause)
            await self._store.try_again(event.event_id, str(error), try_at=try_at)
        else:
            _RESOLVED.inc()
            await self._store.settle(event.event_id, RESOLVED, reason, at=at)

    async def _resolved(self, event: DueEvent, body: bytes | None) -> str:
        """Ask for what the event names and tell it; gives what to remember of it."""
        if body is None:
            raise NotResolvable("the record is not on the topic any more")
        named = notification(body)
        if named.asked is None:
            return "it names no object"
        shown = await self._asking(event, named.context).one(
            named.asked.path, expand=named.asked.expand
        )
        await self._teller(event.account).tell("thin_events", [shown])
        return ""

    def _asking(self, event: DueEvent, context: str) -> StripeApi:
        """The API in the event's context; an own account's event has none."""
        if context:
            return self._api.behalf(context=context)
        is_own = event.account in ("", self._polled.whose.account)
        return self._api if is_own else self._api.behalf(account=event.account)

    async def _bodies(self, due: Iterable[DueEvent]) -> Mapping[tuple[int, int], bytes]:
        """The events' bytes, from the topic."""
        offsets: dict[int, list[int]] = {}
        for event in due:
            offsets.setdefault(event.partition, []).append(event.offset)
        spans = {p: list(runs(found, gap_max=GAP_MAX)) for p, found in offsets.items()}
        wanted = {(p, offset) for p, found in offsets.items() for offset in found}
        bodies: dict[tuple[int, int], bytes] = {}
        while spans:
            # One span of each partition at a time.
            now = {Partition(STRIPE_EVENTS, p): left.pop(0) for p, left in spans.items()}
            spans = {p: left for p, left in spans.items() if left}
            async with aclosing(scan(self._kafka, now)) as batches:
                async for batch in batches:
                    self._beat()
                    for record in batch:
                        place = (record.partition, record.offset)
                        if place in wanted:
                            bodies[place] = record.value
        return bodies

    async def _give_up(self) -> None:
        at = datetime.now(UTC)
        for event in await self._store.give_up(noted_before=at - self._give_up_after, at=at):
            _log.error(
                "thin_event.unresolved",
                event_id=event.event_id,
                tries=event.tries,
                reason=event.reason,
            )
        open_events, unresolved = await self._store.counts()
        _OPEN.set(open_events)
        _UNRESOLVED.set(unresolved)
