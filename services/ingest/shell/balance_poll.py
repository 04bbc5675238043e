"""Reading Stripe's balance around its list of movements, and telling what both showed."""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from msgspec import structs
from prometheus_client import Counter

from services.ingest.balance_reading import (
    IDS_OF_A_SECOND_MAX,
    TELLINGS,
    Newest,
    reading,
    totals,
)
from services.ingest.catch_up import Fields, Telling, json_bytes
from services.ingest.shell.poll_store import PollStore
from services.ingest.shell.stripe_api import StripeApi
from services.ingest.shell.teller import Teller
from shared.contracts.topics import STRIPE_OBJECTS
from shared.runtime import log
from shared.runtime.kafka import Partition

TRIES: Final = 3
_PATH: Final = "/v1/balance"

_MOVED = Counter(
    "tallystick_ingest_balances_moved_total",
    "Readings of Stripe's balance that prove nothing, for it moved while its movements were read",
)
_log = log.get(__name__)

Ends = Callable[[], Awaitable[Mapping[Partition, int]]]


class BalancePoll:
    """One account's balance; ``ends`` says how far the log has come.

    Without ``ends`` the balance is told and no reading: nobody holds books against it.
    """

    def __init__(
        self, *, api: StripeApi, store: PollStore, teller: Teller, ends: Ends | None
    ) -> None:
        self._api = api
        self._store = store
        self._teller = teller
        self._ends = ends

    async def around(self, movements: Callable[[], Awaitable[Newest | None]]) -> None:
        """Read and tell the movements, and behind them the balance.

        Again, a few times, until the balance stands still meanwhile; one that never does is told
        and proves nothing. The movements are ``None`` where the list told nothing at all though it
        had before.

        Raises:
            ApiRefused: Stripe refuses the key, or this list to it.
            Unavailable: Stripe, Kafka or Postgres is away.
        """
        after = await self._api.one(_PATH)
        newest: Newest | None = None
        has_agreed = False
        for _ in range(TRIES):
            before = after
            newest = await movements()
            after = await self._api.one(_PATH)
            has_agreed = totals(before) == totals(after)
            if has_agreed:
                break
        await self.tell(after)
        if not has_agreed:
            _MOVED.inc()
        elif newest is not None and len(newest.ids) <= IDS_OF_A_SECOND_MAX:
            await self._tell_reading(after, newest)

    async def tell(self, balance: Fields | None = None) -> None:
        """Tell the balance, as it was read or as it is now."""
        shown = await self._api.one(_PATH) if balance is None else balance
        await self._teller.tell("balance", [shown])

    async def _tell_reading(self, balance: Fields, newest: Newest) -> None:
        if self._ends is None or self._teller.speaker.is_foreign:
            return
        at = datetime.now(UTC)
        for number in range(1, TELLINGS + 1):
            told = reading(number, balance, newest, self._teller.speaker, told_at=at)
            known = await self._store.known([told.object_id])
            if known.get(told.object_id) != told.digest:
                # Asked for after the movements were acknowledged: they are all before it.
                await self._teller.tell_records(
                    "balance_reading", [_with_ends(told, await self._ends(), at)]
                )
                return


def _with_ends(told: Telling, ends: Mapping[Partition, int], at: datetime) -> Telling:
    """The record with how far each partition of the objects had come when it was told."""
    value = json.loads(told.envelope.data) | {
        "ends": {str(p.partition): end for p, end in sorted(ends.items()) if _is_ours(p)},
        "read_at": at.isoformat().replace("+00:00", "Z"),
    }
    name = f"{told.envelope.id}:{int(at.timestamp())}"
    return replace(told, envelope=structs.replace(told.envelope, id=name, data=json_bytes(value)))


def _is_ours(place: Partition) -> bool:
    return place.topic == STRIPE_OBJECTS
