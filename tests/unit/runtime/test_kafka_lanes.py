"""Records gather in lanes: none is forgotten, none overtakes another, and room is given back."""

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any, Final

import pytest
from aiokafka.errors import KafkaConnectionError, KafkaError, ProducerClosed
from aiokafka.partitioner import (
    murmur2 as of_the_library,  # pyright: ignore[reportUnknownVariableType]  # it has no types
)
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.runtime.kafka_lanes import IN_FLIGHT_BYTES_MAX, Lanes, Row
from shared.runtime.murmur import murmur2

TOPIC: Final = "stripe.events"
PARTITIONS: Final = 3
MEGABYTE: Final = 1024 * 1024


class Batch:
    """A batch as the library makes them: it takes so many records and then no more."""

    def __init__(self, records_max: int) -> None:
        self.records: list[bytes] = []
        self._records_max = records_max
        self._is_closed = False

    def append(
        self, *, timestamp: None, key: bytes | None, value: bytes | None, headers: object
    ) -> object | None:
        del timestamp, key, headers
        if self._is_closed or len(self.records) >= self._records_max:
            return None
        self.records.append(value or b"")
        return object()

    def close(self) -> None:
        self._is_closed = True


class Client:
    """A producer that does with the Nth batch what it is told to: keep it, fail, or be silent."""

    def __init__(
        self, fate: Callable[[int], BaseException | str | None], *, batch_records: int = 4
    ) -> None:
        self.kept: dict[int, list[bytes]] = {}
        self.silent = asyncio.Event()
        self.metadata = asyncio.Event()
        self.metadata.set()
        self._fate = fate
        self._batch_records = batch_records
        self._sent = 0

    async def partitions_for(self, topic: str) -> set[int]:
        del topic
        await self.metadata.wait()
        await asyncio.sleep(0)  # one turn of the loop
        return set(range(PARTITIONS))

    def create_batch(self) -> Batch:
        return Batch(self._batch_records)

    async def send_batch(
        self, batch: Batch, topic: str, *, partition: int
    ) -> asyncio.Future[object]:
        del topic
        number, self._sent = self._sent, self._sent + 1
        fate = self._fate(number)
        await asyncio.sleep(0)  # one turn of the loop
        if fate == "refused":
            raise KafkaConnectionError("away")
        if fate == "odd":
            raise AssertionError("the library is confused")
        sent: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        if fate == "silent":
            self.silent.set()
            return sent
        if isinstance(fate, BaseException):
            sent.set_exception(fate)
        else:
            self.kept.setdefault(partition, []).extend(batch.records)
            sent.set_result(object())
        return sent


def lanes_over(client: Client, *, records_max: int = 100) -> Lanes:
    return Lanes(client, linger_seconds=0, records_max=records_max)


async def add(lanes: Lanes, value: bytes, partition: int | None = None) -> "asyncio.Future[Any]":
    # Any: the place that it was kept at
    return await lanes.add(TOPIC, b"key", value, [], partition)


async def know(lanes: Lanes) -> None:
    """Learn the topic's partitions, without a record."""
    await lanes.post_all(TOPIC, [])


async def room_is_all_there(lanes: Lanes, records: int) -> bool:
    """Whether as many records find room as when nothing was ever sent."""
    taken = [lanes.add_now(TOPIC, None, b"x", [], 0) for _ in range(records)]
    return all(future is not None for future in taken)


@given(st.binary(max_size=100))
def test_key_is_hashed_as_kafkas_own_clients_hash_it(key: bytes) -> None:
    assert murmur2(key) == of_the_library(key)


async def test_ten_thousand_records_added_at_once_are_each_kept_once_and_in_order() -> None:
    client = Client(lambda _: None, batch_records=100)
    lanes = lanes_over(client, records_max=500)
    numbers = [(number, number % PARTITIONS) for number in range(10_000)]

    async def publish(number: int, partition: int) -> None:
        place = await (await add(lanes, b"%d" % number, partition))
        assert place.partition == partition

    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        for number, partition in numbers:
            group.create_task(publish(number, partition))
    for partition in range(PARTITIONS):
        kept = [int(value) for value in client.kept[partition]]
        assert kept == [number for number, its in numbers if its == partition]
    assert await room_is_all_there(lanes, 500)
    await lanes.drain()


async def test_crowd_that_came_before_the_partitions_were_known_waits_for_room() -> None:
    client = Client(lambda _: None)
    client.metadata.clear()
    lanes = lanes_over(client, records_max=10)
    adding = [asyncio.create_task(add(lanes, b"%d" % number, 0)) for number in range(50)]
    await asyncio.sleep(0)  # one turn of the loop
    client.metadata.set()
    async with asyncio.timeout(5):
        for sent in await asyncio.gather(*adding):
            await sent
    assert [int(value) for value in client.kept[0]] == list(range(50))


