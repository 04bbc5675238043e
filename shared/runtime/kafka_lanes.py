"""Records on their way to the broker: a lane a partition, in which one batch travels at a time.

What is published while a batch travels gathers in the next, so the batches grow with the load and
a lone record waits for nobody. The library's ``send`` costs a lookup, a lock and a future of its
own for every record; filling its batches ourselves costs a third of that, and the door lives on it.
Who adds a record gets a future of its own (``add``), or posts it and hears of it together with the
others of its batch (``post``), which costs a list entry in place of a future and a wake-up.

    broker answers ──▶ each lane hands on its next batch ──▶ they travel ──▶ who waits is told

Telling comes last: it is work, and the broker would have none meanwhile.
"""

import asyncio
import copy
import random
from collections import deque
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from shared.contracts.errors import Refused, Unavailable
from shared.contracts.topics import RECORD_BYTES_MAX
from shared.runtime import log
from shared.runtime.kafka_client import ERRORS, KafkaFault, Partition
from shared.runtime.murmur import murmur2

IN_FLIGHT_BYTES_MAX: Final = 64 * 1024 * 1024
_SIZED_FROM: Final = RECORD_BYTES_MAX // 2
# After so many turns of the loop what the lanes handed on has left: in the first of them the
# library's sender takes it, in the second it goes to the socket.
_TURNS_TO_LEAVE: Final = 2
# Posted at a stretch, while nothing else runs.
_POSTED_AT_ONCE: Final = 100
_log = log.get(__name__)

RecordHeaders = list[tuple[str, bytes]]
# A record without its topic: key, value and headers.
Row = tuple[bytes | None, bytes, RecordHeaders]
# Hears what became of those of a batch: the parcels that were given with them, and what failed.
Told = Callable[[list[Any], Exception | None], None]  # Any: whatever stands for a record


@dataclass(slots=True)
class _Batch:
    builder: Any  # Any: aiokafka has no types
    waiting: list[asyncio.Future[Partition]] = field(default_factory=list)
    posted: dict[Told, list[Any]] = field(default_factory=dict)  # Any: as for ``Told``
    records: int = 0
    size_bytes: int = 0


@dataclass(slots=True)
class _Lane:
    partition: Partition
    batches: deque[_Batch] = field(default_factory=deque)
    is_running: bool = False


class RecordTooLarge(Refused):
    """A record past what the topics take; the same bytes fail the same way."""

    reason = "too_large"


@asynccontextmanager
async def within(timeout_seconds: float) -> AsyncGenerator[None]:
    """A deadline around what the library does, and its faults in our words."""
    try:
        async with asyncio.timeout(timeout_seconds):
            yield
    except TimeoutError as error:
        raise Unavailable(f"Kafka did not acknowledge in {timeout_seconds:g} s") from error
    except ERRORS.MessageSizeTooLargeError as error:
        raise RecordTooLarge(str(error)) from error
    except (KafkaFault, OSError) as error:
        raise Unavailable(f"Kafka: {type(error).__name__}: {error}") from error


