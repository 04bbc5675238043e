"""Kafka looked after while no delivery shows how it is."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from services.ingest.shell.kafka_watch import watch_kafka
from shared.contracts.errors import Unavailable
from shared.runtime.metrics import Health


class Kafka:
    """What a door hears of Kafka: there, away, or silent; and when it last acknowledged."""

    def __init__(self) -> None:
        self.is_there = True
        self.is_silent = False
        self.acknowledged_at = 0.0
        self.looks: int = 0
        self.asked_when_heard = 0

    def heard_at(self) -> float:
        self.asked_when_heard += 1
        return self.acknowledged_at

    async def answer(self) -> None:
        self.looks += 1
        if self.is_silent:
            await asyncio.Event().wait()
        if not self.is_there:
            raise Unavailable("Kafka does not answer")


async def watched(kafka: Kafka, health: Health, story: Callable[[], Awaitable[None]]) -> None:
    stop = asyncio.Event()
    watching = asyncio.create_task(
        watch_kafka(
            health,
            stop,
            heard_at=kafka.heard_at,
            still_there=kafka.answer,
            as_it_was=kafka.answer,
            look_seconds=0.01,
            answer_seconds_max=0.05,
        )
    )
    try:
        async with asyncio.timeout(10):
            await story()
    finally:
        stop.set()
        await watching


async def until(fact: Callable[[], bool]) -> None:
    while not fact():  # noqa: ASYNC110  # what another task says is no event
        await asyncio.sleep(0.001)  # bounded by the time limit of the story


async def test_kafka_that_goes_away_and_comes_back_is_told_without_a_delivery() -> None:
    kafka, health = Kafka(), Health()

    async def story() -> None:
        await until(lambda: kafka.looks > 1)
        assert health.reasons == {}
        kafka.is_there = False
        await until(lambda: health.reasons == {"kafka": "Kafka does not answer"})
        kafka.is_there = True
        await until(lambda: health.reasons == {})

    await watched(kafka, health, story)


async def test_kafka_that_is_silent_is_told_after_the_bound() -> None:
    kafka, health = Kafka(), Health()
    kafka.is_silent = True

    async def story() -> None:
        await until(lambda: health.reasons == {"kafka": "no answer within 0.05 s"})

    await watched(kafka, health, story)


async def test_kafka_that_has_just_acknowledged_a_delivery_is_not_asked() -> None:
    kafka, health = Kafka(), Health()
    kafka.acknowledged_at = time.monotonic() + 3_600

    async def story() -> None:
        await until(lambda: kafka.asked_when_heard > 10)

    await watched(kafka, health, story)
    assert kafka.looks == 0


class BusyKafka(Kafka):
    """One that acknowledges deliveries and has no time for questions."""

    async def answer(self) -> None:
        self.looks += 1
        self.acknowledged_at = time.monotonic()
        raise Unavailable("too much to do")


async def test_acknowledgement_counts_more_than_a_look_that_came_to_nothing() -> None:
    kafka, health = BusyKafka(), Health()

    async def story() -> None:
        await until(lambda: kafka.looks > 2)

    await watched(kafka, health, story)
    assert health.reasons == {}
