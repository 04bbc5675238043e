"""The door's process, put together: it holds no API key and owns no table."""

import asyncio
from typing import Final

from services.ingest.config import IngestSettings, parsed_failpoint
from services.ingest.shell.failpoint import Failpoint
from services.ingest.shell.opening import open_when_safe
from services.ingest.shell.verdict_log import VerdictLog
from services.ingest.shell.webhook import Door, DoorLimits
from shared.contracts.books import Mode
from shared.runtime import log
from shared.runtime.kafka import Publisher
from shared.runtime.lifecycle import together
from shared.runtime.metrics import Health, health_app, serve
from shared.runtime.settings import PREFIX, SettingsInvalid

_VERDICT_LINGER_MILLISECONDS: Final = 20


async def run_door(stop: asyncio.Event) -> None:
    """Answer webhooks until told to stop; then finish what is open and keep its verdicts."""
    settings = IngestSettings.load()
    log.configure(settings, service="door")
    books = settings.books()
    endpoints = settings.endpoints(books)
    health = Health()
    publisher = Publisher(settings.kafka, client_id="ingest-door")
    verdict_publisher = Publisher(
        settings.kafka, client_id="ingest-verdicts", linger_ms=_VERDICT_LINGER_MILLISECONDS
    )
    verdicts = VerdictLog(verdict_publisher, queue_max=settings.ingest_verdicts_queue_max)
    app = Door(
        endpoints=endpoints,
        books=books,
        limits=DoorLimits(
            tolerance_seconds=settings.ingest_tolerance_seconds,
            body_bytes_max=settings.ingest_body_bytes_max,
            body_timeout_seconds=settings.ingest_body_timeout_seconds,
            in_flight_max=settings.ingest_in_flight_max,
            publish_timeout_seconds=settings.ingest_publish_timeout_seconds,
        ),
        publisher=publisher,
        verdicts=verdicts,
        health=health,
        otherwise=health_app(health),
        failpoint=_failpoint(settings, {endpoint.mode for endpoint in endpoints.values()}),
    )
    served = asyncio.Event()

    async def serving(stop: asyncio.Event) -> None:
        log.get(__name__).info("door.listening", port=settings.ingest_door_port)
        try:
            await serve(
                app,
                host=settings.ingest_door_host,
                port=settings.ingest_door_port,
                stop=stop,
                proxy_headers=False,
                server_header=False,
                http="httptools",
            )
        finally:
            served.set()

    async def opening(stop: asyncio.Event) -> None:
        await open_when_safe(settings.kafka, publisher, app, health, stop)

    async def keeping(_: asyncio.Event) -> None:
        # The last answers still make verdicts, so these end after the answers.
        await verdicts.run(served)

    try:
        await together(stop, serving, opening, keeping, grace_seconds=10)
    finally:
        await publisher.stop()
        await verdict_publisher.stop()


def _failpoint(settings: IngestSettings, modes: set[Mode | None]) -> Failpoint | None:
    if not settings.ingest_failpoint:
        return None
    if modes != {Mode.TEST}:
        raise SettingsInvalid(
            f"{PREFIX}INGEST_FAILPOINT: only where every endpoint is of test mode"
        )
    place, count = parsed_failpoint(settings.ingest_failpoint)
    return Failpoint(place, count)
