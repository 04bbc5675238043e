"""Commands: published to ledger.commands, their outcome awaited for a bounded time."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Final

from services.console.intake import Answer, Asked, answer
from services.console.shell.readers import Views
from services.console.views import Json
from shared.contracts.topics import LEDGER_COMMANDS
from shared.runtime.kafka import Publisher

PUBLISH_SECONDS_MAX: Final = 1.8
LOOK_AGAIN_SECONDS: Final = 0.05


class CommandDesk:
    """Takes commands in and tells what became of them."""

    def __init__(
        self,
        publisher: Publisher,
        ledger: Views,
        *,
        await_seconds: float,
        clock: Callable[[], datetime],
    ) -> None:
        self._publisher = publisher
        self._ledger = ledger
        self._await_seconds = await_seconds
        self._clock = clock

    async def take(self, asked: Asked) -> tuple[Answer, Json]:
        """Publish a command unless its key was used before; give what became of it so far.

        Raises:
            Unavailable: Kafka or Postgres is away. Sent again under its key it does no harm.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._await_seconds
        found = await self._outcome(asked, is_before=True)
        if found[0] is not Answer.PENDING:
            return found
        await self._publisher.publish(
            LEDGER_COMMANDS, asked.key, asked.envelope(self._clock()), PUBLISH_SECONDS_MAX
        )
        while True:
            found = await self._outcome(asked, is_before=False)
            if found[0] is not Answer.PENDING or loop.time() >= deadline:
                return found
            await asyncio.sleep(LOOK_AGAIN_SECONDS)  # bounded poll: the deadline above

    async def _outcome(self, asked: Asked, *, is_before: bool) -> tuple[Answer, Json]:
        book, before = asked.command.book, asked.before
        async with self._ledger.snapshot() as moment:
            rows = await moment.rows("command_outcomes", book, asked.id)
            if is_before and not rows:
                # Sent before keys were their actors' own, and sent again after: carried out once.
                told = await moment.rows("command_outcomes", book, before.key)
                same = [row for row in told if row["message_id"] == before.message_id]
                if same:
                    return answer(same, before.message_id, is_before=True)
        return answer(rows, asked.message_id, is_before=is_before)
