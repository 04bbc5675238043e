import asyncio
import os
import signal

import pytest

from shared.contracts.errors import InvariantBroken, Unavailable
from shared.runtime.kafka_client import patiently
from shared.runtime.lifecycle import (
    EXIT_BUG,
    EXIT_CONFIGURATION,
    EXIT_OK,
    EXIT_UNAVAILABLE,
    pause,
    run_service,
    together,
    unless_stopped,
)
from shared.runtime.settings import SettingsInvalid


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (None, EXIT_OK),
        (SettingsInvalid("x"), EXIT_CONFIGURATION),
        (Unavailable("x"), EXIT_UNAVAILABLE),
        (InvariantBroken("x"), EXIT_BUG),
        (KeyError("x"), EXIT_BUG),
        (ExceptionGroup("x", [Unavailable("y")]), EXIT_UNAVAILABLE),
    ],
)
def test_process_that_ends_tells_by_its_code_why(error: Exception | None, code: int) -> None:
    async def main(_: asyncio.Event) -> None:
        if error is not None:
            raise error

    assert run_service(main, name="test") == code


def test_process_told_to_end_by_a_signal_sets_stop_and_leaves_in_peace() -> None:
    async def main(stop: asyncio.Event) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.wait_for(stop.wait(), 5)

    assert run_service(main, name="test") == EXIT_OK


async def test_parts_stop_together_and_the_first_failure_is_raised_alone() -> None:
    ended: list[str] = []

    async def waits(stop: asyncio.Event) -> None:
        await stop.wait()
        ended.append("waits")

    async def fails(_: asyncio.Event) -> None:
        raise Unavailable("gone")

    with pytest.raises(Unavailable, match="gone"):
        await together(asyncio.Event(), waits, fails)
    assert ended == ["waits"]


async def test_part_that_does_not_stop_is_cancelled_after_the_grace() -> None:
    async def stubborn(_: asyncio.Event) -> None:
        await asyncio.Event().wait()

    async def ends(_: asyncio.Event) -> None:
        return

    await asyncio.wait_for(together(asyncio.Event(), stubborn, ends, grace_seconds=0.01), 5)


async def test_pause_ends_early_when_asked_to_stop() -> None:
    stop = asyncio.Event()
    assert not await pause(stop, 0.001)
    stop.set()
    assert await pause(stop, 60)


async def test_start_that_comes_first_gives_its_result() -> None:
    async def ready() -> str:
        return "ready"

    assert await unless_stopped(asyncio.Event(), ready()) == "ready"


async def test_start_that_fails_fails_as_it_would_alone() -> None:
    async def refused() -> None:
        raise Unavailable("no such place")

    with pytest.raises(Unavailable, match="no such place"):
        await unless_stopped(asyncio.Event(), refused())


def test_process_stopped_while_it_starts_puts_away_what_it_had_and_leaves_in_peace() -> None:
    put_away: list[str] = []

    async def for_ever() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            put_away.append("connection")

    async def main(stop: asyncio.Event) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        await unless_stopped(stop, for_ever())

    assert run_service(main, name="test") == EXIT_OK
    assert put_away == ["connection"]


async def test_patience_gives_what_comes_at_last() -> None:
    answers = iter([Unavailable("no"), Unavailable("not yet"), None])

    async def ask() -> str:
        if (error := next(answers)) is not None:
            raise error
        return "here"

    assert await patiently(ask, what="it", give_up_after_seconds=5) == "here"


async def test_patience_that_ends_says_what_was_waited_for() -> None:
    async def ask() -> str:
        raise Unavailable("no")

    with pytest.raises(Unavailable, match="the thing: Unavailable: no"):
        await patiently(ask, what="the thing", give_up_after_seconds=0)
