"""The books' clock: a tick a day for each book that has something to earn by it.

A tick is a command like any other, under a key of its day, so several consoles that send it, or one
that sends it twice, tick once. What a day was missed for is made good by the next tick.
"""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from services.console.intake import Answer, Asked, asked
from services.console.shell.command_desk import CommandDesk
from services.console.shell.readers import Views
from services.console.statements.moments import midnight
from shared.contracts.books import BookMap
from shared.contracts.envelope import rfc3339
from shared.contracts.errors import Unavailable
from shared.runtime import log
from shared.runtime.lifecycle import pause
from shared.runtime.metrics import Health

HEALTH: Final = "clock"
ACTOR: Final = "clock"
_BEAT_MARGIN_SECONDS: Final = 60.0
_AGAIN_SECONDS: Final = 1.0
_logger = log.get(__name__)


def tick_due(book: str, ticked_until: datetime | None, today: datetime) -> Asked | None:
    """The tick of a day that begins at ``today``, unless the clock has passed it."""
    if ticked_until is not None and ticked_until >= today:
        return None
    body = json.dumps({"kind": "tick_clock", "until": rfc3339(today)}).encode()
    return asked(body, book=book, idempotency_key=f"until {rfc3339(today)}", actor=ACTOR)


@dataclass(slots=True)
class ClockWatch:
    """Looks now and then whether a new day has begun for a book."""

    books: BookMap
    ledger: Views
    desk: CommandDesk
    health: Health
    clock: Callable[[], datetime]
    seconds: float

    async def run(self, stop: asyncio.Event) -> None:
        """Watch until asked to stop."""
        while True:
            self.health.beat(HEALTH, next_within_seconds=self.seconds + _BEAT_MARGIN_SECONDS)
            seconds = self.seconds
            try:
                await self.look()
                self.health.ready(HEALTH)
            except Unavailable as error:
                self.health.not_ready(HEALTH, str(error))
                # Not a look's time: at a first start the ledger makes its views just now.
                seconds = min(seconds, _AGAIN_SECONDS)
            if await pause(stop, seconds):
                return

    async def look(self) -> None:
        """Tick for each book that is behind.

        Raises:
            Unavailable: Kafka or Postgres is away.
        """
        now = self.clock()
        zones = {book.name: book.zone for book in self.books.books}
        async with self.ledger.snapshot() as moment:
            rows = await moment.rows("clocks_of_books", sorted(zones))
        for row in rows:
            zone = zones[row["book"]]
            today = midnight(now.astimezone(zone).date(), zone)
            due = tick_due(row["book"], row["ticked_until"], today)
            if due is None:
                continue
            status, told = await self.desk.take(due)
            say = _logger.info if status in _TICKED else _logger.warning
            say("clock.ticked", book=row["book"], until=rfc3339(today), status=status.name.lower(),
                said=told.get("reason"))  # fmt: skip


_TICKED: Final = (Answer.BOOKED, Answer.REPLAYED, Answer.PENDING)
