"""The loop: a batch of messages, a decision for each, one transaction with the positions inside."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from services.ledger.shell import measures
from services.ledger.shell.beginning import learn_what_is_in_force
from services.ledger.shell.booking.batch import Booked
from services.ledger.shell.booking.booker import BatchBooker
from services.ledger.shell.booking.deciding import Decided, Decider
from services.ledger.shell.failpoints import Failpoint, Failpoints
from shared.contracts.errors import Unavailable
from shared.runtime import log
from shared.runtime.kafka_client import RETRY_SECONDS_FIRST, RETRY_SECONDS_MAX
from shared.runtime.kafka_group import Batch, GroupReader
from shared.runtime.lifecycle import pause
from shared.runtime.metrics import Health
from shared.runtime.positions import Fenced

HEALTH: Final = "projector"
BEAT_SECONDS_MAX: Final = 120.0
DECIDED_AT_ONCE: Final = 50
_logger = log.get(__name__)


@dataclass(slots=True)
class Projector:
    """Books what the group gives us to read, until asked to stop.

    A batch that is fenced off may have been decided under less than is in force by now; so that is
    read again before the batch is.

    ``booked`` is set after each commit, so that the publisher need not wait for its turn.
    """

    booker: BatchBooker
    reader: GroupReader
    decider: Decider
    health: Health
    failpoints: Failpoints
    booked: asyncio.Event
    _must_learn: bool = False
    _free: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self, stop: asyncio.Event) -> None:
        """The loop; what is in hand when ``stop`` is set is finished.

        Raises:
            InvariantBroken: The log or the rules are not to be trusted.
        """
        backoff = RETRY_SECONDS_FIRST
        while not stop.is_set():
            try:
                await self._book_until(stop)
            except Fenced as fenced:
                measures.FENCED.inc()
                self._must_learn = True
                _logger.info("batch.fenced", partitions=[str(p) for p in fenced.partitions])
            except Unavailable as error:
                if HEALTH not in self.health.reasons:
                    backoff = RETRY_SECONDS_FIRST
                self.health.not_ready(HEALTH, str(error))
                self.health.beat(HEALTH, next_within_seconds=BEAT_SECONDS_MAX)
                _logger.warning("projector.waited", reason=str(error), seconds=backoff)
                await pause(stop, backoff)
                backoff = min(backoff * 2, RETRY_SECONDS_MAX)

    async def _book_until(self, stop: asyncio.Event) -> None:
        """Book batch after batch; while the database works on one, the next is decided.

        When a batch fails, the next, which counts on it, is forgotten, and both are read again.
        """
        if self._must_learn:
            await learn_what_is_in_force(self.booker.database, self.decider, self.booker.books)
            self._must_learn = False
        self._free.set()
        upcoming = asyncio.create_task(self._decided_batch())
        try:
            while not stop.is_set():
                self.health.beat(HEALTH, next_within_seconds=BEAT_SECONDS_MAX)
                batch, decided = await upcoming
                upcoming = asyncio.create_task(self._decided_batch())
                if batch.moves:
                    await self._take_in(batch, decided)
                self.health.ready(HEALTH)
        finally:
            upcoming.cancel()
            await asyncio.gather(upcoming, return_exceptions=True)
            self.reader.seek_later()

    async def _decided_batch(self) -> tuple[Batch, list[Decided]]:
        batch = await self.reader.next_batch(self._free)
        measures.PARTITIONS.set(len(self.reader.partitions))
        decided: list[Decided] = []
        for number, record in enumerate(batch.records, 1):
            decided.append(self.decider.decided(record))
            if number % DECIDED_AT_ONCE == 0:
                # The transaction under way, the publisher and health live on the same loop.
                await asyncio.sleep(0)  # lets them go first
        return batch, decided

    async def _take_in(self, batch: Batch, decided: Sequence[Decided]) -> None:
        began = time.monotonic()
        self.failpoints.reached(Failpoint.BEFORE_TX)
        self._free.clear()
        try:
            booked = await self.booker.take(decided, batch.moves)
        finally:
            self._free.set()
        self.failpoints.reached(Failpoint.AFTER_COMMIT)
        self.booked.set()
        _report(booked, seconds=time.monotonic() - began)
        self.reader.hint({p: after for p, (_, after) in batch.moves.items()})


def _report(booked: Booked, *, seconds: float) -> None:
    measures.BATCH_SECONDS.observe(seconds)
    measures.BATCH_MESSAGES.observe(booked.messages)
    measures.ENTRIES_BOOKED.inc(booked.entries)
    measures.OUTCOMES.inc(booked.outcomes)
    measures.MESSAGES.labels("taken").inc(booked.messages)
    measures.MESSAGES.labels("repeated").inc(booked.repeated)
    measures.MESSAGES.labels("parked").inc(booked.parked)
    measures.MESSAGES.labels("conflicting").inc(booked.conflicts)
    say = _logger.warning if booked.parked or booked.conflicts else _logger.info
    say(
        "batch.booked",
        messages=booked.messages,
        entries=booked.entries,
        already_booked=booked.already_booked,
        repeated=booked.repeated,
        conflicts=booked.conflicts,
        parked=booked.parked,
        seconds=round(seconds, 4),
    )
