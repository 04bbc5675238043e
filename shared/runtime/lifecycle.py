"""A process from start to exit: signals, tasks that stand and fall together, exit codes."""

import asyncio
import contextlib
import gc
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine, Generator
from typing import Any, Final, TypeVar, cast

import uvloop

from shared.contracts.errors import InvariantBroken, Unavailable
from shared.runtime import log
from shared.runtime.kafka_admin import TopicsInvalid
from shared.runtime.settings import SettingsInvalid

Main = Callable[[asyncio.Event], Awaitable[None]]
_Started = TypeVar("_Started")

EXIT_OK: Final = 0
EXIT_BUG: Final = 70
EXIT_UNAVAILABLE: Final = 75
EXIT_CONFIGURATION: Final = 78
STOP_SECONDS_MAX: Final = 5.0
# More than what batches in hand hold, which is let go of without being looked for.
COLLECTED_AFTER: Final = 300_000
_logger = log.get(__name__)


class StoppedAtStart(Exception):
    """The process was asked to stop while it was still waiting for what it needs."""


def run_service(main: Main, *, name: str = "") -> int:
    """Run ``main(stop)`` to its end and give the exit code; SIGTERM and SIGINT set ``stop``.

    A second signal ends the process at once. Exit codes: 0 stopped as asked, 75 something that
    we need was not to be had, 78 settings or topics are wrong, 70 anything else.
    """
    try:
        uvloop.run(_with_signals(main))
    except BaseException as error:  # noqa: BLE001  # the top of a process: log it and leave
        return _exit_code(error, name)
    return EXIT_OK


def collect_seldom() -> None:
    """Let Python look for cycles of garbage seldom, and never among what is there now.

    For a process that makes and forgets many values that hold no cycles: each of them would be
    looked at several times for nothing, at a tenth of all its work.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECTED_AFTER, 20, 50)


@contextlib.contextmanager
def collected_seldom() -> Generator[None]:
    """The same while a piece of work lasts, in a process that does others too."""
    before = gc.get_threshold()
    collect_seldom()
    try:
        yield
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)


async def together(
    stop: asyncio.Event,
    *parts: Callable[[asyncio.Event], Awaitable[None]],
    grace_seconds: float = STOP_SECONDS_MAX,
) -> None:
    """Run parts side by side until ``stop``: each gets it, and returns when it is set.

    When one returns or fails, the others are stopped too. What has not returned after the grace
    is cancelled. The first failure is raised alone.
    """
    failures: list[BaseException] = []

    async def guarded(part: Callable[[asyncio.Event], Awaitable[None]]) -> None:
        try:
            await part(stop)
        except Exception as error:  # noqa: BLE001  # raised below, once all have stopped
            # Said now: until the others have stopped, nobody would know why they do.
            _logger.warning("part.failed", reason=f"{type(error).__name__}: {error}")
            failures.append(error)
        finally:
            stop.set()

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(guarded(part)) for part in parts]
        await stop.wait()
        _, late = await asyncio.wait(tasks, timeout=grace_seconds)
        for task in late:
            task.cancel()
    if failures:
        raise failures[0]


async def unless_stopped(
    stop: asyncio.Event,
    starting: Coroutine[Any, Any, _Started],  # Any: what a coroutine yields
) -> _Started:
    """What a start gives; the start is given up as soon as ``stop`` is set.

    Whoever waits a minute for a database that does not come must not be deaf for that minute.

    Raises:
        StoppedAtStart: ``stop`` was set first; ``run_service`` makes a clean exit of it.
    """
    work, asked = asyncio.create_task(starting), asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({work, asked}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        asked.cancel()
        if not work.done():
            work.cancel()
            await asyncio.wait({work})
    if work.cancelled():
        raise StoppedAtStart
    return work.result()


async def pause(stop: asyncio.Event, seconds: float) -> bool:
    """Wait, but no longer than until ``stop`` is set; true when it is."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stop.wait()
    return stop.is_set()


async def _with_signals(main: Main) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def asked_to_stop() -> None:
        if stop.is_set():
            os._exit(EXIT_BUG)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asked_to_stop)
    await main(stop)


def _exit_code(error: BaseException, name: str) -> int:
    while isinstance(error, BaseExceptionGroup):
        error = cast("BaseExceptionGroup[BaseException]", error).exceptions[0]
    if isinstance(error, KeyboardInterrupt):
        return EXIT_OK
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else EXIT_BUG
    if isinstance(error, SettingsInvalid | TopicsInvalid):
        sys.stderr.write(f"{name}: cannot start:\n{error}\n")
        return EXIT_CONFIGURATION
    logger = log.get(__name__)
    if isinstance(error, StoppedAtStart):
        logger.info("service.stopped_at_start", part=name)
        return EXIT_OK
    if isinstance(error, Unavailable):
        logger.error("service.gave_up", part=name, reason=str(error))
        return EXIT_UNAVAILABLE
    if isinstance(error, InvariantBroken):
        logger.error("service.invariant_broken", part=name, reason=str(error))
        return EXIT_BUG
    logger.error("service.failed", part=name, exc_info=error)
    return EXIT_BUG