async def test_bytes_on_their_way_are_bounded_and_given_back() -> None:
    client = Client(lambda _: None)
    lanes = lanes_over(client, records_max=10_000)
    large = b"x" * MEGABYTE
    adding = [asyncio.create_task(add(lanes, large, n % PARTITIONS)) for n in range(200)]
    await asyncio.sleep(0)  # one turn of the loop
    async with asyncio.timeout(20):
        for sent in await asyncio.gather(*adding):
            await sent
    assert sum(len(kept) for kept in client.kept.values()) == 200
    assert await room_is_all_there(lanes, 100)
    assert len(adding) * MEGABYTE > IN_FLIGHT_BYTES_MAX
    await lanes.drain()


async def test_batch_that_fails_in_a_way_nobody_foresaw_tells_who_waits_and_gives_room_back() -> (
    None
):
    client = Client(lambda number: "odd" if number == 0 else None)
    lanes = lanes_over(client, records_max=4)
    # The first batch is full; the second is behind it in the same lane.
    sent = [await add(lanes, b"%d" % number, 0) for number in range(4)]
    async with asyncio.timeout(5):
        told = await asyncio.gather(*sent, return_exceptions=True)
        assert all(isinstance(each, KafkaError) for each in told)
        await (await add(lanes, b"after", 0))
    assert client.kept[0] == [b"after"]
    assert await room_is_all_there(lanes, 4)
    await lanes.drain()


async def test_lanes_abandoned_before_their_first_turn_tell_who_waits() -> None:
    client = Client(lambda _: None)
    lanes = lanes_over(client)
    await (await add(lanes, b"known now", 0))
    await lanes.drain()
    sent = lanes.add_now(TOPIC, b"key", b"lost", [], 1)
    assert sent is not None
    await lanes.abandon()
    assert isinstance(sent.exception(), ProducerClosed)
    assert await room_is_all_there(lanes, 100)
    await lanes.drain()


async def test_lanes_abandoned_while_the_broker_is_silent_tell_who_waits() -> None:
    client = Client(lambda _: "silent", batch_records=2)
    lanes = lanes_over(client)
    sent = [await add(lanes, b"%d" % number, 0) for number in range(10)]
    await client.silent.wait()
    await lanes.abandon()
    assert {type(each.exception()) for each in sent} == {ProducerClosed}
    assert await room_is_all_there(lanes, 100)
    await lanes.abandon()


async def test_record_that_its_caller_gave_up_is_still_sent_and_gives_its_room_back() -> None:
    client = Client(lambda _: None)
    lanes = lanes_over(client, records_max=4)
    sent = [await add(lanes, b"%d" % number, 0) for number in range(4)]
    sent[1].cancel()
    sent[2].set_exception(TimeoutError())
    sent[2].exception()
    await lanes.drain()
    assert [int(value) for value in client.kept[0]] == [0, 1, 2, 3]
    assert sent[0].result() == sent[3].result()
    assert await room_is_all_there(lanes, 4)
    await lanes.drain()


FATES: Final = ("kept", "refused", "odd", "failed")


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.sampled_from(FATES), min_size=1, max_size=12),
    st.lists(st.tuples(st.integers(0, PARTITIONS - 1), st.booleans()), min_size=1, max_size=80),
    st.integers(1, 20),
)
def test_whatever_becomes_of_batches_each_caller_is_told_and_all_room_comes_back(
    fates: list[str], records: list[tuple[int, bool]], records_max: int
) -> None:
    def fate(number: int) -> BaseException | str | None:
        told = fates[number % len(fates)]
        return KafkaConnectionError("later") if told == "failed" else told

    async def story() -> None:
        client = Client(fate, batch_records=3)
        lanes = lanes_over(client, records_max=records_max)
        outcomes: Counter[str] = Counter()

        async def publish(number: int, partition: int, *, is_impatient: bool) -> None:
            sent = await add(lanes, b"%d" % number, partition)
            if is_impatient:
                sent.cancel()
            try:
                await sent
            except KafkaError:
                outcomes["refused"] += 1
            except asyncio.CancelledError:
                outcomes["left"] += 1
            else:
                outcomes["kept"] += 1
                assert b"%d" % number in client.kept[partition]

        async with asyncio.timeout(10):
            await asyncio.gather(
                *(publish(n, where, is_impatient=left) for n, (where, left) in enumerate(records))
            )
            await lanes.drain()
        assert outcomes.total() == len(records)
        for kept in client.kept.values():
            numbers = [int(value) for value in kept]
            assert numbers == sorted(set(numbers))
        assert await room_is_all_there(lanes, records_max)
        await lanes.abandon()

    asyncio.run(story())


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.sampled_from(FATES), min_size=1, max_size=12),
    st.integers(1, 80),
    st.integers(1, 20),
)
def test_whatever_becomes_of_batches_each_parcel_is_told_of_once_and_all_room_comes_back(
    fates: list[str], records: int, records_max: int
) -> None:
    def fate(number: int) -> BaseException | str | None:
        told = fates[number % len(fates)]
        return KafkaConnectionError("later") if told == "failed" else told

    async def story() -> None:
        client = Client(fate, batch_records=3)
        lanes = lanes_over(client, records_max=records_max)
        outcomes: dict[int, Exception | None] = {}

        def told(parcels: list[int], error: Exception | None) -> None:
            assert not outcomes.keys() & set(parcels)
            outcomes.update(dict.fromkeys(parcels, error))

        await know(lanes)
        async with asyncio.timeout(10):
            for number in range(records):
                row: Row = (b"%d" % number, b"%d" % number, [])
                while not lanes.post(TOPIC, row, number, told):  # noqa: ASYNC110 - no event tells
                    await asyncio.sleep(0)  # one turn of the loop
                assert number not in outcomes
            await lanes.drain()
        assert outcomes.keys() == set(range(records))
        kept = {value for values in client.kept.values() for value in values}
        for number, error in outcomes.items():
            assert error is None or isinstance(error, KafkaError)
            assert (error is None) <= (b"%d" % number in kept)
        assert await room_is_all_there(lanes, records_max)
        await lanes.abandon()

    asyncio.run(story())