class Lanes:
    """The lanes of one producer of the library; a failed producer takes its lanes with it.

    Not more than ``records_max`` records and ``IN_FLIGHT_BYTES_MAX`` bytes are on their way;
    whoever adds beyond that waits.
    """

    def __init__(
        self,
        client: Any,  # Any: aiokafka has no types
        *,
        linger_seconds: float,
        records_max: int,
    ) -> None:
        self.client = client
        self._linger_seconds = linger_seconds
        self._records_max = records_max
        # By topic, one for each partition. For good: a topic whose number of partitions is another
        # is refused at the start.
        self._lanes: dict[str, list[_Lane]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        # Batches whose end is known, and what failed; who waits for them is not told yet.
        self._ended: list[tuple[_Batch, Partition, Exception | None]] = []
        self._records = 0
        self._bytes = 0
        self._room = asyncio.Event()
        self._room.set()

    async def add(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        headers: RecordHeaders,
        partition: int | None = None,
    ) -> asyncio.Future[Partition]:
        """Take a record; the future is done once all in-sync replicas have it.

        Those of one partition keep the order in which they were added.

        Raises:
            MessageSizeTooLargeError: No topic takes a record of this size.
            KafkaError: The broker does not tell the topic's partitions.
        """
        await self._learn(topic)
        # Whoever asked first may have taken all the room while the partitions were asked for.
        while (future := self.add_now(topic, key, value, headers, partition)) is None:
            await self._room.wait()
        return future

    def add_now(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        headers: RecordHeaders,
        partition: int | None = None,
    ) -> asyncio.Future[Partition] | None:
        """The same without waiting; ``None`` where there is something to wait for.

        Raises:
            MessageSizeTooLargeError: As for ``add``.
        """
        batch = self._batch_with(topic, key, value, headers, partition)
        if batch is None:
            return None
        future: asyncio.Future[Partition] = asyncio.get_running_loop().create_future()
        batch.waiting.append(future)
        return future

    def post(
        self,
        topic: str,
        row: Row,
        parcel: Any,  # Any: as for ``Told``
        told: Told,
        partition: int | None = None,
    ) -> bool:
        """Take a row without waiting; ``told`` hears of its parcel once its batch is settled.

        ``False`` where there is something to wait for: nothing was taken then. ``told`` is never
        called before this returns, and exactly once for each parcel.

        Raises:
            MessageSizeTooLargeError: As for ``add``.
        """
        key, value, headers = row
        batch = self._batch_with(topic, key, value, headers, partition)
        if batch is None:
            return False
        parcels = batch.posted.get(told)
        if parcels is None:
            batch.posted[told] = [parcel]
        else:
            parcels.append(parcel)
        return True

    async def post_all(self, topic: str, rows: Sequence[Row]) -> None:
        """Take rows in this order and wait until all in-sync replicas have all of them.

        Raises:
            KafkaError: Of one at least it is not known that it was kept.
            MessageSizeTooLargeError: As for ``add``; those before it may be sent.
        """
        await self._learn(topic)
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        left = len(rows)

        def told(parcels: list[Any], error: Exception | None) -> None:  # Any: as for ``Told``
            nonlocal left
            left -= len(parcels)
            if done.done():
                return
            if error is not None:
                done.set_exception(copy.copy(error))
                # Asked for at once: the rows behind it may not be taken yet, or never.
                done.exception()
            elif not left:
                done.set_result(None)

        # Rows that go out together often have one key between them.
        places: dict[bytes | None, int | None] = {None: None}
        for number, row in enumerate(rows, 1):
            if number % _POSTED_AT_ONCE == 0:
                await asyncio.sleep(0)  # lets others go first
            key = row[0]
            if key is not None and key not in places:
                places[key] = self._place(topic, key)
            while not self.post(topic, row, None, told, places[key]):
                await self._room.wait()
        if rows:
            await done

    async def drain(self) -> None:
        """Wait until every lane is empty and whoever waits is told."""
        while self._tasks:
            await asyncio.wait(self._tasks)
        self._tell()

    async def abandon(self) -> None:
        """Leave what is still on its way; whoever waits for it is told."""
        for task in self._tasks:
            task.cancel()
        await self.drain()
        # A lane whose task was ended before its first step.
        for lanes in self._lanes.values():
            for lane in lanes:
                self._leave(lane)
        self._tell()

    async def _learn(self, topic: str) -> None:
        if topic in self._lanes:
            return
        found = await self.client.partitions_for(topic)
        if not found:
            raise ERRORS.UnknownTopicOrPartitionError(f"{topic} has no partitions")
        # Who asked at the same time may be sending already.
        if topic not in self._lanes:
            self._lanes[topic] = [_Lane(Partition(topic, number)) for number in sorted(found)]

    def _place(self, topic: str, key: bytes) -> int:
        return (murmur2(key) & 0x7FFFFFFF) % len(self._lanes[topic])

    def _batch_with(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        headers: RecordHeaders,
        partition: int | None,
    ) -> _Batch | None:
        """The batch that a record now stands in; ``None`` where there is something to wait for."""
        lanes = self._lanes.get(topic)
        if lanes is None or not self._room.is_set():
            return None
        if value is not None and len(value) > _SIZED_FROM:
            _check_size(key, value, headers)
        if partition is None:
            partition = (
                random.randrange(len(lanes))  # noqa: S311 - spreads load, hides nothing
                if key is None
                else self._place(topic, key)
            )
        elif not 0 <= partition < len(lanes):
            raise ERRORS.UnknownTopicOrPartitionError(f"{topic} has no partition {partition}")
        lane = lanes[partition]
        batch = lane.batches[-1] if lane.batches else None
        if (
            batch is None
            or batch.builder.append(timestamp=None, key=key, value=value, headers=headers) is None
        ):
            # A builder takes its first record whatever the size.
            batch = _Batch(self.client.create_batch())
            batch.builder.append(timestamp=None, key=key, value=value, headers=headers)
            lane.batches.append(batch)
        size = len(value) if value is not None else 0
        batch.records += 1
        batch.size_bytes += size
        self._records += 1
        self._bytes += size
        if self._records >= self._records_max or self._bytes >= IN_FLIGHT_BYTES_MAX:
            self._room.clear()
        if not lane.is_running:
            lane.is_running = True
            task = asyncio.create_task(self._run(lane))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return batch

    async def _run(self, lane: _Lane) -> None:
        """Send batch after batch until the lane is empty."""
        try:
            # Only an idle lane lingers: a busy one has gathered while the last batch travelled.
            await asyncio.sleep(self._linger_seconds)  # lets a batch gather
            while lane.batches:
                batch = lane.batches.popleft()
                self._end(batch, lane.partition, await self._sent(lane.partition, batch))
        except asyncio.CancelledError:
            self._leave(lane)
            raise
        finally:
            lane.is_running = False

    def _leave(self, lane: _Lane) -> None:
        """Tell those whose batches will not be sent."""
        lane.is_running = False
        while lane.batches:
            self._end(lane.batches.popleft(), lane.partition, ERRORS.ProducerClosed())

    async def _sent(self, where: Partition, batch: _Batch) -> Exception | None:
        """What failed, once the broker has answered."""
        batch.builder.close()
        try:
            sent = await self.client.send_batch(
                batch.builder, where.topic, partition=where.partition
            )
            await sent
        except asyncio.CancelledError:
            self._end(batch, where, ERRORS.ProducerClosed())
            raise
        except (KafkaFault, OSError) as error:
            failed: Exception = error
        except Exception as error:  # noqa: BLE001  # whatever it is, someone waits, and room is held
            failed = KafkaFault(f"{type(error).__name__}: {error}")
        else:
            return None
        return failed

    def _end(self, batch: _Batch, where: Partition, error: Exception | None) -> None:
        self._ended.append((batch, where, error))
        if len(self._ended) == 1:
            self._tell_in(_TURNS_TO_LEAVE)

    def _tell_in(self, turns: int) -> None:
        if turns:
            asyncio.get_running_loop().call_soon(self._tell_in, turns - 1)
        else:
            self._tell()

    def _tell(self) -> None:
        """Tell whoever waits for batches that ended; of all that were kept at once."""
        ended, self._ended = self._ended, []
        kept: dict[Told, list[Any]] = {}  # Any: as for ``Told``
        for batch, where, error in ended:
            self._records -= batch.records
            self._bytes -= batch.size_bytes
            for future in batch.waiting:
                if future.done():
                    continue
                if error is None:
                    future.set_result(where)
                else:
                    # Its own copy, or each who waits would lengthen the others' traceback; asked
                    # for at once, so that one nobody waits for any more is not warned about.
                    future.set_exception(copy.copy(error))
                    future.exception()
            for told, parcels in batch.posted.items():
                if error is not None:
                    _call(told, parcels, error)
                elif told in kept:
                    kept[told] += parcels
                else:
                    kept[told] = parcels
        if self._records < self._records_max and self._bytes < IN_FLIGHT_BYTES_MAX:
            self._room.set()
        for told, parcels in kept.items():
            _call(told, parcels, None)


def _call(told: Told, parcels: list[Any], error: Exception | None) -> None:  # Any: as for ``Told``
    try:
        told(parcels, error)
    except Exception:  # noqa: BLE001  # whatever it is, others wait behind
        _log.exception("batch.told_badly", records=len(parcels))


def _check_size(key: bytes | None, value: bytes, headers: RecordHeaders) -> None:
    size = len(value) + len(key or b"") + sum(len(name) + len(text) for name, text in headers)
    if size + len(headers) * 8 + 128 > RECORD_BYTES_MAX:
        raise ERRORS.MessageSizeTooLargeError(
            f"a record of {size} bytes is more than the {RECORD_BYTES_MAX} that a topic takes"
        )
