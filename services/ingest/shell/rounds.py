"""Rounds: parts one after the other, again and again; what is unavailable is waited for."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, TypeAlias

from services.ingest.shell.poll_store import PollStore
from services.ingest.shell.stripe_api import ApiRefused
from shared.contracts.errors import Unavailable
from shared.runtime import log
from shared.runtime.lifecycle import pause
from shared.runtime.metrics import Health
from shared.runtime.positions import Fenced

BACK_OFF_SECONDS_MAX: Final = 60.0
TOLD_KEPT: Final = timedelta(days=90)
FORGET_EVERY: Final = timedelta(hours=1)
Part: TypeAlias = Callable[[], Awaitable[object]]

_log = log.get(__name__)


async def rounds(
    parts: Sequence[Part],
    *,
    health: Health,
    name: str,
    interval_seconds: float,
    beat: Callable[[], None],
    stop: asyncio.Event,
) -> None:
    """Round after round until ``stop``; a round that failed is tried anew with growing pauses."""
    health.not_ready(name, "not asked yet")
    failures = 0
    while not stop.is_set():
        beat()
        try:
            await _round(parts)
        except (Unavailable, Fenced, ApiRefused) as error:
            failures += 1
            health.not_ready(name, str(error))
            level = _log.error if isinstance(error, ApiRefused) else _log.warning
            level("poll.waited", account=name, failures=failures, reason=str(error))
            await pause(stop, min(BACK_OFF_SECONDS_MAX, interval_seconds * 2 ** min(failures, 10)))
        else:
            failures = 0
            health.ready(name)
            await pause(stop, interval_seconds)


async def _round(parts: Sequence[Part]) -> None:
    """Each part once; what Stripe refuses to one does not stop the others.

    Raises:
        ApiRefused: Stripe refused something; everything else was done.
        Unavailable: Something is away, so the rest of the round was left.
    """
    refused: list[str] = []
    for part in parts:
        try:
            await part()
        except ApiRefused as error:
            refused.append(str(error))
    if refused:
        raise ApiRefused("; ".join(refused))


class Forgetting:
    """Once an hour, what was told long ago is told no longer apart: the part of a round."""

    def __init__(self, store: PollStore) -> None:
        self._store = store
        self._done_at = datetime.min.replace(tzinfo=UTC)

    async def forget(self) -> None:
        """Forget what is due to be.

        Raises:
            Unavailable: Postgres is away.
        """
        now = datetime.now(UTC)
        if now - self._done_at >= FORGET_EVERY:
            await self._store.forget(objects_before=now - TOLD_KEPT)
            self._done_at = now
