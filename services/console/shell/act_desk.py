"""Acts: published to reconciliation.commands, the decision awaited for a bounded time.

An act that names an account is held against the accounts of its book first, and is not published
where that has none of this name.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Final

from services.console.intake import Answer, answer
from services.console.reconciling.accounts import known_accounts
from services.console.reconciling.acts import AskedAct
from services.console.shell.readers import Views
from services.console.views import Json
from shared.contracts.acts import WriteOff
from shared.contracts.topics import RECONCILIATION_COMMANDS
from shared.runtime.kafka import Publisher

PUBLISH_SECONDS_MAX: Final = 1.8
LOOK_AGAIN_SECONDS: Final = 0.05


class ActDesk:
    """Takes acts in and tells what became of them."""

    def __init__(
        self,
        publisher: Publisher,
        reconciler: Views,
        ledger: Views,
        *,
        await_seconds: float,
        clock: Callable[[], datetime],
    ) -> None:
        self._publisher = publisher
        self._reconciler = reconciler
        self._ledger = ledger
        self._await_seconds = await_seconds
        self._clock = clock

    async def take(self, asked: AskedAct) -> tuple[Answer, Json]:
        """Publish an act unless its key was used before; give what became of it so far.

        Raises:
            Unavailable: Kafka or Postgres is away. Sent again under its key it does no harm.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._await_seconds
        found = await self._decision(asked, is_before=True)
        if found[0] is not Answer.PENDING:
            return found
        if isinstance(asked.act, WriteOff) and (told := await self._no_account(asked.act)):
            return Answer.REFUSED, told
        await self._publisher.publish(
            RECONCILIATION_COMMANDS, asked.key, asked.envelope(self._clock()), PUBLISH_SECONDS_MAX
        )
        while True:
            found = await self._decision(asked, is_before=False)
            if found[0] is not Answer.PENDING or loop.time() >= deadline:
                return found
            await asyncio.sleep(LOOK_AGAIN_SECONDS)  # bounded poll: the deadline above

    async def _decision(self, asked: AskedAct, *, is_before: bool) -> tuple[Answer, Json]:
        async with self._reconciler.snapshot() as moment:
            rows = await moment.rows("decisions_under", asked.book, asked.id)
        return answer(rows, asked.message_id, is_before=is_before)

    async def _no_account(self, act: WriteOff) -> Json | None:
        async with self._ledger.snapshot() as moment:
            known = known_accounts(
                await moment.rows("charts_in_force", act.book),
                await moment.rows("accounts_opened_and_closed", act.book),
            )
        refusals = (known.refusal(account) for account in sorted({i.account for i in act.items}))
        return next((told for told in refusals if told is not None), None)
