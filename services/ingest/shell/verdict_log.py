"""Every verdict of the door to ``ingest.verdicts`` and to disk, behind the answer, never before it.

add() ─▶ a row of tuples ─▶ lines of JSON, a crowd at a time ─┬─▶ ingest.verdicts
                                                             └─▶ files (``VerdictFiles``)
"""

import asyncio
import itertools
import uuid
from collections import deque
from typing import Final

from prometheus_client import Counter

from services.ingest.shell.verdict_files import VerdictFiles
from services.ingest.verdict_lines import Said, line_of
from shared.contracts.envelope import Envelope, Mould
from shared.contracts.errors import Unavailable
from shared.contracts.topics import INGEST_VERDICTS
from shared.runtime import log
from shared.runtime.kafka import Publisher, Row

VERDICT_TYPE: Final = "com.tallystick.ingest.verdict.v1"
BATCH_MAX: Final = 500
GATHER_SECONDS: Final = 0.02
PUBLISH_SECONDS_MAX: Final = 10.0
RETRY_SECONDS: Final = 1.0
FLUSH_SECONDS_MAX: Final = 2.0
# Built at a stretch, while nothing else runs.
_BUILT_AT_ONCE: Final = 100

_DROPPED = Counter(
    "tallystick_ingest_verdicts_dropped_total",
    "Verdicts that could not be kept because Kafka was away",
)
_log = log.get(__name__)


class VerdictLog:
    """A bounded row of verdicts and the tasks that empty it.

    A verdict that finds the row full is counted and left out: the answer to Stripe never
    waits for the record of it. A batch that Kafka did not acknowledge is sent again, so a
    verdict may stand twice on the topic, under one id. What waits for Kafka and what waits for
    the disk are bounded each for itself: one of them away takes nothing from the other.
    """

    def __init__(
        self, publisher: Publisher, *, queue_max: int, files: VerdictFiles | None = None
    ) -> None:
        self._publisher = publisher
        self._files = files
        self._queue_max = queue_max
        # Unique without asking the system for randomness at each delivery.
        process = uuid.uuid4().hex
        self._ids = (f"{process}-{number}" for number in itertools.count(1))
        self._said: deque[tuple[Said, str]] = deque()
        self._waiting: deque[Row] = deque()
        self._moulds: dict[tuple[str, bool], Mould] = {}
        self._there = asyncio.Event()
        self._to_publish = asyncio.Event()
        self._is_published = asyncio.Event()
        self._is_published.set()

    def add(self, said: Said, *, book: str) -> None:
        """Take a verdict down."""
        if len(self._said) >= self._queue_max:
            _DROPPED.inc()
            return
        self._said.append((said, book))
        self._there.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Publish and write what is there until ``stop``; then what is left, for a bounded time."""
        files_stop = asyncio.Event()
        running = [asyncio.create_task(self._gather()), asyncio.create_task(self._publish())]
        writing = asyncio.create_task(
            _no_files() if self._files is None else self._files.run(files_stop)
        )
        stopping = asyncio.create_task(stop.wait())
        try:
            # None of them ends by itself; an error of one of them is the process's.
            await asyncio.wait({*running, stopping}, return_when=asyncio.FIRST_COMPLETED)
            await self._build()
            await self._published_what_is_left()
        finally:
            for task in (*running, stopping):
                task.cancel()
            files_stop.set()
            await asyncio.wait({*running, stopping, writing})
        for task in (*running, writing):
            if not task.cancelled():
                task.result()

    async def _gather(self) -> None:
        while True:
            await self._there.wait()
            # Those of a moment are taken together: a wake-up for each costs more than its line.
            await asyncio.sleep(GATHER_SECONDS)  # lets a batch gather
            await self._build()

    async def _build(self) -> None:
        """The lines of what was said."""
        self._there.clear()
        while self._said:
            self._is_published.clear()
            lines = [self._line() for _ in range(min(len(self._said), _BUILT_AT_ONCE))]
            if self._files is not None:
                self._files.take(lines)
            self._to_publish.set()
            await asyncio.sleep(0)  # lets the answers go first

    def _line(self) -> bytes:
        said, book = self._said.popleft()
        ident = next(self._ids)
        line = line_of(said, ident=ident, book=book)
        if len(self._waiting) >= self._queue_max:
            _DROPPED.inc()
            return line
        event_id, received_at = said.event_id, said.received_at
        kind = book, not event_id
        mould = self._moulds.get(kind)
        if mould is None:
            mould = self._moulds[kind] = _mould(said, book)
        headers = mould.headers(ident=ident, time=received_at, subject=event_id)
        self._waiting.append((said.endpoint.encode() or None, line, headers))
        return line

    async def _publish(self) -> None:
        while True:
            await self._to_publish.wait()
            self._to_publish.clear()
            while self._waiting:
                batch = list(itertools.islice(self._waiting, BATCH_MAX))
                await self._published(batch)
                for _ in batch:
                    self._waiting.popleft()
            self._is_published.set()

    async def _published_what_is_left(self) -> None:
        try:
            async with asyncio.timeout(FLUSH_SECONDS_MAX):
                await self._is_published.wait()
        except TimeoutError:
            left = len(self._waiting)
            _DROPPED.inc(left)
            _log.warning("verdicts.left_behind", verdicts=left)

    async def _published(self, batch: list[Row]) -> None:
        has_said = False
        while True:
            try:
                await self._publisher.publish_rows(INGEST_VERDICTS, batch, PUBLISH_SECONDS_MAX)
            except Unavailable as error:
                if not has_said:
                    _log.warning("verdicts.waited", verdicts=len(batch), reason=str(error))
                    has_said = True
                await asyncio.sleep(RETRY_SECONDS)  # Kafka is away; cancelled at the end
            else:
                return


def _mould(said: Said, book: str) -> Mould:
    """What the records of a book have in common; there are as many as books."""
    first = Envelope(
        id=VERDICT_TYPE,
        source="ingest/door",
        type=VERDICT_TYPE,
        time=said.received_at,
        data=b"",
        subject=said.event_id,
        extensions={"book": book},
    )
    return Mould(first)


async def _no_files() -> None:
    """There is no folder to write to."""