async def test_who_hears_of_a_batch_and_fails_keeps_nobody_behind_it_waiting() -> None:
    lanes = lanes_over(Client(lambda _: None))
    await know(lanes)

    def told(parcels: list[object], error: Exception | None) -> None:
        raise AssertionError(parcels, error)

    assert lanes.post(TOPIC, (b"key", b"x", []), object(), told)
    waiting = await add(lanes, b"y")
    async with asyncio.timeout(5):
        await waiting
        await lanes.drain()
    assert await room_is_all_there(lanes, 100)
    await lanes.drain()


async def test_next_batch_is_handed_on_before_anybody_is_told_of_the_last() -> None:
    happened: list[str] = []

    def fate(number: int) -> str | None:
        happened.append(f"batch {number} handed on")
        return "silent" if number else None

    def told(parcels: list[int], error: Exception | None) -> None:
        happened.append(f"told of {parcels}: {type(error).__name__}")

    client = Client(fate, batch_records=2)
    lanes = lanes_over(client)
    await know(lanes)
    for number in range(4):
        assert lanes.post(TOPIC, (b"key", b"x", []), number, told, 0)
    async with asyncio.timeout(5):
        await client.silent.wait()
        await lanes.abandon()
    assert happened == [
        "batch 0 handed on",
        "batch 1 handed on",
        "told of [0, 1]: NoneType",
        "told of [2, 3]: ProducerClosed",
    ]


async def test_rows_posted_at_once_are_kept_in_order_past_any_bound() -> None:
    client = Client(lambda _: None)
    lanes = lanes_over(client, records_max=10)
    async with asyncio.timeout(10):
        await lanes.post_all(TOPIC, [])
        await lanes.post_all(TOPIC, [(b"key", b"%d" % number, []) for number in range(500)])
    (kept,) = client.kept.values()
    assert [int(value) for value in kept] == list(range(500))
    assert await room_is_all_there(lanes, 10)
    await lanes.drain()


async def test_rows_of_which_one_is_not_kept_are_not_called_kept() -> None:
    lanes = lanes_over(Client(lambda number: "refused" if number == 2 else None))
    rows: list[Row] = [(b"key", b"%d" % number, []) for number in range(40)]
    async with asyncio.timeout(10):
        with pytest.raises(KafkaConnectionError):
            await lanes.post_all(TOPIC, rows)
        await lanes.drain()
    assert await room_is_all_there(lanes, 100)
    await lanes.drain()


@pytest.mark.parametrize("partition", [-1, PARTITIONS])
async def test_partition_that_the_topic_does_not_have_is_a_fault_of_kafka(partition: int) -> None:
    with pytest.raises(KafkaError):
        await add(lanes_over(Client(lambda _: None)), b"x", partition)


@pytest.mark.parametrize("found", [set[int](), None])
async def test_topic_without_partitions_is_a_fault_of_kafka(found: set[int] | None) -> None:
    class Bare(Client):
        async def partitions_for(self, topic: str) -> set[int]:
            del topic
            return found  # type: ignore[return-value]  # what the library gives at times

    with pytest.raises(KafkaError):
        await add(lanes_over(Bare(lambda _: None)), b"x")
