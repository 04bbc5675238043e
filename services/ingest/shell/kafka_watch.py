"""Whether Kafka is there, asked for also while no delivery comes that would show it."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

from shared.contracts.errors import Unavailable
from shared.runtime.lifecycle import pause
from shared.runtime.metrics import Health

RETRY_SECONDS: Final = 1.0
LOOK_SECONDS: Final = 10.0
ANSWER_SECONDS_MAX: Final = 5.0
PART: Final = "kafka"

Look = Callable[[], Awaitable[object]]


async def watch_kafka(
    health: Health,
    stop: asyncio.Event,
    *,
    heard_at: Callable[[], float],
    still_there: Look,
    as_it_was: Look,
    look_seconds: float = LOOK_SECONDS,
    answer_seconds_max: float = ANSWER_SECONDS_MAX,
) -> None:
    """Say that Kafka is away, and that it is back, until ``stop``.

    A delivery says both, but in a quiet night none comes, and a door that is not ready is sent
    none by what stands before it.

    Args:
        health: Where it is said, under the name ``kafka``.
        stop: Ends it.
        heard_at: When Kafka last acknowledged a delivery, by the monotonic clock: as good as a
            look, and better where the look comes to nothing.
        still_there: Asks Kafka for little.
        as_it_was: Asks, after it was away, whether its topics are as they should be.
        look_seconds: The pause between two looks at a Kafka that is there.
        answer_seconds_max: How long it may take to answer.
    """
    while not await pause(stop, _pause_seconds(health, look_seconds)):
        began = time.monotonic()
        if PART in health.reasons:
            if await _fault(as_it_was, None) is None:
                health.ready(PART)
        elif began - heard_at() >= look_seconds:
            fault = await _fault(still_there, answer_seconds_max)
            if fault is not None and heard_at() < began:
                health.not_ready(PART, fault)


def _pause_seconds(health: Health, look_seconds: float) -> float:
    return min(RETRY_SECONDS, look_seconds) if PART in health.reasons else look_seconds


async def _fault(look: Look, seconds_max: float | None) -> str | None:
    """Why Kafka does not answer; ``None`` where it does."""
    try:
        async with asyncio.timeout(seconds_max):
            await look()
    except TimeoutError:
        return f"no answer within {seconds_max:g} s"
    except Unavailable as error:
        return str(error)
    return None
