"""Reading as a member of a group, from positions that are kept elsewhere.

The group only shares out the partitions. Where to read from is asked of ``positions`` each time
they are shared out anew, so what Kafka has as committed offset is a hint for people and tools.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from shared.contracts.errors import InvariantBroken, Unavailable
from shared.runtime.kafka import Record, record_of
from shared.runtime.kafka_client import (
    LIBRARY,
    KafkaAddress,
    KafkaFault,
    Partition,
    address_of,
    started,
)

Positions = Callable[[frozenset[Partition]], Awaitable[Mapping[Partition, int]]]
SESSION_SECONDS: Final = 10
MANY: Final = 100
COMPANY_MILLISECONDS: Final = 60_000
HINT_SECONDS: Final = 1.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class BatchBounds:
    """How much one batch may hold, and how long an empty one is waited for."""

    records_max: int = 2_000
    bytes_max: int = 16 * 1024 * 1024
    wait_seconds: float = 0.2
    gather_seconds: float = 0.02


@dataclass(frozen=True, slots=True)
class Batch:
    """Records, in order within each partition, and how they move the positions: (from, to).

    Whoever does not take a batch in calls ``seek_anew``, else its records are passed over.
    """

    records: tuple[Record, ...]
    moves: Mapping[Partition, tuple[int, int]]


class GroupReader:
    """Records of the partitions that the group gives us, from our own positions.

    Not for several tasks at once. With an ``instance``, a name of its own that stays, a process
    that comes back after a crash has its partitions at once.
    """

    def __init__(
        self,
        where: KafkaAddress | str,
        *,
        group: str,
        topics: Iterable[str],
        positions: Positions,
        bounds: BatchBounds | None = None,
        client_id: str = "tallystick",
        instance: str = "",
    ) -> None:
        self._address = address_of(where)
        self._group = group
        self._topics = sorted(topics)
        self._positions = positions
        self._bounds = bounds or BatchBounds()
        self._client_id = client_id
        self._instance = instance
        self._client: Any = None  # Any: aiokafka has no types
        self._next: dict[Partition, int] = {}
        self._gaps: dict[Partition, int] = {}
        self._shared_out = False
        self._hints: dict[Partition, int] = {}
        self._hinting: asyncio.Task[None] | None = None

    @property
    def partitions(self) -> frozenset[Partition]:
        """The partitions that are read now."""
        return frozenset(self._next)

    async def start(self) -> None:
        """Join the group.

        Raises:
            Unavailable: No broker answers.
        """
        self._client = await started(
            LIBRARY.AIOKafkaConsumer(
                group_id=self._group,
                group_instance_id=self._instance or None,
                client_id=self._client_id,
                enable_auto_commit=False,
                # Never decides anything: each partition is sought before it is read.
                auto_offset_reset="earliest",
                session_timeout_ms=SESSION_SECONDS * 1000,
                heartbeat_interval_ms=SESSION_SECONDS * 300,
                fetch_max_bytes=self._bounds.bytes_max,
                max_partition_fetch_bytes=max(1, self._bounds.bytes_max // 8),
                fetch_max_wait_ms=100,
                **self._address.options(),
            )
        )
        self._client.subscribe(self._topics, listener=_listener(self._reshared))

    async def stop(self) -> None:
        """Leave the group, so that others take over at once."""
        if self._hinting is not None:
            self._hinting.cancel()
            await asyncio.wait({self._hinting})
        client, self._client = self._client, None
        self._next = {}
        if client is not None:
            try:
                await client.stop()
            except (KafkaFault, OSError) as error:
                _log.info("left the group unheard: %s", error)

    async def next_batch(self, free: asyncio.Event | None = None) -> Batch:
        """The next records; an empty batch when none came in time.

        Until whoever asks is ``free`` of the batch before, a few records are not given out: work on
        them could not begin, and more may come.

        Raises:
            Unavailable: Kafka or the positions cannot be had now.
            InvariantBroken: The log ends before our position, or went back.
        """
        try:
            if self._shared_out:
                await self.seek_anew()
            return await self._gathered(free)
        except BaseException as error:
            # What had been taken from the client is lost with the error, so it is read again.
            self._reshared()
            if isinstance(error, KafkaFault | OSError):
                raise Unavailable(f"Kafka: {type(error).__name__}: {error}") from error
            raise

    async def seek_anew(self) -> None:
        """Read on from the positions as they are kept now; after a fence, or a new share.

        Raises:
            Unavailable: Kafka or the positions cannot be had now.
            InvariantBroken: A position lies outside its partition's log.
        """
        self._shared_out, self._next = False, {}
        try:
            sought = await self._sought()
        except BaseException:
            self._shared_out = True
            raise
        # The group may have shared out anew meanwhile; then the next batch seeks again.
        if not self._shared_out:
            self._next = sought

    async def _sought(self) -> dict[Partition, int]:
        raw = list(self._client.assignment())
        if not raw:
            return {}
        at = await self._positions(frozenset(Partition(*p) for p in raw))
        first: Mapping[Any, int] = await self._client.beginning_offsets(raw)  # Any: no types
        end: Mapping[Any, int] = await self._client.end_offsets(raw)  # Any: as above
        sought: dict[Partition, int] = {}
        for partition in raw:
            ours = Partition(*partition)
            here = at[ours]
            if here < first[partition]:
                raise InvariantBroken(_gap(ours, here, first[partition]))
            if here > end[partition]:
                raise InvariantBroken(
                    f"position {here} of {ours} lies outside its log, "
                    f"{first[partition]} to {end[partition]}: the topic was cut or made anew"
                )
            self._client.seek(partition, here)
            sought[ours] = here
        return sought

    def seek_later(self) -> None:
        """Pass over what is in hand and seek before the next batch; for when a batch failed."""
        self._reshared()

    def hint(self, positions: Mapping[Partition, int]) -> None:
        """Tell Kafka how far we are, for lag displays: soon, and nobody waits for it."""
        self._hints |= positions
        if self._hinting is None or self._hinting.done():
            self._hinting = asyncio.create_task(self._tell_hints())

    async def _tell_hints(self) -> None:
        """Tell what was hinted, at most once a second; failing is of no consequence."""
        while self._hints:
            hints, self._hints = self._hints, {}
            mine = {LIBRARY.TopicPartition(*p): n for p, n in hints.items() if p in self._next}
            try:
                if mine:
                    await self._client.commit(mine)
            except (KafkaFault, OSError) as error:
                _log.debug("offsets not committed: %s", error)
            await asyncio.sleep(HINT_SECONDS)  # a display needs no more

    async def _gathered(self, free: asyncio.Event | None) -> Batch:
        """What is there; under load a little longer, since larger batches cost less a record.

        A few records are not kept waiting for more, unless nobody waits for them yet.
        """
        bounds, before = self._bounds, dict(self._next)
        records: list[Record] = []
        size, wait = 0, bounds.wait_seconds
        began = 0.0
        while len(records) < bounds.records_max and size < bounds.bytes_max:
            is_few = 0 < len(records) < MANY
            found = await self._found(
                wait, bounds.records_max - len(records), until=free if is_few else None
            )
            if self._shared_out:
                return Batch((), {})
            fresh = [r for p, raws in found.items() for r in self._in_order(Partition(*p), raws)]
            await self._check_gaps()
            if not fresh:
                break
            records.extend(fresh)
            size += sum(record.size_bytes for record in fresh)
            now = time.monotonic()
            began = began or now
            if len(records) >= MANY:
                wait = bounds.gather_seconds - (now - began)
                if wait <= 0:
                    break
            elif free is None or free.is_set():
                break
        moves = {p: (before[p], n) for p, n in self._next.items() if n != before[p]}
        return Batch(tuple(records), moves)

    async def _found(
        self, wait: float, records_max: int, *, until: asyncio.Event | None
    ) -> Mapping[Any, Iterable[Any]]:  # Any: aiokafka has no types
        """What comes within a time or, if that is told, until an event; what had come is given."""
        if until is None:
            asked = self._client.getmany(
                timeout_ms=max(1, int(wait * 1000)), max_records=records_max
            )
            found: Mapping[Any, Iterable[Any]] = await asked  # Any: as above
            return found
        coming = asyncio.ensure_future(
            self._client.getmany(timeout_ms=COMPANY_MILLISECONDS, max_records=records_max)
        )
        over = asyncio.ensure_future(until.wait())
        try:
            await asyncio.wait({coming, over}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            over.cancel()
            # The client keeps what it has until it gives that out, and it gives out at once.
            coming.cancel()
            await asyncio.wait({coming})
        return {} if coming.cancelled() else coming.result()

    def _in_order(
        self, partition: Partition, raws: Iterable[Any]
    ) -> list[Record]:  # Any: aiokafka has no types
        """The records of one partition that follow our position.

        Offsets may jump: a transaction's marker has one and is no record. They never go back,
        and what was fetched before a partition was sought is not for us.
        """
        due = self._next.get(partition)
        if due is None:
            return []
        kept: list[Record] = []
        for raw in raws:
            record = record_of(raw)
            if record.offset < due:
                raise InvariantBroken(f"{partition} went back to {record.offset}, {due} was due")
            if record.offset > due:
                self._gaps[partition] = min(due, self._gaps.get(partition, due))
            due = self._next[partition] = record.offset + 1
            kept.append(record)
        return kept

    async def _check_gaps(self) -> None:
        """Tell an offset that never was a record from records that were cut off under us."""
        if not self._gaps:
            return
        gaps, self._gaps = self._gaps, {}
        raw = [LIBRARY.TopicPartition(*partition) for partition in gaps]
        first: Mapping[Any, int] = await self._client.beginning_offsets(raw)  # Any: no types
        for partition, due in gaps.items():
            begins = first[LIBRARY.TopicPartition(*partition)]
            if begins > due:
                raise InvariantBroken(_gap(partition, due, begins))

    def _reshared(self) -> None:
        self._shared_out = True
        self._next = {}


def _gap(partition: Partition, due: int, begins: int) -> str:
    """What to say of records that are gone before they were read."""
    return (
        f"GAP {partition} {due}..{begins - 1}: these records were cut off before they were read, by"
        " retention or by hand; nothing behind them is read. Bring the log back from its copy"
    )


def _listener(reshared: Callable[[], None]) -> Any:  # Any: a class of an untyped library
    class Listener(LIBRARY.ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka has no types
        async def on_partitions_revoked(self, revoked: Any) -> None:  # noqa: ARG002  # Any: as above
            reshared()

        async def on_partitions_assigned(self, assigned: Any) -> None:  # noqa: ARG002  # Any: as above
            reshared()

    return Listener()
