"""Whoever posts hears of each record once: kept, failed, or not in time; never twice, never not."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Final

import pytest
from aiokafka.errors import KafkaConnectionError

from shared.contracts.errors import Unavailable
from shared.contracts.topics import RECORD_BYTES_MAX
from shared.runtime.kafka import Publisher, RecordTooLarge
from shared.runtime.kafka_lanes import Lanes
from shared.runtime.kafka_outbox import Outbox
from tests.unit.runtime.test_kafka_lanes import TOPIC, Client, know

Fate = Callable[[int], BaseException | str | None]
SECONDS: Final = 0.05


class Desk:
    """What posted, and what it was told."""

    def __init__(self) -> None:
        self.kept: list[int] = []
        self.failed: list[tuple[int, str]] = []
        self.is_told = asyncio.Event()

    def told(self, parcels: list[int], error: Unavailable | None) -> None:
        if error is None:
            self.kept.extend(parcels)
        else:
            self.failed.extend((each, str(error)) for each in parcels)
        self.is_told.set()


async def outbox_over(client: Client, *, seconds: float = 5.0) -> tuple[Outbox[int], Desk, Lanes]:
    class Stopping(Client):
        async def stop(self) -> None:
            """The library's own."""

    client.__class__ = Stopping
    publisher, desk = Publisher("nowhere:1"), Desk()
    lanes = publisher.lanes = Lanes(client, linger_seconds=0, records_max=100)
    await know(lanes)
    return Outbox(publisher, TOPIC, desk.told, timeout_seconds=seconds), desk, lanes


def row(number: int) -> tuple[bytes, bytes, list[tuple[str, bytes]]]:
    return b"key", b"%d" % number, []


async def test_records_that_the_broker_has_are_told_of_as_kept() -> None:
    outbox, desk, lanes = await outbox_over(Client(lambda _: None))
    assert all(outbox.post(row(number), number) for number in range(10))
    await lanes.drain()
    assert sorted(desk.kept) == list(range(10))
    assert desk.failed == []


async def test_record_that_is_not_acknowledged_in_time_is_told_of_once() -> None:
    outbox, desk, lanes = await outbox_over(Client(lambda _: "silent"), seconds=SECONDS)
    assert outbox.post(row(1), 1)
    async with asyncio.timeout(5):
        await desk.is_told.wait()
        assert desk.failed == [(1, f"Kafka did not acknowledge in {SECONDS:g} s")]
        # What comes of it later is nobody's any more.
        await lanes.abandon()
    assert len(desk.failed) == 1
    assert desk.kept == []


async def test_deadline_of_each_is_its_own() -> None:
    outbox, desk, lanes = await outbox_over(Client(lambda _: "silent"), seconds=SECONDS)
    loop = asyncio.get_running_loop()
    posted: dict[int, float] = {}
    told: dict[int, float] = {}
    async with asyncio.timeout(5):
        for number in range(3):
            assert outbox.post(row(number), number)
            posted[number] = loop.time()
            with contextlib.suppress(TimeoutError):  # the next is due later
                await asyncio.wait_for(desk.is_told.wait(), SECONDS / 2)
        while len(told) < 3:
            await desk.is_told.wait()
            desk.is_told.clear()
            told |= {n: loop.time() for n, _ in desk.failed if n not in told}
        await lanes.abandon()
    assert [number for number, _ in desk.failed] == [0, 1, 2]
    for number, at in told.items():
        assert at - posted[number] >= SECONDS * 0.8


async def test_failed_producer_is_dropped_and_who_posted_is_told() -> None:
    outbox, desk, lanes = await outbox_over(Client(lambda _: KafkaConnectionError("gone")))
    assert outbox.post(row(1), 1)
    await lanes.drain()
    assert desk.failed == [(1, "Kafka: KafkaConnectionError: KafkaConnectionError: gone")]
    # Nothing is taken until there is another producer.
    assert not outbox.post(row(2), 2)
    assert len(desk.failed) == 1


async def test_record_past_what_a_topic_takes_is_refused_at_once() -> None:
    outbox, desk, _ = await outbox_over(Client(lambda _: None))
    with pytest.raises(RecordTooLarge):
        outbox.post((b"key", b"x" * (RECORD_BYTES_MAX + 1), []), 1)
    assert not desk.is_told.is_set()


async def test_nothing_is_taken_where_there_is_no_room() -> None:
    outbox, desk, lanes = await outbox_over(Client(lambda _: None))
    taken = [outbox.post(row(number), number) for number in range(150)]
    assert taken == [True] * 100 + [False] * 50
    await lanes.drain()
    assert sorted(desk.kept) == list(range(100))
