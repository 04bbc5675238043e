"""The console's process: its parts put together and kept going."""

import asyncio
from datetime import UTC, datetime
from typing import Final

from services.console.config import ConsoleSettings
from services.console.permissions import Token
from services.console.shell.act_desk import ActDesk
from services.console.shell.api import Desk, application
from services.console.shell.clock_watch import ClockWatch
from services.console.shell.command_desk import CommandDesk
from services.console.shell.monitor_watch import MonitorWatch
from services.console.shell.readers import Views
from shared.contracts.errors import Unavailable
from shared.contracts.topics import (
    LEDGER_COMMANDS,
    LEDGER_MONITORS,
    RECONCILIATION_COMMANDS,
    TOPICS,
)
from shared.runtime import log
from shared.runtime.kafka import Publisher, check_topics, patiently
from shared.runtime.lifecycle import pause, together, unless_stopped
from shared.runtime.metrics import Health, serve

LOOK_SECONDS: Final = 2.0
LOOKED_AT: Final = ("ledger", "reconciler", "kafka")
WAIT_SECONDS_MAX: Final = 60.0


async def _topics_found(settings: ConsoleSettings) -> None:
    await patiently(
        lambda: check_topics(
            settings.kafka,
            [TOPICS[name] for name in (LEDGER_COMMANDS, LEDGER_MONITORS, RECONCILIATION_COMMANDS)],
        ),
        what="Kafka",
        give_up_after_seconds=WAIT_SECONDS_MAX,
    )


async def run_console(stop: asyncio.Event) -> None:
    """The console, until ``stop``.

    Raises:
        Unavailable: Kafka did not answer in time at the start.
        SettingsInvalid: The environment does not make settings.
        TopicsInvalid: The topic of commands is missing or configured otherwise.
    """
    settings = ConsoleSettings.load()
    log.configure(settings, service="console")
    tokens, monitors = settings.tokens(), settings.monitors()
    await unless_stopped(stop, _topics_found(settings))
    dsn = settings.postgres_dsn.get_secret_value()
    ledger, reconciler = Views(dsn, "ledger"), Views(dsn, "reconciler")
    publisher = Publisher(settings.kafka, client_id="tallystick-console")
    health = Health()
    for name in LOOKED_AT:
        health.not_ready(name, "not asked yet")
    desk = _desk(settings, tokens, ledger, reconciler, publisher)
    served = application(desk, health)

    async def web(stopping: asyncio.Event) -> None:
        await serve(
            served,
            host=settings.console_host,
            port=settings.console_port,
            stop=stopping,
        )

    async def watch(stopping: asyncio.Event) -> None:
        await look_after(health, ledger, reconciler, publisher, stopping)

    figures = MonitorWatch(
        monitors,
        settings.books(),
        settings.kafka,
        ledger,
        publisher,
        health,
        clock=lambda: datetime.now(UTC),
        seconds=settings.console_monitors_seconds,
    )
    ticking = ClockWatch(
        settings.books(),
        ledger,
        desk.commands,
        health,
        clock=lambda: datetime.now(UTC),
        seconds=settings.console_clock_seconds,
    )
    parts = [web, watch, *([figures.run] if settings.console_monitors_file else [])]
    parts += [ticking.run] if settings.console_clock_seconds else []
    try:
        await together(stop, *parts)
    finally:
        await publisher.stop()
        await ledger.close()
        await reconciler.close()


def _desk(
    settings: ConsoleSettings,
    tokens: tuple[Token, ...],
    ledger: Views,
    reconciler: Views,
    publisher: Publisher,
) -> Desk:
    return Desk(
        books=settings.books(),
        tokens=tokens,
        ledger=ledger,
        reconciler=reconciler,
        commands=CommandDesk(
            publisher,
            ledger,
            await_seconds=settings.console_await_seconds,
            clock=lambda: datetime.now(UTC),
        ),
        acts=ActDesk(
            publisher,
            reconciler,
            ledger,
            await_seconds=settings.console_await_seconds,
            clock=lambda: datetime.now(UTC),
        ),
        body_bytes_max=settings.console_body_bytes_max,
        hosts_allowed=tuple(
            name.strip() for name in settings.console_hosts_allowed.split(",") if name.strip()
        ),
    )


async def look_after(
    health: Health, ledger: Views, reconciler: Views, publisher: Publisher, stop: asyncio.Event
) -> None:
    """Keep ``/readyz`` true: whether the views answer and commands could be published."""
    while True:
        health.beat("watch", next_within_seconds=30)
        for name, views, query in (
            ("ledger", ledger, "positions"),
            ("reconciler", reconciler, "reconciler_positions"),
        ):
            try:
                async with views.snapshot() as moment:
                    await moment.rows(query)
                health.ready(name)
            except Unavailable as error:
                health.not_ready(name, str(error))
        try:
            await publisher.start()
            health.ready("kafka")
        except Unavailable as error:
            health.not_ready("kafka", str(error))
        if await pause(stop, LOOK_SECONDS):
            return
