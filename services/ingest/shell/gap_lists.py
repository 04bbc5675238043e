"""The lists that an audit walks: what of them is on the log, and how what lacks is fetched."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Final, Protocol

from prometheus_client import Counter

from services.ingest.admission import Admitted, fetched
from services.ingest.catch_up import Fields, json_bytes
from services.ingest.endpoints import Whose
from services.ingest.gaps import BALANCE_TRANSACTIONS, Item, reach, resource_of
from services.ingest.mirrored import expanded_in_list, path_of
from services.ingest.shell.event_index import EventIndex
from services.ingest.shell.gap_store import GapStore
from services.ingest.shell.stripe_api import StripeApi
from services.ingest.shell.teller import PUBLISH_SECONDS_MAX, Teller
from services.ingest.shell.transaction_index import TransactionIndex
from shared.contracts.books import BookMap
from shared.contracts.topics import STRIPE_EVENTS
from shared.runtime import log
from shared.runtime.kafka import Publication, Publisher

_FETCHED = Counter("tallystick_ingest_events_fetched_total", "Events whose webhook never came")
_REFUSED = Counter(
    "tallystick_ingest_events_refused_total", "Listed events that cannot be published"
)
_UNTOLD: Final = "it is not what a balance transaction should be"
_log = log.get(__name__)


class AuditedList(Protocol):
    """One list of one account, and the log's side of it."""

    @property
    def resource(self) -> str:
        """The name under which it is remembered."""
        ...

    @property
    def account(self) -> str:
        """Whose list it is."""
        ...

    @property
    def path(self) -> str:
        """Where Stripe's API has it."""
        ...

    @property
    def api(self) -> StripeApi:
        """Who is asked."""
        ...

    @property
    def where(self) -> Mapping[str, object]:
        """What is asked of it beside its window."""
        ...

    @property
    def expand(self) -> tuple[str, ...]:
        """What is told whole within each item."""
        ...

    async def catch_up(self) -> None:
        """Know all that is on the log by now."""
        ...

    async def held(self, ids: Iterable[str]) -> frozenset[str]:
        """Which of these ids are on the log."""
        ...

    async def count(self, since: int, until: int) -> int:
        """How many of a window are on the log."""
        ...

    async def count_listable(self, since: int, until: int) -> int:
        """How many of those Stripe should list still."""
        ...

    async def fetch(self, items: Sequence[Item]) -> Mapping[str, str]:
        """Publish these; the reasons of those that cannot be, by id."""
        ...


class EventList:
    """Stripe's event list, of all types or of a set of them."""

    def __init__(
        self,
        *,
        api: StripeApi,
        publisher: Publisher,
        index: EventIndex,
        store: GapStore,
        whose: Whose,
        books: BookMap,
        types: tuple[str, ...] = (),
        connected: str = "",
    ) -> None:
        self.api: Final = api
        self.account: Final = connected or whose.account
        self.path: Final = "/v1/events"
        self.expand: Final[tuple[str, ...]] = ()
        self.resource: Final = resource_of(types)
        self.where: Final[Mapping[str, object]] = {"types": list(types)} if types else {}
        self._publisher = publisher
        self._index = index
        self._store = store
        self._whose = whose
        self._books = books
        self._types = types
        self._connected = connected

    async def catch_up(self) -> None:
        """Read the topic to its end."""
        await self._index.catch_up()

    async def held(self, ids: Iterable[str]) -> frozenset[str]:
        """Which of these events are on the topic."""
        return await self._index.arrived_of(ids)

    async def count(self, since: int, until: int) -> int:
        """How many events of a window are on the topic."""
        return await self._store.count_events(since, until, self._types)

    async def count_listable(self, since: int, until: int) -> int:
        """How many of those Stripe should list still; a day of doubt is left out."""
        begin = reach(since, now=int(datetime.now(UTC).timestamp()), margin_days=1)
        return await self.count(begin, until) if begin < until else 0

    async def fetch(self, items: Sequence[Item]) -> Mapping[str, str]:
        """Publish events as a webhook's, marked as fetched; refusals are told by id."""
        at = datetime.now(UTC)
        publications: list[Publication] = []
        refused: dict[str, str] = {}
        for item in items:
            told = _admitted(self._as_sent(item.value), self._whose, self._books, at)
            if isinstance(told, Admitted):
                publications.append(Publication(STRIPE_EVENTS, told.key, told.envelope))
                _log.info("event.fetched", event_id=told.event_id, type=told.event_type)
            else:
                refused[item.id] = told
                _REFUSED.inc()
                _log.warning("event.refused", event_id=item.id, reason=told)
        await self._publisher.publish_all(publications, PUBLISH_SECONDS_MAX)
        _FETCHED.inc(len(publications))
        return refused

    def _as_sent(self, value: Fields) -> Fields:
        """An event as a webhook has it: asked on its behalf, a connected account is not named."""
        return {**value, "account": self._connected} if self._connected else value


def _admitted(value: Fields, whose: Whose, books: BookMap, at: datetime) -> Admitted | str:
    try:
        body = json_bytes(value)
    except ValueError:
        return "it has a number that JSON does not know"
    told = fetched(body, whose, books, received_at=at)
    return told if isinstance(told, Admitted) else told.detail


class TransactionList:
    """The balance transactions of an account, told with their sources as the mirror tells them."""

    def __init__(
        self, *, api: StripeApi, teller: Teller, index: TransactionIndex, store: GapStore
    ) -> None:
        self.api: Final = api
        self.resource: Final = BALANCE_TRANSACTIONS
        self.where: Final[Mapping[str, object]] = MappingProxyType({})
        self.path: Final = path_of("balance_transaction")
        self.expand: Final = expanded_in_list("balance_transaction")
        self.account: Final = teller.speaker.account
        self._teller = teller
        self._mode = teller.speaker.mode
        self._index = index
        self._store = store

    async def catch_up(self) -> None:
        """Read the topic to its end."""
        await self._index.catch_up()

    async def held(self, ids: Iterable[str]) -> frozenset[str]:
        """Which of these are on the topic."""
        return await self._index.held(ids, account=self.account, mode=self._mode)

    async def count(self, since: int, until: int) -> int:
        """How many of a window are on the topic."""
        return await self._index.count(since, until, account=self.account, mode=self._mode)

    async def count_listable(self, since: int, until: int) -> int:
        """All of them: Stripe lists balance transactions for ever."""
        return await self.count(since, until)

    async def fetch(self, items: Sequence[Item]) -> Mapping[str, str]:
        """Publish balance transactions with their sources; refusals are told by id."""
        # The log lacks them, whatever the mirror remembers having told.
        await self._store.untell(item.id for item in items)
        told = await self._teller.tell(self.resource, [item.value for item in items])
        named = {each.object_id for each in told}
        return {item.id: _UNTOLD for item in items if item.id not in named}
