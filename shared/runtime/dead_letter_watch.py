"""How many dead letters of a service are open, as metrics, from its own topic."""

import asyncio
import time
from collections import Counter
from contextlib import aclosing
from typing import Final

from prometheus_client import REGISTRY, CollectorRegistry, Gauge

from shared.contracts.dead_letters import Letters
from shared.contracts.errors import Unavailable, Unreadable
from shared.contracts.messages import Position
from shared.runtime import log
from shared.runtime.kafka import KafkaAddress, Record, offset_bounds
from shared.runtime.kafka_live import follow
from shared.runtime.lifecycle import pause

RETRY_SECONDS: Final = 5.0
COUNT_SECONDS: Final = 5.0
_log = log.get(__name__)


_OPEN = Gauge(
    "tallystick_dead_letters_open",
    "Dead letters that nobody has done anything about",
    ["topic", "reason"],
)
_OLDEST = Gauge(
    "tallystick_dead_letters_oldest_seconds",
    "How long the oldest open dead letter has been there",
    ["topic", "reason"],
)


class DeadLetterWatch:
    """Follows a dead-letter topic from its beginning and counts what is open.

    Args:
        registry: Where its metrics are shown too.
    """

    def __init__(
        self, kafka: KafkaAddress | str, topic: str, *, registry: CollectorRegistry = REGISTRY
    ) -> None:
        self._kafka = kafka
        self._topic = topic
        # Of an open letter no more than is counted, and of the others only that they are not.
        self._open: dict[str, tuple[str, float]] = {}
        self._noted: set[str] = set()
        self._counted_at = 0.0
        if registry is not REGISTRY:
            registry.register(_OPEN)
            registry.register(_OLDEST)

    async def run(self, stop: asyncio.Event) -> None:
        """Follow and count until ``stop``; while Kafka is away, as it last was."""
        while not stop.is_set():
            try:
                await self._follow(stop)
            except Unavailable as error:
                _log.info("dead_letters.waited", topic=self._topic, reason=str(error))
                await pause(stop, RETRY_SECONDS)

    async def _follow(self, stop: asyncio.Event) -> None:
        # From the beginning also after an outage: what is taken twice is taken for one.
        first, _ = await offset_bounds(self._kafka, [self._topic])
        async with aclosing(follow(self._kafka, first)) as batches:
            async for batch in batches:
                for record in batch:
                    self._take(record)
                if stop.is_set():
                    return
                if batch or time.monotonic() - self._counted_at >= COUNT_SECONDS:
                    self._count()

    def _take(self, record: Record) -> None:
        letters = Letters()
        take(letters, record)
        for letter in letters.all():
            if letter.source not in self._noted:
                said = letter.said
                self._open[letter.source] = (said.reason, said.parked_at.timestamp())
        for source in letters.noted():
            self._noted.add(source)
            self._open.pop(source, None)

    def _count(self) -> None:
        self._counted_at = time.monotonic()
        count: Counter[str] = Counter()
        oldest: dict[str, float] = {}
        for reason, at in self._open.values():
            count[reason] += 1
            oldest[reason] = min(at, oldest.get(reason, at))
        _OPEN.clear()
        _OLDEST.clear()
        for reason, number in count.items():
            _OPEN.labels(self._topic, reason).set(number)
            _OLDEST.labels(self._topic, reason).set(max(0.0, time.time() - oldest[reason]))


def take(letters: Letters, record: Record) -> None:
    """Lay a record of a dead-letter topic to the others; what is none of ours is passed over."""
    at = Position(topic=record.topic, partition=record.partition, offset=record.offset)
    try:
        letters.take(at, record.key, record.envelope())
    except Unreadable as error:
        _log.warning("dead_letter.unreadable", position=record.position, reason=str(error))
