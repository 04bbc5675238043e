"""The door opens once Kafka has the topics as they should be; until then it answers 503."""

import asyncio

from services.ingest.shell.kafka_watch import RETRY_SECONDS, watch_kafka
from services.ingest.shell.webhook import Door
from shared.contracts.errors import Unavailable
from shared.contracts.topics import INGEST_VERDICTS, STRIPE_EVENTS
from shared.runtime import log
from shared.runtime.kafka import KafkaAddress, Publisher, check_topics, end_offsets
from shared.runtime.lifecycle import pause, unless_stopped
from shared.runtime.metrics import Health

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
    await watch_kafka(
        health,
        stop,
        heard_at=lambda: door.kafka_heard_at,
        still_there=lambda: end_offsets(kafka, [STRIPE_EVENTS]),
        as_it_was=lambda: check_topics(kafka, [STRIPE_EVENTS]),
    )


async def _connected(kafka: KafkaAddress, publisher: Publisher) -> None:
    await check_topics(kafka, [STRIPE_EVENTS, INGEST_VERDICTS])
    await publisher.start()
