"""Every verdict of the door to ``ingest.verdicts``, behind the answer and never before it."""

import asyncio
import itertools
import uuid
from typing import Final

from prometheus_client import Counter

from shared.contracts.envelope import Envelope
from shared.contracts.errors import Unavailable
from shared.contracts.messages import Verdict
from shared.contracts.topics import INGEST_VERDICTS
from shared.runtime import log
from shared.runtime.kafka import Publication, Publisher

VERDICT_TYPE: Final = "com.tallystick.ingest.verdict.v1"
BATCH_MAX: Final = 500
PUBLISH_SECONDS_MAX: Final = 10.0
RETRY_SECONDS: Final = 1.0
FLUSH_SECONDS_MAX: Final = 2.0

_DROPPED = Counter(
    "ingest_verdicts_dropped_total", "Verdicts that could not be kept because Kafka was away"
)
_log = log.get(__name__)


class VerdictLog:
    """A bounded queue of verdicts and the one task that empties it.

    A verdict that finds the queue full is counted and left out: the answer to Stripe never
    waits for the record of it. A batch that Kafka did not acknowledge is sent again, so a
    verdict may stand twice on the topic, under one id.
    """

    def __init__(self, publisher: Publisher, *, queue_max: int) -> None:
        self._publisher = publisher
        # Unique without asking the system for randomness at each delivery.
        process = uuid.uuid4().hex
        self._ids = (f"{process}-{number}" for number in itertools.count(1))
        self._waiting: asyncio.Queue[Publication] = asyncio.Queue(queue_max)

    def add(self, verdict: Verdict, *, book: str) -> None:
        """Take a verdict down."""
        envelope = Envelope(
            id=next(self._ids),
            source="ingest/door",
            type=VERDICT_TYPE,
            time=verdict.received_at,
            data=verdict.model_dump_json().encode(),
            subject=verdict.event_id,
            extensions={"book": book},
        )
        try:
            self._waiting.put_nowait(
                Publication(INGEST_VERDICTS, verdict.endpoint.encode() or None, envelope)
            )
        except asyncio.QueueFull:
            _DROPPED.inc()

    async def run(self, stop: asyncio.Event) -> None:
        """Publish what is there until ``stop``; then what is left, for a bounded time."""
        publishing = asyncio.create_task(self._publish_for_ever())
        try:
            await stop.wait()
        finally:
            try:
                async with asyncio.timeout(FLUSH_SECONDS_MAX):
                    await self._waiting.join()
            except TimeoutError:
                left = self._waiting.qsize()
                _DROPPED.inc(left)
                _log.warning("verdicts.left_behind", verdicts=left)
            publishing.cancel()
            await asyncio.wait({publishing})

    async def _publish_for_ever(self) -> None:
        while True:
            batch = [await self._waiting.get()]
            while len(batch) < BATCH_MAX and not self._waiting.empty():
                batch.append(self._waiting.get_nowait())
            await self._published(batch)
            for _ in batch:
                self._waiting.task_done()

    async def _published(self, batch: list[Publication]) -> None:
        has_said = False
        while True:
            try:
                await self._publisher.publish_all(batch, PUBLISH_SECONDS_MAX)
            except Unavailable as error:
                if not has_said:
                    _log.warning("verdicts.waited", verdicts=len(batch), reason=str(error))
                    has_said = True
                await asyncio.sleep(RETRY_SECONDS)
            else:
                return
