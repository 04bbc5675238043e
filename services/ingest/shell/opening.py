"""The door opens once Kafka has the topics as they should be; until then it answers 503."""

import asyncio
from typing import Final

from services.ingest.shell.webhook import Door
from shared.contracts.errors import Unavailable
from shared.contracts.topics import INGEST_VERDICTS, STRIPE_EVENTS
from shared.runtime import log
from shared.runtime.kafka import KafkaAddress, Publisher, check_topics
from shared.runtime.lifecycle import pause, unless_stopped
from shared.runtime.metrics import Health

RETRY_SECONDS: Final = 1.0
_log = log.get(__name__)


async def open_when_safe(
    kafka: KafkaAddress, publisher: Publisher, door: Door, health: Health, stop: asyncio.Event
) -> None:
    """Wait for Kafka, check the topics, connect, open the door, and stay until ``stop``.

    Raises:
        StoppedAtStart: ``stop`` was set while Kafka was silent.
        TopicsInvalid: A topic is missing or configured otherwise; the process must not go on.
    """
    health.not_ready("kafka", "not asked yet")
    has_said = False
    while not stop.is_set():
        try:
            await unless_stopped(stop, _connected(kafka, publisher))
        except Unavailable as error:
            health.not_ready("kafka", str(error))
            if not has_said:
                # Once: it is asked each second, and /readyz says it all the while.
                _log.warning("door.waited", reason=str(error))
                has_said = True
            await pause(stop, RETRY_SECONDS)
        else:
            door.open()
            health.ready("kafka")
            _log.info("door.opened")
            break
    await _look_again(kafka, health, stop)


async def _connected(kafka: KafkaAddress, publisher: Publisher) -> None:
    await check_topics(kafka, [STRIPE_EVENTS, INGEST_VERDICTS])
    await publisher.start()


async def _look_again(kafka: KafkaAddress, health: Health, stop: asyncio.Event) -> None:
    """Say that Kafka is back once it is.

    A delivery says so too, but a door that is not ready is sent none by what stands before it.
    """
    while not await pause(stop, RETRY_SECONDS):
        if "kafka" not in health.reasons:
            continue
        try:
            await check_topics(kafka, [STRIPE_EVENTS])
        except Unavailable:
            continue
        health.ready("kafka")
